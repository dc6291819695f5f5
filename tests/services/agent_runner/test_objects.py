"""The agent's clone holds what leads to the user's branches and tags, and, once it is known which that is, no more."""

import os
from pathlib import Path

import pytest

from obra.events.subjects import Scope
from obra.services.agent_runner import clone, objects
from obra.services.agent_runner.deliver import deliver
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.workspace import Workspace, prepare
from obra.shared.home import Home
from tests.services.agent_runner.repositories import git, prepared, recorded, repository


def following(tmp_path: Path, repo: Path, base: str = "") -> Workspace:
    """Return the workspace of the next task in *repo*."""
    return prepare(Place.of(Home(tmp_path / "home"), Scope("shop", "t2")), repo, base)


def has(workspace: Workspace, name: str) -> bool:
    found = git(workspace.path, "cat-file", "--batch-check", data=f"{name}\n".encode())
    return not found.endswith("missing")


def whole(workspace: Workspace, repo: Path) -> bool:
    """Return whether everything that the user's own branches and tags lead to is in the clone."""
    tips = ("rev-parse", "--exclude=obra/*", "--branches", "--tags", "HEAD")
    wanted = git(repo, "rev-list", "--objects", "--no-object-names", *git(repo, *tips).split())
    return git(workspace.path, "fsck", "--no-dangling") == "" and all(has(workspace, one) for one in wanted.split())


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = repository(tmp_path / "repo", a="1\n", sub__b="2\n")
    git(repo, "tag", "-a", "v1", "-m", "one")
    git(repo, "checkout", "-q", "-b", "side")
    (repo / "c").write_text("3\n")
    git(repo, "add", "c")
    git(repo, "commit", "-q", "-m", "second")
    git(repo, "checkout", "-q", "main")
    return repo


@pytest.mark.parametrize("packed", [False, True])
def test_work_delivered_before_stays_out_of_the_next_clone_once_it_is_known_what_is_needed(
    tmp_path: Path, repo: Path, packed: bool
) -> None:
    first = prepared(tmp_path, repo)
    (first.path / "new").write_text("delivered\n")
    commit = recorded(first).commit
    deliver(first, commit, 1)
    if packed:
        git(repo, "pack-refs", "--all")
    clone.foresee(first.target)
    second = following(tmp_path, repo)
    assert whole(second, repo)
    assert not has(second, commit)
    assert "obra/t1" not in git(second.path, "for-each-ref", "--format=%(refname)")


def test_a_night_of_delivered_work_is_not_copied_into_each_further_clone(tmp_path: Path, repo: Path) -> None:
    first = prepared(tmp_path, repo)
    for number in range(objects.FEW_FILES_MAX):
        git(repo, "hash-object", "-w", "--stdin", data=f"delivered {number}\n".encode())
    everything = sum(len(names) for names in map(os.listdir, (repo / ".git" / "objects").iterdir()))
    clone.foresee(first.target)
    second = following(tmp_path, repo)
    assert whole(second, repo)
    copied = sum(len(names) for names in map(os.listdir, (second.path / ".git" / "objects").iterdir()))
    assert copied == everything - objects.FEW_FILES_MAX


@pytest.mark.parametrize("change", ["a commit", "a branch", "a gc", "a gc and a commit", "other work", "nothing"])
def test_what_was_known_does_not_mislead_once_the_repository_has_changed(
    tmp_path: Path, repo: Path, change: str
) -> None:
    first = prepared(tmp_path, repo)
    clone.foresee(first.target)
    if change == "other work":
        (first.path / "new").write_text("delivered\n")
        deliver(first, recorded(first).commit, 1)
    if change == "a branch":
        git(repo, "branch", "more", "side")
    if "gc" in change:
        git(repo, "gc", "-q", "--prune=now")
    if "commit" in change:
        (repo / "a").write_text("4\n")
        git(repo, "commit", "-q", "-am", "third")
    second = following(tmp_path, repo)
    assert second.base == git(repo, "rev-parse", "HEAD")
    assert whole(second, repo)
    assert git(second.path, "status", "--porcelain") == ""


def test_a_base_that_no_branch_holds_is_whole_too(tmp_path: Path, repo: Path) -> None:
    git(repo, "checkout", "-q", "--detach")
    (repo / "d").write_text("5\n")
    git(repo, "add", "d")
    git(repo, "commit", "-q", "-m", "detached")
    lost = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "main")
    clone.foresee(prepared(tmp_path, repo, lost).target)
    second = following(tmp_path, repo, lost)
    assert git(second.path, "fsck", "--no-dangling") == ""
    assert (second.path / "d").read_text() == "5\n"


def test_a_loose_object_that_has_gone_into_a_pack_that_was_there_is_found_in_it(tmp_path: Path, repo: Path) -> None:
    git(repo, "repack", "-q", "-a")
    clone.foresee(prepared(tmp_path, repo).target)
    git(repo, "prune-packed")
    assert whole(following(tmp_path, repo), repo)
