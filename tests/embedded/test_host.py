"""A host comes when it is needed, goes with the last that needs it, and never leaves anything behind."""

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import psutil
import pytest

from obra.events import InputReceived, TaskCompleted
from obra.events.base import Content
from obra.events.subjects import Scope
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.config import Settings
from obra.shared.embedded import notice
from obra.shared.embedded.access import ADMIN, User
from obra.shared.embedded.alone import alone
from obra.shared.embedded.join import NotRunning, join
from obra.shared.embedded.server import start
from obra.shared.envelope import fresh
from obra.shared.errors import AppendRefused
from obra.shared.home import Home
from tests import processes

HELLO = fresh(Scope("p", "t"), InputReceived(text=Content.of("hello")), "edge")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("OBRA_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


def board_of(home: Home) -> notice.Notice:
    found = notice.read(home)
    assert found
    return found


async def test_nothing_runs_once_the_last_command_is_gone(home: Home) -> None:
    async with join(home, Settings()) as joined:
        assert joined.started
        await joined.bus.append([HELLO])
    assert processes.left(home.root) == []
    assert notice.read(home) is None


async def test_who_must_not_start_anything_is_told_that_nothing_runs(home: Home) -> None:
    with pytest.raises(NotRunning, match="obra up"):
        async with join(home, Settings(), start=False):
            pass


async def test_two_commands_at_once_share_one_host(home: Home) -> None:
    async with join(home, Settings()) as first, join(home, Settings()) as second:
        assert (first.started, second.started) == (True, False)
        assert first.url == second.url


async def test_a_host_waits_for_one_that_is_about_to_end(home: Home) -> None:
    with alone(home):
        late = asyncio.create_task(_appended(home))
        async with asyncio.timeout(20):
            while not (home.logs / "host.log").exists():  # it is there and finds the home locked
                await asyncio.sleep(0.05)
        assert not late.done()
    await late


async def _appended(home: Home) -> None:
    async with join(home, Settings()) as joined:
        await joined.bus.append([HELLO])


async def test_commands_that_start_at_the_same_moment_start_one_host(home: Home) -> None:
    async def once(gate: asyncio.Barrier) -> str:
        async with join(home, Settings()) as joined:
            await gate.wait()
            return joined.url

    gate = asyncio.Barrier(3)
    assert len(set(await asyncio.gather(*(once(gate) for _ in range(3))))) == 1
    assert processes.left(home.root) == []


async def test_the_first_may_leave_before_the_second(home: Home) -> None:
    first = join(home, Settings())
    await first.__aenter__()
    async with join(home, Settings()) as second:
        await first.__aexit__(None, None, None)
        assert await second.bus.append([HELLO]) > 0
    assert processes.left(home.root) == []


async def test_a_server_whose_log_can_not_be_written_runs_on(home: Home) -> None:
    (home.logs / "nats.log").symlink_to("/dev/full")
    server = await start(home, Settings().nats, [User(ADMIN, "word", (">",), (">",))])
    bus = await JetStreamBus.connect(server.url, user=ADMIN, password="word", service=ADMIN)
    assert (await bus.js.account_info()).streams == 0
    await bus.close()
    await server.stop()


async def test_the_server_dies_with_a_host_that_is_killed(home: Home) -> None:
    async with join(home, Settings()) as joined:
        await joined.bus.append([HELLO])
        board = board_of(home)
        server = psutil.Process(board.server_pid)
        os.kill(board.host_pid, signal.SIGKILL)
        await joined.lost()
        await asyncio.to_thread(psutil.wait_procs, [server], 10)
        assert not server.is_running()
    async with join(home, Settings()) as again:
        assert again.started
        assert [recorded.envelope for recorded in (await again.bus.past(Scope("p", "t"))).events] == [HELLO]


async def test_a_host_whose_server_is_killed_ends_and_a_new_one_goes_on(home: Home) -> None:
    async with join(home, Settings()) as joined:
        await joined.bus.append([HELLO])
        os.kill(board_of(home).server_pid, signal.SIGKILL)
        await asyncio.wait_for(joined.lost(), 20)
    async with join(home, Settings()) as again:
        assert (await again.bus.past(Scope("p", "t"))).events
    assert processes.left(home.root) == []


async def test_a_host_whose_command_is_killed_before_it_is_ready_is_there_for_the_next_one(home: Home) -> None:
    async with join(home, Settings()):
        pass
    assert processes.left(home.root) == []
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "obra.shared.embedded.host", "--home", str(home.root), "--ready-fd", str(writing)]
    host = await asyncio.create_subprocess_exec(*command, pass_fds=(writing,), env={"PATH": os.environ["PATH"]})
    os.close(writing)
    async with asyncio.timeout(20):
        while notice.read(home) is None:
            await asyncio.sleep(0.01)
        async with join(home, Settings()) as joined:
            assert not joined.started
        assert await host.wait() == 0
    assert processes.left(home.root) == []


async def test_credentials_are_readable_by_their_owner_alone(home: Home) -> None:
    async with join(home, Settings()):
        for file in (notice.path(home), home.run / "nats.conf"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.run.stat().st_mode) == 0o700


async def test_nobody_may_say_what_is_not_theirs(home: Home) -> None:
    completed = fresh(Scope("p", "t"), TaskCompleted(attempt=1, branch="b", commit="c"), "planner")
    async with join(home, Settings()) as joined:
        board = board_of(home)
        with pytest.raises(AppendRefused):
            await joined.bus.append([completed])
        planner = await JetStreamBus.connect(
            board.url, user="planner", password=board.services["planner"], service="planner"
        )
        with pytest.raises(AppendRefused):
            await planner.append([completed])
        await planner.close()


async def test_a_service_is_present_while_it_runs(home: Home) -> None:
    from obra.shared.presence import present  # noqa: PLC0415 - beside its only use
    from obra.shared.services import NAMES  # noqa: PLC0415

    async with join(home, Settings()) as joined:
        async with asyncio.timeout(20):
            while {presence.service for presence in await present(joined.bus)} != set(NAMES):
                await asyncio.sleep(0.02)


async def test_a_service_beside_the_host_goes_on_beside_the_next_one(home: Home) -> None:
    from obra.shared.presence import present  # noqa: PLC0415 - beside its only use
    from obra.shared.runtime import beside  # noqa: PLC0415
    from obra.shared.services import make  # noqa: PLC0415

    async def there() -> None:
        async with join(home, Settings()) as joined, asyncio.timeout(30):
            while ("scorer", os.getpid()) not in {(each.service, each.pid) for each in await present(joined.bus)}:
                await asyncio.sleep(0.02)

    stop = asyncio.Event()
    async with join(home, Settings()):
        scorer = make("scorer", Settings(), home)
        running = asyncio.create_task(beside(scorer, home, board_of(home), stop))
        await there()
    await there()
    stop.set()
    await running
