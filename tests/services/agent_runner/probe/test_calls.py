"""What a sandbox says of calls is validated, bounded, and believed of changed files alone."""

import json
from typing import Any

from obra.services.agent_runner.probe.calls import CALLS_MAX, SUBJECTS_MAX, Call, Subject, read

SEEN = {"kind": "python", "file": "/w/a.py", "interpreter": "/usr/bin/python3", "cwd": "/w", "module": "a", "name": "f"}
SUBJECT = Subject("python", "/w/a.py", "f", "a", "/usr/bin/python3", "/w")
CHANGED = frozenset({"/w/a.py", "/w/b.sh"})


def lines(*seen: Any) -> list[bytes]:
    return [json.dumps(each).encode() for each in seen]


def test_calls_are_kept_once_by_what_was_called() -> None:
    one = {**SEEN, "args": ["x"], "kwargs": {"n": 3}, "output": "y"}
    assert read(lines(one, one), CHANGED) == {SUBJECT: [Call({"0": "x", "n=": 3}, output="y")]}


def test_a_program_is_its_words_its_files_and_its_input() -> None:
    seen = {
        "kind": "program", "file": "/w/b.sh", "interpreter": "/bin/sh", "cwd": "/w", "options": ["-e"],
        "args": ["d/in", "2", "--x", "a/b", "dir"], "files": {"0": "text", "4": {"n.log": ""}}, "stdin": "said",
    }  # fmt: skip
    parts = {
        "0": {"file": "text", "name": "in"}, "1": "2", "2": "--x", "3": "a/b",
        "4": {"file": {"d": [["n.log", ""]]}, "name": "dir"}, "stdin": "said",
    }  # fmt: skip
    subject = Subject("program", "/w/b.sh", "", "", "/bin/sh", "/w", (), ("-e",))
    assert read(lines(seen), CHANGED) == {subject: [Call(parts, frozenset({"2", "3"}))]}


def test_a_program_of_files_that_can_not_be_taken_along_is_left_alone() -> None:
    seen = {"kind": "program", "file": "/w/b.sh", "interpreter": "/bin/sh", "cwd": "/w", "args": ["x"]}
    assert read(lines({**seen, "files": {"0": None}}), CHANGED) == {}


def test_what_is_forged_is_passed_over() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = {"l": [deep]}
    forged = [
        b"", b"nonsense", b"[" * 50_000, b"\xff", *lines({}, [], {**SEEN, "args": 7}, {**SEEN, "file": "/etc/passwd"}),
        *lines({**SEEN, "kind": "eval", "output": "y"}, SEEN, {**SEEN, "args": [deep], "output": "y"}),
    ]  # fmt: skip
    assert read(forged, CHANGED) == {}


def test_there_is_an_end_to_what_is_kept() -> None:
    many = lines(*({**SEEN, "args": [n], "output": "y"} for n in range(CALLS_MAX + 9)))
    assert [len(calls) for calls in read(many, CHANGED).values()] == [CALLS_MAX]
    others = lines(*({**SEEN, "name": f"f{n}", "output": "y"} for n in range(SUBJECTS_MAX + 9)))
    assert len(read(others, CHANGED)) == SUBJECTS_MAX
