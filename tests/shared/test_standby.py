"""Commands that stand by: they see the world as it is when they are called, and do nothing otherwise."""

import subprocess
import sys
from pathlib import Path

from obra.shared import standby
from obra.shared.git import Git, stop_all
from tests.processes import left
from tests.services.agent_runner.repositories import git, repository

ADD = ("add", "--all")
LISTED = ("diff-index", "--cached", "--name-only", "HEAD")


def tree_of(tmp_path: Path) -> tuple[Path, Git]:
    """Return a repository and git on its files."""
    repo = repository(tmp_path / "repo")
    return repo, Git(git_dir=repo / ".git", work_tree=repo)


def waiting() -> list[int]:
    """Return the processes that stand by."""
    return [process.pid for process in standby._standing.values()]


def test_a_command_sees_what_was_done_after_its_start_and_runs_once(tmp_path: Path) -> None:
    repo, control = tree_of(tmp_path)
    for args in (ADD, LISTED, ("write-tree",)):
        control.stand_by(*args)
        control.stand_by(*args)
    assert len(waiting()) == 3
    (repo / "later").write_text("x\n")
    assert control.run(*ADD).out == b""
    assert control.run(*LISTED).text == "later"
    (tree,) = control.run("write-tree").text.splitlines()
    assert git(repo, "ls-tree", "--name-only", tree) == "README.md\nlater"
    assert waiting() == []
    (repo / "again").write_text("x\n")
    control.run(*ADD)
    assert control.run(*LISTED).text == "again\nlater"


def test_a_command_that_fails_fails_as_ever(tmp_path: Path) -> None:
    _, control = tree_of(tmp_path)
    wrong = ("read-tree", "1" * 40)
    cold = control.try_(*wrong)
    control.stand_by(*wrong)
    assert control.try_(*wrong) == cold


def test_a_command_is_not_called_in_a_directory_that_has_taken_the_place_of_its_own(tmp_path: Path) -> None:
    repo, control = tree_of(tmp_path)
    control.stand_by(*ADD)
    repo.rename(tmp_path / "away")
    repo.mkdir()
    (tmp_path / "away" / ".git").rename(repo / ".git")
    (repo / "README.md").write_text("Hello\n")
    (repo / "new").write_text("x\n")
    control.run(*ADD)
    assert control.run(*LISTED).text == "new"
    assert len(waiting()) == 1
    control.dismiss(*ADD)
    assert waiting() == []


def test_a_command_that_somebody_killed_is_started_anew(tmp_path: Path) -> None:
    repo, control = tree_of(tmp_path)
    control.stand_by(*ADD)
    (process,) = standby._standing.values()
    process.kill()
    process.wait(timeout=10)
    (repo / "new").write_text("x\n")
    control.run(*ADD)
    assert control.run(*LISTED).text == "new"


def test_dismissed_commands_are_gone_and_have_done_nothing(tmp_path: Path) -> None:
    repo, control = tree_of(tmp_path)
    (repo / "new").write_text("x\n")
    for args in (ADD, ("write-tree",)):
        control.stand_by(*args)
    processes = list(standby._standing.values())
    control.dismiss(*ADD)
    stop_all()
    assert [process.returncode for process in processes] == [-9, -9]
    assert control.run(*LISTED).text == ""
    assert not (repo / ".git" / "index.lock").exists()


def test_if_obra_is_killed_what_stands_by_ends_and_does_nothing(tmp_path: Path) -> None:
    repo, control = tree_of(tmp_path)
    (repo / "new").write_text("x\n")
    script = (
        "import os, sys; from pathlib import Path; from obra.shared.git import Git; at = Path(sys.argv[1]);"
        "Git(git_dir=at / '.git', work_tree=at).stand_by('add', '--all'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(repo)], timeout=60, check=False)
    assert (done.returncode, left(repo)) == (-9, [])
    assert control.run(*LISTED).text == ""
    assert not (repo / ".git" / "index.lock").exists()
