"""log-sink is killed again and again under load; the store has every message once, in order, and the chain is whole."""

import asyncio
import contextlib
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

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
from obra.shared.store.select import Wanted
from tests.rig import SETTINGS, Nats
from tests.stored import local_events

FEW, MANY = 5, 50
BATCH = 40
SEED = 20_260_102
STEP = 1_500
"""How far the store comes, at most, before a kill that waits for it."""
LEAD = 4_000
"""How far the stream runs ahead of the store, at most: the log keeps only so much, and machines differ."""
START_S = 1.2
TEST_S = 300.0


@dataclass
class Load:
    """Says something all the time, some of it nonsense, and remembers what was acknowledged."""

    bus: JetStreamBus
    acknowledged: list[UUID] = field(default_factory=list)
    stopped: bool = False
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _until: int = LEAD

    async def run(self) -> None:
        number = 0
        while not self.stopped:
            self._room.clear()
            if await self.bus.last_position() > self._until:
                await self._room.wait()
            scope = Scope("shop", f"t{number % 7}")
            heard = [InputReceived(text=Content.of(f"{number}/{n} " + "x" * 300)) for n in range(BATCH)]
            said = [fresh(scope, event, "tester") for event in heard]
            await self.bus.append(said)
            self.acknowledged += [one.id for one in said]
            if number % 10 == 0:
                await self.bus.js.publish(f"obra.shop.t{number % 7}.input.received", b"nonsense %d" % number)
            number += 1

    def follow(self, position: int) -> None:
        """Go on until the stream is `LEAD` ahead of *position*, where the store is."""
        self._until = position + LEAD
        self._room.set()

    def stop(self) -> None:
        self.stopped = True
        self._room.set()


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
    admin, edge = await nats.login("admin"), await nats.login("edge")
    await provision(admin.js, SETTINGS)
    ask = RemoteQuery(edge.nc)
    load = Load(admin)
    talking = asyncio.create_task(load.run())
    try:
        async with asyncio.timeout(TEST_S):
            at = 0
            for number in range(kills):
                process = await sink_process(nats, home, tmp_path)
                if number % 2:  # while it starts, or opens the store, or has just begun
                    await asyncio.sleep(chance.uniform(0, START_S))
                else:
                    at = await come_to(ask, at + chance.randrange(1, STEP))
                process.kill()
                await process.wait()
                load.follow(at)
            load.stop()
            await talking
            process = await sink_process(nats, home, tmp_path)
            await settled(admin, ask)
            process.terminate()
            assert await process.wait() == 0
        expected = await everything(admin)
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        for bus in (edge, admin):
            await bus.close()
        await nats.kill()
    stored = [(raw.position, raw.subject, raw.data) for raw in local_events(home.store, Wanted())]
    assert stored == expected
    inputs = [
        json.loads(data)["id"] for _, name, data in stored if name.endswith("input.received") and data[:1] == b"{"
    ]
    assert inputs == [str(one) for one in load.acknowledged]
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
