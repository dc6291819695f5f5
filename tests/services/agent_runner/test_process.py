"""Programs that must not outlive anybody: trees are killed whole, whatever they did to get away."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from obra.services.agent_runner.leftovers import alive, sweep
from obra.services.agent_runner.process import ExitStatus, Process, start
from obra.services.agent_runner.sandbox import Sandbox, choose, wrap
from obra.shared.config import SandboxSettings
from tests.services.agent_runner.jobs import PATH

WITHIN_S = 10.0
LEAVE = "(setsid sleep 901 &) ; (env -i setsid nohup sleep 902 >/dev/null 2>&1 &) ; sleep 903 & "
STUBBORN = "trap '' TERM INT HUP; " + LEAVE


@pytest.fixture(params=["bwrap", "none"])
async def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    found = await choose("auto" if request.param == "bwrap" else "none", SandboxSettings())
    if found.kind != request.param:
        pytest.skip(found.reason)
    return found


@pytest.fixture
def marker() -> str:
    return f"obra-test-{uuid4().hex}"


def argv_of(sandbox: Sandbox, script: str, tmp_path: Path) -> list[str]:
    workspace = tmp_path / "workspace"
    workspace.mkdir(exist_ok=True)
    command = ["/bin/sh", "-c", script]
    return wrap(sandbox, command, workspace=workspace, home=tmp_path / "home", env={"PATH": PATH})


@asynccontextmanager
async def running(sandbox: Sandbox, script: str, tmp_path: Path, marker: str) -> AsyncIterator[Process]:
    argv = argv_of(sandbox, script, tmp_path)
    process = await start(
        argv, cwd=tmp_path / "workspace", env={"PATH": PATH}, sandbox=sandbox, marker=marker, stdin=True
    )
    try:
        async with asyncio.timeout(WITHIN_S * 2):
            yield process
    finally:
        await process.close()


async def output(process: Process) -> str:
    said = b""
    while chunk := await process.read():
        said += chunk
    return said.decode()


def sleepers(of: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in of if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


async def asleep(process: Process, count: int) -> list[psutil.Process]:
    """Return all that descends from *process*, once so many of it sleep."""
    while True:
        tree = psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            if len([each for each in tree if each.name() == "sleep"]) == count:
                return tree
        await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", ExitStatus(code=0)),
        ("exit 3", ExitStatus(code=3)),
        ("kill -9 $$", ExitStatus(signal=9)),
        ("kill -15 $$", ExitStatus(signal=15)),
        ("kill -11 $$", ExitStatus(signal=11)),
    ],
)
async def test_how_it_ended_is_told(
    sandbox: Sandbox, script: str, expected: ExitStatus, tmp_path: Path, marker: str
) -> None:
    async with running(sandbox, script, tmp_path, marker) as process:
        assert await output(process) == ""
        assert await process.wait() == expected


async def test_what_can_not_be_started_says_why(tmp_path: Path, marker: str) -> None:
    process = await start(
        ["/no/such/program"], cwd=tmp_path, env={"PATH": PATH}, sandbox=Sandbox("none"), marker=marker
    )
    try:
        assert await process.wait() == ExitStatus(problem="/no/such/program: No such file or directory")
    finally:
        await process.close()


async def test_it_hears_and_is_heard(sandbox: Sandbox, tmp_path: Path, marker: str) -> None:
    script = "cat; echo 'on stderr' >&2"
    async with running(sandbox, script, tmp_path, marker) as process:
        assert await process.write(b"hello\n")
        process.close_stdin()
        assert not await process.write(b"more\n")
        assert await output(process) == "hello\n"
        assert await process.wait() == ExitStatus(code=0)
        assert process.stderr == "on stderr\n"


async def test_writing_to_one_that_is_gone_is_no_error(sandbox: Sandbox, tmp_path: Path, marker: str) -> None:
    async with running(sandbox, "exec <&-; exec >&-; sleep 0.2", tmp_path, marker) as process:
        await output(process)
        while await process.write(b"x" * 100_000):
            pass
        assert await process.wait() == ExitStatus(code=0)


async def test_only_the_end_of_a_flood_on_standard_error_is_kept(sandbox: Sandbox, tmp_path: Path, marker: str) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo the end >&2"
    async with running(sandbox, script, tmp_path, marker) as process:
        await process.wait()
        await output(process)
        assert process.stderr.endswith("xthe end\n")
        assert len(process.stderr) <= 64 * 1024


async def test_its_end_leaves_nothing_behind(sandbox: Sandbox, tmp_path: Path, marker: str) -> None:
    async with running(sandbox, LEAVE + "echo started; read line", tmp_path, marker) as process:
        assert await process.read() == b"started\n"
        tree = await asleep(process, 3)
        await process.write(b"go\n")
        assert await process.wait() == ExitStatus(code=0)
        assert (sleepers(tree), alive(marker)) == ([], [])


async def test_killing_takes_everything_even_what_ignores_signals(
    sandbox: Sandbox, tmp_path: Path, marker: str
) -> None:
    async with running(sandbox, STUBBORN + "echo started; while :; do sleep 1; done", tmp_path, marker) as process:
        assert await process.read() == b"started\n"
        tree = psutil.Process(process.pid).children(recursive=True)
        assert await process.kill(grace_s=0.1) == ExitStatus(signal=9)
        assert (sleepers(tree), alive(marker)) == ([], [])


async def test_a_kind_word_is_enough_for_the_kind(sandbox: Sandbox, tmp_path: Path, marker: str) -> None:
    script = "trap 'echo bye; exit 7' TERM; echo started; while :; do sleep 0.01; done"
    async with running(sandbox, script, tmp_path, marker) as process:
        assert await process.read() == b"started\n"
        assert await process.kill(grace_s=WITHIN_S) == ExitStatus(code=7)
        assert await output(process) == "bye\n"


async def test_a_flood_that_nobody_reads_can_still_be_killed(sandbox: Sandbox, tmp_path: Path, marker: str) -> None:
    async with running(sandbox, "yes", tmp_path, marker) as process:
        assert (await process.read()).startswith(b"y\n")
        assert (await process.kill()).signal == signal.SIGKILL
        assert alive(marker) == []


async def test_what_its_launcher_left_is_swept(tmp_path: Path, marker: str) -> None:
    async with running(Sandbox("none"), "(setsid sleep 904 &); echo started; sleep 905", tmp_path, marker) as process:
        assert await process.read() == b"started\n"
        psutil.Process(process.pid).kill()
        assert await process.wait() == ExitStatus(signal=9)
        assert alive(marker) == []


HOLDER = """
import asyncio, sys
from pathlib import Path
from obra.services.agent_runner.process import start
from obra.services.agent_runner.sandbox import Sandbox
async def main():
    kind, marker, cwd, *argv = sys.argv[1:]
    process = await start(argv, cwd=Path(cwd), env={"PATH": "/usr/bin:/bin"}, sandbox=Sandbox(kind), marker=marker)
    print((await process.read()).decode(), end="", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_nothing_survives_the_sudden_death_of_obra(sandbox: Sandbox, tmp_path: Path, marker: str) -> None:
    argv = argv_of(sandbox, STUBBORN + "echo started; while :; do sleep 1; done", tmp_path)
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, sandbox.kind, marker, str(tmp_path / "workspace"), *argv,
        stdout=asyncio.subprocess.PIPE, env={"PATH": PATH},
    )  # fmt: skip
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"started\n"
    tree = psutil.Process(holder.pid).children(recursive=True)
    holder.kill()
    await holder.communicate()
    _, left = psutil.wait_procs(tree, timeout=WITHIN_S)
    assert (sleepers(left), alive(marker)) == ([], [])


async def test_leftovers_of_a_crash_are_found_by_their_marker_and_by_nothing_else(marker: str) -> None:
    env = {"PATH": PATH, "OBRARUN": f"{marker}-1"}
    mine = await asyncio.create_subprocess_exec(
        "sh", "-c", "env -i setsid sleep 906 & sleep 907 & wait", env=env, start_new_session=True
    )
    other = await asyncio.create_subprocess_exec("sleep", "908", env={"PATH": PATH, "OBRARUN": "another"})
    try:
        while len(psutil.Process(mine.pid).children()) < 2:
            await asyncio.sleep(0.005)
        assert await asyncio.to_thread(sweep, marker) == 3
        assert await mine.wait() == -signal.SIGKILL
        assert (alive(marker), other.returncode) == ([], None)
        assert sweep(marker) == 0
    finally:
        other.kill()
        await other.wait()


def test_sweeping_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="empty prefix"):
        sweep("")


def test_this_process_is_never_swept(monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    monkeypatch.setenv("OBRARUN", marker)
    assert sweep(marker) == 0
