"""The client in docs/protocol.md is run as it stands, by a Python that can't see Obra."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision, provision_consumer
from obra.shared.config import Settings
from obra.shared.embedded.access import ADMIN, EDGE, EDGE_SAYS, User, users_for
from obra.shared.embedded.server import start
from obra.shared.home import Home
from obra.shared.services import make
from tests.rig import SETTINGS

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
LIMIT_S = 60.0


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Home]:
    """A server with its users, the planner, and the file that says where it is."""
    home = Home(tmp_path / "home")
    planner = make("planner", Settings(), home)
    users = {user.name: user for user in users_for([planner])}
    server = await start(home, SETTINGS, list(users.values()))
    admin = await login(server.url, users[ADMIN])
    await provision(admin.js, SETTINGS)
    await provision_consumer(admin.js, planner.consumer)  # type: ignore[attr-defined] # every thinking service has one
    bus = await login(server.url, users["planner"])
    stop = asyncio.Event()
    answering = asyncio.create_task(planner.run(bus, stop))
    door = {"url": server.url, "user": EDGE, "password": users[EDGE].password}
    (home.run / "nats.json").write_text(json.dumps(door))
    yield home
    stop.set()
    await answering
    for opened in (bus, admin):
        await opened.close()
    await server.stop()


async def login(url: str, user: User) -> JetStreamBus:
    return await JetStreamBus.connect(url, user=user.name, password=user.password, service=user.name)


def snippet() -> str:
    found = re.search(r"<!-- executed by .*? -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


async def run(home: Home, *words: str) -> SimpleNamespace:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", snippet(), *words,
        env={"OBRA_HOME": str(home.root), "HOME": str(home.root)}, cwd=home.root,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, errors = await asyncio.wait_for(process.communicate(), LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return SimpleNamespace(code=process.returncode, out=out.decode(), errors=errors.decode())


@pytest.mark.bus
async def test_the_client_of_the_page_submits_a_task_and_sees_what_becomes_of_it(running: Home) -> None:
    ended = await run(running, "no/absolute/path", "add a flag")
    assert (ended.errors, ended.code) == ("", 0)
    lines = [line.partition(" ") for line in ended.out.splitlines()]
    submitted, rejected = (json.loads(event) for _, _, event in lines)
    assert [int(position) for position, _, _ in lines] == [1, 2]
    assert submitted == {
        "type": "task.submitted", "text": "add a flag", "repo": "no/absolute/path", "checks": ["pytest -q"],
        "llm": "none",
    }  # fmt: skip
    assert rejected == {
        "type": "task.rejected", "reasons": ["the repository must be an absolute path, not 'no/absolute/path'"]
    }  # fmt: skip


def test_the_client_of_the_page_uses_nothing_of_obra() -> None:
    assert "import obra" not in snippet()
    assert "from obra" not in snippet()


def test_the_page_names_all_that_an_edge_may_say() -> None:
    section = PAGE.read_text().partition("## What may be said")[2].partition("##")[0]
    named = re.findall(r"`([a-z_]+\.[a-z_]+)`", section)
    assert sorted(named) == sorted(str(kind.__struct_config__.tag) for kind in EDGE_SAYS)
