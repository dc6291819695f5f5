"""A NATS server of one's own: prepared, logged in to by each service on its own, and worked through as any other."""

import asyncio
import json
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from obra.shared.client import Orchestrator
from obra.shared.config import NatsSettings, Settings
from obra.shared.embedded.access import PURGE, QUERIES, users_for
from obra.shared.embedded.host import keep_running
from obra.shared.embedded.join import external_login
from obra.shared.home import Home
from obra.shared.presence import present
from obra.shared.provisioning import make_logins
from obra.shared.services import NAMES, make, make_all
from tests.rig import Nats
from tests.services.console.person import OBRA

pytestmark = pytest.mark.bus


def settings_of(url: str, logins: Path, user: str) -> Settings:
    return Settings(nats=NatsSettings(url=url, user=user, password_file=str(logins / f"{user}.password")))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Nats]:
    make_logins(tmp_path / "logins", make_all(Settings(), Home(tmp_path / "home")))
    nats = Nats(tmp_path, (), include="logins/users.conf")
    await nats.start()
    yield nats
    await nats.kill()


def provisioned(server: Nats, user: str = "admin") -> subprocess.CompletedProcess[str]:
    logins = server.root / "logins"
    environment = {
        "PATH": "/usr/bin:/bin", "OBRA_HOME": str(server.root / "home"), "OBRA_NATS__URL": server.url,
        "OBRA_NATS__USER": user, "OBRA_NATS__PASSWORD_FILE": str(logins / f"{user}.password"),
    }  # fmt: skip
    argv = [*OBRA, "provision"]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_logins_are_made_once_and_are_private(tmp_path: Path) -> None:
    services = make_all(Settings(), Home(tmp_path / "home"))
    assert make_logins(tmp_path / "logins", services)
    before = {path.name: path.read_bytes() for path in (tmp_path / "logins").iterdir()}
    assert set(before) == {"users.conf", *(f"{name}.password" for name in ("admin", "edge", *NAMES))}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "logins").iterdir()} == {0o600}
    assert not make_logins(tmp_path / "logins", services)
    assert {path.name: path.read_bytes() for path in (tmp_path / "logins").iterdir()} == before


async def test_a_task_goes_through_seven_services_that_each_log_in_for_themselves(server: Nats, tmp_path: Path) -> None:
    for _ in range(2):
        done = await asyncio.to_thread(provisioned, server)
        assert (done.returncode, done.stderr) == (0, "")
    home, logins, stop = Home(tmp_path / "home"), tmp_path / "logins", asyncio.Event()
    repo, script = tmp_path / "repo", tmp_path / "script.json"
    git = "git init -q repo && git -C repo -c user.name=p -c user.email=p@localhost commit -q --allow-empty -m first"
    subprocess.run(["sh", "-c", git], cwd=tmp_path, check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    script.write_text(json.dumps({"attempts": [{"steps": [{"write": {"path": "a.txt", "text": "a\n"}}]}]}))
    running = []
    for name in NAMES:
        settings = settings_of(server.url, logins, name)
        user, password = external_login(settings)
        service = make(name, settings, home)
        running.append(asyncio.create_task(keep_running(service, server.url, password, stop, user=user)))
    try:
        async with Orchestrator(home.root, settings=settings_of(server.url, logins, "edge")) as obra:
            result = await obra.run(
                "write a.txt", repo=repo, checks=["test -f a.txt"], agent=f"scripted:{script}", llm="none", task="t"
            )
            table = await obra.sql("SELECT status FROM task")
        assert (result["status"], result["branch"]) == ("completed", "obra/t")
        assert table.rows == (("completed",),)
    finally:
        stop.set()
        await asyncio.gather(*running)


async def test_a_server_that_starts_again_needs_no_other_preparation(server: Nats, tmp_path: Path) -> None:
    assert (await asyncio.to_thread(provisioned, server)).returncode == 0
    await server.restart()
    async with Orchestrator(tmp_path / "home", settings=settings_of(server.url, tmp_path / "logins", "edge")) as obra:
        assert await present(obra.joined.bus) == []
        assert await obra.joined.bus.last_position() > 0


async def test_commands_that_are_for_the_embedded_server_say_so(server: Nats) -> None:
    environment = {"PATH": "/usr/bin:/bin", "OBRA_HOME": str(server.root / "home"), "OBRA_NATS__URL": server.url}

    def said(*args: str) -> tuple[int, str]:
        done = subprocess.run([*OBRA, *args], env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    where = f"obra: tasks go to {server.url}"
    assert said("up") == (2, f"{where}, where `obra service NAME` runs each service\n")
    assert said("down") == (2, f"{where}: stop its services where they were started\n")
    assert f"nats         OK       answers at {server.url}; " in said("doctor")[1]
    await server.kill()
    code, lines = said("doctor")
    assert (code, f"no answer at {server.url} (" in lines) == (4, True)


async def test_who_is_no_administrator_is_told_so(server: Nats) -> None:
    done = await asyncio.to_thread(provisioned, server, "edge")
    assert done.returncode == 4
    assert f"obra: {server.url} can't be prepared by user 'edge'" in done.stderr


def test_log_sink_alone_may_have_the_stream_forget_and_answers_queries(tmp_path: Path) -> None:
    users = users_for(make_all(Settings(), Home(tmp_path)))
    assert [user.name for user in users if PURGE in user.publish] == ["log-sink"]
    assert [user.name for user in users if QUERIES in user.subscribe] == ["log-sink"]
    assert [user.name for user in users if ">" in user.publish] == ["admin"]
