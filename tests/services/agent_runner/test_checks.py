"""Checks are run as they stand, bounded, and without what the agent was given."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from obra.events import Content
from obra.services.agent_runner.checks import Room, run_check
from obra.services.agent_runner.leftovers import alive
from obra.services.agent_runner.sandbox import Sandbox, choose
from obra.shared.config import SandboxSettings

MARKER = "test-checks."


@pytest.fixture(params=["none", "bwrap"])
async def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    sandbox = await choose("auto", SandboxSettings()) if request.param == "bwrap" else Sandbox("none")
    if sandbox.kind != request.param:
        pytest.skip(f"no bubblewrap: {sandbox.reason}")
    for name in ("workspace", "home"):
        (tmp_path / name).mkdir()
    path = "/usr/local/bin:/usr/bin:/bin"
    marker = f"{MARKER}{os.getpid()}.{tmp_path.name}"
    return Room(tmp_path / "workspace", tmp_path / "home", path, sandbox, marker, 10**8)


async def outcome(command: str, room: Room, timeout_s: float = 20.0) -> tuple[int, bool, str]:
    result = await run_check(command, room, timeout_s, str)
    assert result.command == command
    assert result.duration_ms > 0
    assert result.output.text == Content.of(result.output.text).text
    return result.exit_code, result.timed_out, result.output.text


async def test_the_exit_code_and_both_streams_are_kept_in_order(room: Room) -> None:
    command = "echo out; echo err >&2; echo out again; exit 3"
    assert await outcome(command, room) == (3, False, "out\nerr\nout again\n")


async def test_it_runs_in_the_workspace_with_bash(room: Room) -> None:
    (room.workspace / "file").write_text("here\n")
    assert await outcome("[[ -f file ]] && cat file && pwd", room) == (0, False, f"here\n{room.workspace}\n")


async def test_it_gets_a_path_a_home_and_little_else(room: Room) -> None:
    code, _, text = await outcome("env", room)
    names = {line.split("=", 1)[0] for line in text.splitlines()} - {"PWD", "SHLVL", "_", "OLDPWD", "OBRARUN"}
    python = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    assert (code, names) == (0, {"PATH", "HOME", "LANG", "TERM", "TMPDIR"} | python)
    assert f"HOME={room.home}\n" in text


async def test_a_command_that_does_not_exist_fails_like_in_any_shell(room: Room) -> None:
    code, timed_out, text = await outcome("no-such-command-here", room)
    assert (code, timed_out) == (127, False)
    assert "not found" in text


async def test_a_signal_is_told_from_an_exit_code(room: Room) -> None:
    assert (await outcome("kill -9 $$", room))[:2] == (-9, False)


async def test_at_the_deadline_everything_is_killed(room: Room) -> None:
    command = "echo begun; (setsid sleep 300 &) ; sleep 300"
    assert await outcome(command, room, 0.5) == (-9, True, "begun\n")
    assert alive(room.marker) == []


async def test_what_it_leaves_in_the_background_is_gone_with_it(room: Room) -> None:
    assert await outcome("setsid sleep 300 & echo done", room) == (0, False, "done\n")
    assert alive(room.marker) == []


async def test_a_long_output_keeps_its_beginning_and_its_end(room: Room) -> None:
    code, _, text = await outcome("echo first; yes line | head -c 2000000; echo; echo last", room)
    assert code == 0
    assert len(text) < 70_000
    assert text.startswith("first\nline\n")
    assert text.endswith("line\n\nlast\n") or text.endswith("last\n")
    assert "bytes left out …]" in text


async def test_output_is_redacted_and_any_bytes_are_survived(room: Room) -> None:
    result = await run_check(
        "printf 'a\\377b hunter2\\n'", room, 20.0, lambda text: text.replace("hunter2", "[redacted]")
    )
    assert result.output.text == "a\ufffdb [redacted]\n"


async def test_it_can_not_ask_anybody_anything(room: Room) -> None:
    assert (await outcome("read answer || echo nobody", room)) == (0, False, "nobody\n")


async def test_a_sandboxed_check_can_not_write_outside(tmp_path: Path, room: Room) -> None:
    if room.sandbox.kind == "none":
        pytest.skip("there is no wall to test")
    await outcome(f"touch {tmp_path}/outside /etc/outside; true", room)
    assert not (tmp_path / "outside").exists()


async def test_a_room_that_is_gone_is_said(room: Room) -> None:
    gone = replace(room, workspace=room.workspace / "gone")
    code, timed_out, text = await outcome("true", gone)
    assert (timed_out, code != 0) == (False, True)
    assert text


@pytest.mark.parametrize(("tries", "code", "ran"), [(1, 1, 1), (2, 1, 2), (3, 0, 3), (9, 0, 3)])
async def test_a_check_that_fails_is_run_again_until_it_passes(room: Room, tries: int, code: int, ran: int) -> None:
    third = "echo x >> log; test $(wc -l < log) -ge 3"
    result = await run_check(third, room, 20.0, str, tries)
    assert (result.exit_code, result.tries) == (code, ran)
    assert (room.workspace / "log").read_text() == "x\n" * ran


async def test_a_check_that_comes_to_its_time_limit_is_not_run_again(room: Room) -> None:
    result = await run_check("echo x >> log; sleep 60", room, 0.3, str, 3)
    assert (result.timed_out, result.tries, (room.workspace / "log").read_text()) == (True, 1, "x\n")
