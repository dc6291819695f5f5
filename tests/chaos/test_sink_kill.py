"""log-sink is killed again and again under load; the store has every message once, in order, and the chain is whole."""

import asyncio
import contextlib
import json
import random
import sys
from pathlib import Path

import pytest

from obra.events import InputReceived
from obra.events.base import Content
from obra.events.subjects import Scope
from obra.services.log_sink.service import service
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision
from obra.shared.config import Settings
from obra.shared.embedded.access import users_for
from obra.shared.envelope import fresh
from obra.shared.home import Home
from obra.shared.store import Store
from obra.shared.store.query import RemoteQuery
from obra.shared.store.select import Wanted, local_events
from tests.rig import SETTINGS, Nats

FEW, MANY = 5, 50
BATCH = 40
SEED = 20_260_102
TEST_S = 300.0


async def load(bus: JetStreamBus, stop: asyncio.Event) -> None:
    """Say something all the time, some of it nonsense, until *stop*."""
    number = 0
    while not stop.is_set():
        scope = Scope("shop", f"t{number % 7}")
        heard = [InputReceived(text=Content.of(f"{number}/{n} " + "x" * 300)) for n in range(BATCH)]
        await bus.append([fresh(scope, event, "tester") for event in heard])
        if number % 10 == 0:
            await bus.js.publish(f"obra.shop.t{number % 7}.input.received", b"nonsense %d" % number)
        number += 1


async def sink_process(nats: Nats, home: Home, root: Path) -> asyncio.subprocess.Process:
    """Start log-sink as a process of its own, with nothing but its login."""
    password = root / "password"
    password.write_text(next(user.password for user in nats.users if user.name == "log-sink"))
    env = {
        "OBRA_HOME": str(home.root), "OBRA_NATS__URL": nats.url, "OBRA_NATS__USER": "log-sink",
        "OBRA_NATS__PASSWORD_FILE": str(password), "OBRA_STORE__BATCH_MAX": "100", "HOME": str(root),
    }  # fmt: skip
    with (root / "sink.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "obra.services.log_sink", env=env, stdin=asyncio.subprocess.DEVNULL,
            stdout=log, stderr=log,
        )  # fmt: skip


@pytest.mark.bus
@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_a_sink_that_is_killed_loses_nothing_and_doubles_nothing(kills: int, tmp_path: Path) -> None:
    home, chance = Home(tmp_path / "home"), random.Random(SEED)
    nats = Nats(tmp_path, tuple(users_for([service(Settings(), home)])), sync="2m")
    await nats.start()
    admin, edge, stop = await nats.login("admin"), await nats.login("edge"), asyncio.Event()
    await provision(admin.js, SETTINGS)
    ask = RemoteQuery(edge.nc)
    talking = asyncio.create_task(load(admin, stop))
    try:
        async with asyncio.timeout(TEST_S):
            at = 0
            for _ in range(kills):
                process = await sink_process(nats, home, tmp_path)
                at = await come_to(ask, at + chance.randrange(1, 3_000))
                process.kill()
                await process.wait()
            stop.set()
            await talking
            process = await sink_process(nats, home, tmp_path)
            await settled(admin, ask)
            process.terminate()
            assert await process.wait() == 0
        expected = await everything(admin)
    finally:
        stop.set()
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        for bus in (edge, admin):
            await bus.close()
        await nats.kill()
    stored = [(raw.position, raw.subject, raw.data) for raw in local_events(home.store, Wanted())]
    assert stored == expected
    nonsense = [position for position, _, data in stored if data.startswith(b"nonsense")]
    rejected = [json.loads(data)["event"]["position"] for _, name, data in stored if name.endswith("message.rejected")]
    assert sorted(rejected) == nonsense
    files = sorted(home.logs.glob("events.jsonl*"), key=lambda path: path.name, reverse=True)  # .2, .1, the newest
    lines = [line for file in files for line in file.read_bytes().splitlines()]
    assert [json.loads(line)["position"] for line in lines] == [position for position, _, _ in stored]
    store = Store(home.store)
    assert store.verify() is None
    store.close()


async def come_to(ask: RemoteQuery, position: int) -> int:
    """Return how far the store has come once it is past *position* and still on its way."""
    while True:
        with contextlib.suppress(Exception):  # it is starting, or far behind: ask again
            return (await ask.run("SELECT 1", wait_position=position)).position


async def settled(admin: JetStreamBus, ask: RemoteQuery) -> None:
    """Wait until the store has everything, and nothing new was reported meanwhile."""
    last = 0
    while last != await admin.last_position():
        last = await come_to(ask, await admin.last_position())
        while await owed(ask):
            pass


async def owed(ask: RemoteQuery) -> int:
    counted = await ask.run(
        "SELECT count(*) FILTER (problem IS NOT NULL) - count(*) FILTER (type = 'message.rejected') FROM event"
    )
    return int(counted.rows[0][0])


async def everything(bus: JetStreamBus) -> list[tuple[int, str, bytes]]:
    """Return the whole stream."""
    last, found = await bus.last_position(), list[tuple[int, str, bytes]]()
    async with contextlib.aclosing(bus.follow(0)) as raws:
        async for raw in raws:
            found.append((raw.position, raw.subject, raw.data))
            if raw.position == last:
                return found
    raise AssertionError("a stream that is followed does not end")
