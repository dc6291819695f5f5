"""A task that builds on several others starts from their work, merged; what does not go together is said."""

from pathlib import Path

import pytest

from obra.services.agent_runner.merge import merged
from obra.services.agent_runner.survey import Unmergeable
from obra.services.agent_runner.workspace import prepare
from tests.services.agent_runner.repositories import git, place, repository, state_of


def branch(repo: Path, name: str, start: str, **files: str) -> str:
    """Return a commit on branch *name* that adds *files* to *start*; the branch that was checked out is again."""
    before = git(repo, "symbolic-ref", "--short", "HEAD")
    git(repo, "checkout", "-q", "-b", name, start)
    for file, text in files.items():
        (repo / file).write_text(text)
        git(repo, "add", file)
    git(repo, "commit", "-q", "-m", name)
    git(repo, "checkout", "-q", before)
    return git(repo, "rev-parse", name)


def test_a_workspace_holds_the_work_of_all_and_the_repository_is_as_it_was(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    a, b, c = (branch(repo, name, "HEAD", **{name: name}) for name in ("one", "two", "three"))
    before = state_of(repo)
    workspace = prepare(place(tmp_path), repo, a, b, c)
    assert [(workspace.path / name).read_text() for name in ("one", "two", "three")] == ["one", "two", "three"]
    assert git(repo, "merge-base", "--is-ancestor", a, workspace.base) == ""
    assert state_of(repo) == before
    assert prepare(place(tmp_path), repo, a, b, c).base == workspace.base


def test_what_contains_the_others_is_taken_as_it_is(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    a = branch(repo, "one", "HEAD", one="1")
    b = branch(repo, "two", "one", two="2")
    assert [merged(repo, a, (b,)), merged(repo, b, (a,)), merged(repo, a, (a,))] == [b, b, a]


def test_work_that_does_not_go_together_names_the_files(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    a = branch(repo, "one", "HEAD", same="1\n")
    b = branch(repo, "two", "HEAD", same="2\n")
    with pytest.raises(Unmergeable, match=f"^{a[:10]} and {b[:10]} conflict in same$"):
        prepare(place(tmp_path), repo, a, b)
