"""`obra show`, `status`, `diff` and `rollback` over time, by their output, as a person sees it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import processes
from tests.services.console.person import Person, arrived

RUN = ("run", "count to two", "--task-id", "t1", "--llm", "none", "--sandbox", "none", "--check", "test -f b.txt")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Return a person whose task was accepted on its second attempt."""
    someone = arrived(tmp_path_factory.mktemp("time"))
    first: list[dict[str, Any]] = [
        {"write": {"path": "n.txt", "text": "1\n"}},
        {"write": {"path": "c.txt", "text": ""}},
    ]
    second: list[dict[str, Any]] = [
        {"write": {"path": "n.txt", "text": "2\n"}}, {"run": "rm c.txt"}, {"write": {"path": "b.txt", "text": ""}}
    ]  # fmt: skip
    someone.obra(*RUN, "--agent", someone.script(first, second))
    yield someone
    assert processes.left(someone.home) == []


def position(person: Person, kind: str, nth: int = 0) -> int:
    return int(person.lines("events", "--type", kind, "--json")[nth]["position"])


def test_a_task_is_shown_as_it_was(person: Person) -> None:
    then = person.json("show", "t1", "--as-of", "attempt:1")
    now = person.json("show", "t1")
    assert (then["status"], then["attempts"], then["decision"], then["branch"]) == ("reviewing", 1, "", "")
    assert (now["status"], now["attempts"], now["decision"], now["branch"]) == ("completed", 2, "proceed", "obra/t1")
    assert then["position"] == position(person, "attempt.scored")
    assert then["story"] == [one for one in now["story"] if one["position"] <= then["position"]]


def test_the_status_is_told_as_of_a_position_and_a_time(person: Person) -> None:
    begun = person.lines("events", "--type", "attempt.started", "--json")[1]
    for point in (str(begun["position"]), begun["at"]):
        told = person.json("status", "--as-of", point)
        assert (told["as_of"], told["tasks"]) == (begun["position"], {"running": 1})
    assert person.json("status", "--as-of", "0")["tasks"] == {}
    assert f"as of position {begun['position']}:" in person.obra("status", "--as-of", str(begun["position"])).stdout


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("show", "t1", "--as-of", "999999"), "--as-of 999999: nothing has happened there yet; the newest position is"),
        (("status", "--as-of", "999999"), "--as-of 999999: nothing has happened there yet; the newest position is"),
        (("show", "t1", "--as-of", "attempt:7"), "no such attempt has ended; attempt:1, attempt:2 did"),
        (("diff", "t1", "--from", "soon"), "--from 'soon': give a position (digits), attempt:N, a time"),
        (("diff", "t9", "--from", "1"), "there is no task 't9' in project 'default'; did you mean t1?"),
        (("status", "--as-of", "attempt:1"), "--as-of 'attempt:1': give a position (digits), a time"),
        (("rollback", "--to", "3"), "give a TASK, or --project NAME or --milestone NAME"),
        (("rollback", "t1", "--milestone", "m", "--to", "3"), "give a TASK or a --milestone, not both"),
    ],
)
def test_what_is_no_point_or_no_task_is_answered_with_what_would_do(
    person: Person, args: tuple[str, ...], problem: str
) -> None:
    assert problem in person.obra(*args, code=2).stderr


def test_a_difference_tells_state_decisions_and_files(person: Person) -> None:
    told = person.json("diff", "t1", "--from", "attempt:1", "--to", "attempt:2", "--stat")
    assert {name: (change["from"], change["to"]) for name, change in told["state"].items()} == {
        "attempts": (1, 2), "decision": ("", "retry"), "reasons": ([], ["check `test -f b.txt` exited 1"]),
        "quality": (0.375, 1.0), "confidence": (0.05, 0.95),
    }  # fmt: skip
    assert [(one["action"], one["attempt"]) for one in told["decisions"]] == [("retry", 1)]
    assert told["files"] == [
        {"path": "b.txt", "kind": "added", "added": 0, "deleted": 0},
        {"path": "c.txt", "kind": "deleted", "added": 0, "deleted": 0},
        {"path": "n.txt", "kind": "modified", "added": 1, "deleted": 1},
    ]
    shown = person.obra("diff", "t1", "--from", "attempt:2", "--to", "attempt:0").stdout
    assert "  attempts: 2 -> 0\n" in shown
    assert "deleted  +0  -1  n.txt\n" in shown
    assert "\n-2\n" in shown


def test_back_and_back_again(person: Person) -> None:
    """One story: planned, rolled back with a revert, refused, shown, and rolled back itself."""
    end = json.loads(person.obra("show", "t1", "--json").stdout)["position"]
    to = position(person, "attempt.scored")
    planned = person.json("rollback", "t1", "--to", "attempt:1", "--dry-run")
    assert (planned["to"], planned["attempts_undone"], planned["position"]) == (to, [2], 0)
    assert person.json("status")["tasks"] == {"completed": 1}

    done = person.json("rollback", "t1", "--to", "attempt:1", "--reason", "wrong", "--revert")
    assert done == planned | {"dry_run": False, "reverts": ["obra/t1-revert"], "position": done["position"]}
    assert done["position"] > end
    workspace = person.home / "tasks" / "default" / "t1" / "workspace"
    assert sorted(path.name for path in workspace.iterdir()) == ["a.txt", "c.txt", "n.txt"]
    assert (workspace / "n.txt").read_text() == "1\n"

    person.git("checkout", "-q", "-b", "merged", "main")
    person.git("merge", "-q", "--no-edit", "obra/t1")
    (person.repo / "later.txt").write_text("later\n")
    person.git("add", "-A")
    person.git("commit", "-qm", "later")
    person.git("merge", "-q", "--no-edit", "obra/t1-revert")
    assert person.git("ls-tree", "--name-only", "merged").split() == ["a.txt", "later.txt"]
    assert person.git("log", "-1", "--format=%s", "obra/t1").strip() == "count to two"

    shown = person.obra("show", "t1").stdout
    assert "(undone) accepted: attempt 2 is branch obra/t1" in shown
    assert "Rolled back, and waits for a person: count to two" in shown

    again = person.obra("rollback", "t1", "--to", str(end)).stdout
    assert "counting again:" in again
    assert "it is completed again" in again
    assert (workspace / "n.txt").read_text() == "2\n"
    assert person.json("status")["tasks"] == {"completed": 1}
