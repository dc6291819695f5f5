"""`obra up` tells what comes of the work: on a terminal, with real processes."""

import os
import re
import select
import signal
import subprocess
from pathlib import Path

import pytest

from tests import processes
from tests.services.console.person import OBRA, TIMEOUT_S, arrived

pytestmark = pytest.mark.bus


def heard(terminal: int, end: bytes) -> bytes:
    """Return what comes out of *terminal*, up to *end*."""
    said = b""
    while not said.endswith(end) and select.select([terminal], [], [], TIMEOUT_S)[0]:
        said += os.read(terminal, 4_096)
    return said


def test_what_begins_ends_and_waits_is_told_a_line_each(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    agent = person.script([{"write": {"path": "b.txt", "text": "b\n"}}])
    options = ("--agent", agent, "--llm", "none", "--sandbox", "none", "--attempts", "1")
    ours, theirs = os.openpty()
    with subprocess.Popen([*OBRA, "up"], cwd=person.repo, env=person.environment, stdout=theirs) as up:
        said = heard(ours, b"Ctrl-C stops it.\r\n")
        try:
            person.obra("run", "add b", *options, "--task-id", "good", "--check", "test -f b.txt")
            person.obra("run", "add c", *options, "--task-id", "bad", "--check", "test -f c.txt", code=1)
            person.obra("run", "add d", *options, "--task-id", "asks", code=3)
            said += heard(ours, b"must approve the work\r\n")
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(TIMEOUT_S) == 0
    said += heard(ours, b"runs again.\r\n")
    os.close(theirs)
    os.close(ours)
    first, *told, last = said.decode().split("\r\n")[:-1]
    assert first.startswith("Obra runs on ")
    assert [re.sub(r"^\d\d:\d\d:\d\d  (\w+) +", r"\1: ", line) for line in told] == [
        "good: ready to be worked on",
        "good: accepted: attempt 1 is branch obra/good",
        "bad: ready to be worked on",
        "bad: not accepted after 1 attempt: check `test -f c.txt` exited 1",
        "asks: ready to be worked on",
        "asks: a person is needed (no_checks): the task has no checks, so a person must approve the work",
    ]
    assert last == "Obra stopped; unfinished tasks go on when it runs again."
    assert processes.left(person.home) == []
