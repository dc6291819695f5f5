"""What runs is stopped on request; a command whose Obra is of another version, or dies, says so in a sentence."""

import os
import signal
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from obra.shared.embedded import notice
from obra.shared.embedded.join import OtherVersion
from obra.shared.envelope import VERSION
from obra.shared.home import Home
from tests import processes
from tests.services.console.person import arrived

pytestmark = pytest.mark.bus
BEGUN_S = 60.0


def test_an_obra_of_another_version_is_named_and_stopped_on_request(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    home = Home(person.home)
    assert person.obra("down", code=4).stderr == f"obra: No Obra runs on {home.root}: start one with `obra up`.\n"
    with person.start("up") as up:
        assert up.stdout
        assert up.stdout.readline().startswith("Obra runs on ")
        board = notice.read(home)
        assert board
        for changed, theirs in (({"version": "9.9"}, "Obra 9.9"), ({"views": "-"}, f"Another build of Obra {VERSION}")):
            notice.put_up(home, replace(board, **changed))
            done = person.obra("inbox", "--json")
            told = OtherVersion(theirs=theirs, home=home.root, ours=VERSION)
            assert (done.stdout, done.stderr) == ('{"waiting": []}\n', f"obra: {told}\n")
        notice.put_up(home, board)
        assert person.obra("inbox").stderr == ""
        assert person.obra("down").stdout == (
            f"Obra stopped on {home.root}; unfinished tasks go on when it runs again.\n"
        )
        assert processes.left(home.root / "run") == []
        _, err = up.communicate(timeout=BEGUN_S)
        said = f"obra: Obra was stopped by another command, or failed: {home.logs / 'host.log'} says which\n"
        assert (up.returncode, err) == (4, said)


def test_a_command_whose_server_is_killed_says_so_in_one_sentence(tmp_path: Path) -> None:
    person, begun = arrived(tmp_path), tmp_path / "begun"
    agent = person.script([{"run": f"touch {begun}; sleep 300"}])
    wishes = ("--agent", agent, "--check", "true", "--llm", "none", "--sandbox", "none", "--task-id", "t1", "--json")
    with person.start("run", "wait", *wishes) as run:
        until = time.monotonic() + BEGUN_S
        while not begun.exists() and time.monotonic() < until:
            time.sleep(0.01)
        board = notice.read(Home(person.home))
        assert board
        os.kill(board.server_pid, signal.SIGKILL)
        out, err = run.communicate(timeout=BEGUN_S)
    assert (run.returncode, out) == (4, "")
    assert err.splitlines()[-1] == "obra: Obra has stopped; the task is kept: `obra run --resume t1` goes on with it."
    assert [line for line in err.splitlines() if line.startswith(("obra: ", "{"))] == err.splitlines()[-1:]
    assert processes.left(person.home) == []
