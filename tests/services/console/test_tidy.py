"""Room is made of what tasks that are over have left, and of nothing else."""

import fcntl
from pathlib import Path

import pytest

from tests.services.console.person import arrived

pytestmark = pytest.mark.bus


def test_workspaces_of_tasks_that_are_over_go_and_come_back_where_they_are_needed(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    tasks = person.home / "tasks" / "default"
    write = person.script([{"write": {"path": "b.txt", "text": "b\n"}}])
    wishes = ("--agent", write, "--llm", "none")
    with person.up():
        person.obra("run", "over", *wishes, "--check", "test -f b.txt", "--task-id", "over")
        person.obra("run", "waits", *wishes, "--task-id", "waits", code=3)
        person.obra("run", "mine", *wishes, "--task-id", "mine", code=3)
        person.obra("take-over", "mine")
        would = person.json("tidy", "--dry-run")
        assert (would["tasks"], would["busy"], would["dry_run"]) == (1, 0, True)
        with (tasks / "over" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert person.json("tidy") == {"tasks": 0, "bytes": 0, "busy": 1, "pins": 0, "dry_run": False}
        assert person.json("tidy", "--before", "1") == {"tasks": 0, "bytes": 0, "busy": 0, "pins": 0, "dry_run": False}
        assert person.json("tidy") == would | {"dry_run": False}
        for kept in ("workspace", "home"):
            assert [(tasks / name / kept).exists() for name in ("over", "waits", "mine")] == [False, True, True]
        person.obra("rollback", "over", "--to", "attempt:1")
        assert person.json("approve", "over")["branch"] == "obra/over"
        assert person.git("show", "obra/over:b.txt") == "b\n"


def test_what_pins_the_beginning_of_a_task_goes_once_it_can_not_be_returned_to(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    write = person.script([{"write": {"path": "b.txt", "text": "b\n"}}])
    wishes = ("--agent", write, "--llm", "none", "--sandbox", "none")
    pins = ("for-each-ref", "--format=%(refname)", "refs/obra")
    with person.up():
        person.obra("run", "over", *wishes, "--check", "true", "--task-id", "over")
        person.obra("run", "waits", *wishes, "--task-id", "waits", code=3)
        assert person.json("tidy")["pins"] == 0
        person.obra("export", str(tmp_path / "archive"))
        person.obra("prune", str(tmp_path / "archive"))
        assert person.git(*pins).split() == ["refs/obra/over/base", "refs/obra/waits/base"]
        assert person.json("tidy", "--dry-run")["pins"] == 1
        said = person.obra("tidy").stdout.splitlines()
        assert said[1] == "1 reference of tasks that were pruned let go in your repositories"
        assert person.git(*pins).split() == ["refs/obra/waits/base"]
        assert person.json("tidy")["pins"] == 0
