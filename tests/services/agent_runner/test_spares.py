"""A workspace that was made beforehand is the one that would have been made, or is not taken."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from obra.events.subjects import Scope
from obra.services.agent_runner import spares as module
from obra.services.agent_runner.deliver import deliver
from obra.services.agent_runner.making import pin
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.spares import Spares
from obra.services.agent_runner.workspace import Workspace, find, prepare
from obra.shared.home import Home
from obra.shared.repository import locate
from tests.services.agent_runner.repositories import git, recorded, repository, state_of, tree

TASK = Scope("shop", "t2")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = repository(tmp_path / "repo", a="1\n", sub__b_sh="2\n")
    git(repo, "tag", "-a", "v1", "-m", "one")
    git(repo, "branch", "side")
    return repo


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def spares(home: Home) -> Iterator[Spares]:
    spares = Spares(home)
    yield spares
    spares.close()


def laid_in(home: Home) -> list[Path]:
    """Return where spares lie."""
    return sorted(home.root.glob("spares/*/*/workspace"))


def seen(workspace: Workspace) -> dict[str, object]:
    """Return what an agent sees, and what was written into the user's repository."""
    refs = "--format=%(objectname) %(refname)"
    return {
        "files": {
            path.relative_to(workspace.path): (path.read_bytes(), path.stat().st_mode)
            for path in workspace.path.rglob("*")
            if path.is_file() and ".git" not in path.parts
        },
        "head": git(workspace.path, "symbolic-ref", "HEAD"),
        "refs": git(workspace.path, "for-each-ref", refs),
        "status": git(workspace.path, "status", "--porcelain", "--branch"),
        "config": (workspace.path / ".git" / "config").read_text(),
        "fsck": git(workspace.path, "fsck", "--no-dangling"),
        "pinned": git(workspace.target.path, "for-each-ref", refs, "refs/obra/t2"),
    }


@pytest.mark.parametrize("base", ["", "HEAD", "side"])
def test_a_task_finds_in_a_spare_just_what_would_have_been_made_for_it(
    tmp_path: Path, repo: Path, home: Home, spares: Spares, base: str
) -> None:
    before = state_of(repo)
    base = base and git(repo, "rev-parse", base)
    other = Place.of(Home(tmp_path / "other"), TASK)
    anew, place = prepare(other, repo, base), Place.of(home, TASK)
    expected = seen(anew)
    git(repo, "update-ref", "-d", "refs/obra/t2/base")
    spares.lay_in(locate(repo))
    assert git(repo, "for-each-ref", "refs/obra") == ""
    assert spares.take(place, repo, base)
    taken = find(place)
    assert taken is not None
    pin(place, taken.target)
    assert (taken.target, seen(taken)) == (anew.target, expected)
    assert (laid_in(home), prepare(place, repo, base)) == ([], taken)
    (taken.path / "new").write_text("x\n")
    found = recorded(taken)
    assert tree(taken, found.commit) == {"a": "100644", "sub/b.sh": "100644", "new": "100644"}
    assert [change.path for change in found.changes.files] == ["new"]
    assert deliver(taken, found.commit, 1) == "obra/t2"
    assert git(repo, "fsck", "--no-dangling") == ""
    assert state_of(repo) == before


@pytest.mark.parametrize("change", ["commit", "branch", "tag", "deleted branch", "detached", "gone", "shallow"])
def test_a_spare_of_a_repository_that_has_changed_is_not_taken_and_the_next_is_made_from_what_it_is(
    repo: Path, home: Home, spares: Spares, change: str
) -> None:
    spares.lay_in(locate(repo))
    match change:
        case "commit":
            git(repo, "commit", "-q", "--allow-empty", "-m", "second")
        case "branch" | "tag":
            git(repo, change, "another")
        case "deleted branch":
            git(repo, "branch", "-D", "side")
        case "detached":
            git(repo, "commit", "-q", "--allow-empty", "-m", "second")
            git(repo, "checkout", "-q", "--detach")
            git(repo, "branch", "-f", "main", "HEAD^")
        case "shallow":
            (repo / ".git" / "shallow").write_text(git(repo, "rev-parse", "HEAD") + "\n")
        case _:
            repo.rename(repo.with_name("elsewhere"))
    place = Place.of(home, TASK)
    assert not spares.take(place, repo, "")
    assert find(place) is None
    if change != "gone":
        spares.lay_in(locate(repo))
        assert len(laid_in(home)) == (change != "shallow")
        assert prepare(place, repo, "").base == git(repo, "rev-parse", "HEAD")


def test_work_that_is_delivered_for_another_task_leaves_a_spare_as_good_as_it_was(
    home: Home, repo: Path, spares: Spares
) -> None:
    spares.lay_in(locate(repo))
    first = prepare(Place.of(home, Scope("shop", "t1")), repo, "")
    (first.path / "new").write_text("x\n")
    deliver(first, recorded(first).commit, 1)
    assert spares.take(Place.of(home, TASK), repo, "")


def test_a_spare_is_not_taken_for_another_base_nor_twice(home: Home, repo: Path, spares: Spares) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    spares.lay_in(locate(repo))
    assert not spares.take(Place.of(home, TASK), repo, first)
    spares.lay_in(locate(repo))
    assert spares.take(Place.of(home, TASK), repo, "")
    assert not spares.take(Place.of(home, Scope("shop", "t3")), repo, "")


def test_a_half_made_workspace_in_the_way_is_not_mixed_with_a_spare(home: Home, repo: Path, spares: Spares) -> None:
    place = Place.of(home, TASK)
    for left in (place.workspace, place.control):
        left.mkdir()
        (left / "left").write_text("")
    spares.lay_in(locate(repo))
    assert not spares.take(place, repo, "")
    assert sorted(path.name for path in prepare(place, repo, "").path.iterdir()) == [".git", "a", "sub"]


def test_one_spare_is_laid_in_for_a_repository_and_made_again_only_when_it_has_changed(
    home: Home, repo: Path, spares: Spares
) -> None:
    spares.lay_in(locate(repo))
    first = laid_in(home)
    spares.lay_in(locate(repo))
    assert laid_in(home) == first
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    spares.lay_in(locate(repo))
    assert (len(laid_in(home)), laid_in(home) == first) == (1, False)
    assert spares.take(Place.of(home, TASK), repo, "")


def test_few_repositories_have_a_spare_those_that_were_used_last(
    tmp_path: Path, home: Home, spares: Spares, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SPARES_MAX", 2)
    repos = [repository(tmp_path / f"repo{number}") for number in range(3)]
    for one in repos:
        spares.lay_in(locate(one))
    assert len(laid_in(home)) == 2
    taken = [spares.take(Place.of(home, Scope("shop", one.name)), one, "") for one in repos]
    assert taken == [False, True, True]


def test_there_is_no_spare_where_a_copy_is_not_small_or_not_plain(tmp_path: Path, home: Home, spares: Spares) -> None:
    repo = repository(tmp_path / "repo")
    git(tmp_path, "clone", "-q", "--bare", "repo", "bare")
    git(tmp_path, "clone", "-q", "--shared", "repo", "borrowing")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"))
    parent = repository(tmp_path / "parent")
    git(parent, "submodule", "add", "-q", str(repo), "lib")
    git(parent, "commit", "-q", "-m", "with a submodule")
    large = repository(tmp_path / "large")
    (large / "noise").write_bytes(os.urandom(2 * 1024**2))
    git(large, "add", "noise")
    git(large, "commit", "-q", "-m", "large")
    git(large, "repack", "-q", "-a", "-d")
    for name in ("bare", "borrowing", "linked", "parent", "large"):
        spares.lay_in(locate(tmp_path / name))
    assert laid_in(home) == []


def test_spares_go_with_their_process_or_when_the_next_one_starts(home: Home, repo: Path, spares: Spares) -> None:
    dead = home.root / "spares" / "dead" / "1" / "workspace"
    dead.mkdir(parents=True)
    spares.lay_in(locate(repo))
    others = Spares(home)
    others.sweep()
    assert (dead.exists(), len(laid_in(home))) == (False, 1)
    spares.close()
    spares.close()
    spares.lay_in(locate(repo))
    assert not spares.take(Place.of(home, TASK), repo, "")
    assert list(home.root.glob("spares/*")) == []
