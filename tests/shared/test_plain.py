"""What is read and written without git is what git would have read and written, or is left to git."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from obra.shared.git import Git
from obra.shared.plain import create, point, start_of
from tests.services.agent_runner.repositories import git, repository

REF, SAID = "refs/heads/obra/t1", "obra: work on the task"


def by_git(repo: Path, base: str = "HEAD") -> tuple[str, str]:
    commit, tree = git(repo, "rev-parse", f"{base}^{{commit}}", f"{base}^{{tree}}").split("\n")
    return commit, tree


@pytest.mark.parametrize("how", ["loose", "packed", "detached", "another branch"])
def test_the_commit_and_tree_at_head_are_those_that_git_names(tmp_path: Path, how: str) -> None:
    repo = repository(tmp_path / "repo")
    if how == "packed":
        git(repo, "gc", "-q")
        assert not (repo / ".git" / "refs" / "heads" / "main").exists()
    elif how == "detached":
        git(repo, "checkout", "-q", "--detach")
    elif how == "another branch":
        git(repo, "checkout", "-q", "-b", "some/where.else")
        git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    assert start_of(repo, "") == by_git(repo)


def test_a_commit_may_be_named_by_its_whole_id_and_by_nothing_else(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    first = by_git(repo)
    (repo / "README.md").write_text("second\n")
    git(repo, "commit", "-q", "-am", "second")
    git(repo, "tag", "-a", "v1", "-m", "one")
    assert start_of(repo, first[0]) == first
    for other in ("main", first[0][:12], first[1], git(repo, "rev-parse", "v1"), "0" * 40, "HEAD"):
        assert start_of(repo, other) is None


def test_what_head_names_is_looked_up_anew_each_time(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    first = start_of(repo, "")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    second = start_of(repo, "")
    assert (first, second) == (by_git(repo, "HEAD^"), by_git(repo))
    git(repo, "reset", "-q", "--hard", "HEAD^")
    assert start_of(repo, "") == first


@pytest.mark.parametrize("how", ["loose", "packed"])
def test_a_commit_that_is_replaced_by_another_is_left_to_git(tmp_path: Path, how: str) -> None:
    repo = repository(tmp_path / "repo", a="1\n")
    git(repo, "rm", "-q", "a")
    git(repo, "commit", "-q", "-m", "second")
    git(repo, "replace", "HEAD", "HEAD^")
    if how == "packed":
        git(repo, "pack-refs", "--all")
        (repo / ".git" / "refs" / "replace").rmdir()
    assert start_of(repo, "") is None


@pytest.mark.parametrize(
    "setting",
    [
        "core.bare=true",
        "core.worktree=/",
        "include.path=/dev/null",
        "extensions.noop=1",
        "core.repositoryformatversion=1",
    ],
)
def test_an_unusual_configuration_is_left_to_git(tmp_path: Path, setting: str) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "config", "--add", *setting.split("="))
    assert start_of(repo, "") is None
    assert not create(repo / ".git", REF, by_head(repo), SAID)


def by_head(repo: Path) -> str:
    return (repo / ".git" / "refs" / "heads" / "main").read_text().strip()


def test_other_kinds_of_repositories_are_left_to_git(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", sub__file="x\n")
    git(tmp_path, "clone", "-q", "--bare", "repo", "bare")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"))
    (tmp_path / "pointing").mkdir()
    (tmp_path / "pointing" / ".git").symlink_to(repo / ".git")
    for name in ("empty", "newer"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q", *(["--object-format=sha256"] if name == "newer" else []))
    git(tmp_path / "newer", "commit", "-q", "--allow-empty", "-m", "first")
    kinds = ["bare", "shallow", "linked", "pointing", "empty", "newer", "repo/sub", "repo/.git"]
    assert {kind: start_of(tmp_path / kind, "") for kind in kinds} == dict.fromkeys(kinds)


def test_a_commit_whose_object_is_not_what_its_name_says_is_left_to_git(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    first = by_head(repo)
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    second = by_head(repo)
    objects = repo / ".git" / "objects"
    file = objects / second[:2] / second[2:]
    file.chmod(0o600)
    for data in (b"nonsense", (objects / first[:2] / first[2:]).read_bytes()):
        file.write_bytes(data)
        assert start_of(repo, "") is None


def test_a_branch_is_created_with_its_log_just_as_git_does(tmp_path: Path) -> None:
    ours, theirs = repository(tmp_path / "ours"), repository(tmp_path / "theirs")
    commit = by_head(ours)
    assert create(ours / ".git", REF, commit, SAID)
    Git(git_dir=theirs / ".git").run("update-ref", "-m", SAID, REF, commit, "0" * 40)

    def seen(repo: Path) -> list[str]:
        log = re.sub(r"\d+ [+-]\d+\t", "WHEN\t", (repo / ".git" / "logs" / REF).read_text())
        modes = [oct((repo / ".git" / name).stat().st_mode) for name in (REF, f"logs/{REF}", "refs/heads/obra")]
        return [(repo / ".git" / REF).read_text(), log, git(repo, "reflog", REF.split("/", 2)[2]), *modes]

    assert seen(ours) == seen(theirs)
    assert git(ours, "fsck", "--no-dangling") == ""
    assert not list((ours / ".git").rglob("*.lock"))


@pytest.mark.parametrize(
    ("branches", "packed"),
    [(["obra/t1"], False), (["obra/t1"], True), (["obra"], False), (["obra"], True), (["obra/t1/x"], True)],
)
def test_a_branch_in_the_way_is_left_to_git(tmp_path: Path, branches: list[str], packed: bool) -> None:
    repo = repository(tmp_path / "repo")
    for branch in branches:
        git(repo, "branch", branch)
    if packed:
        git(repo, "pack-refs", "--all")
    before = git(repo, "for-each-ref")
    assert not create(repo / ".git", REF, by_git(repo)[0], SAID)
    assert git(repo, "for-each-ref") == before
    assert not list((repo / ".git").rglob("*.lock"))


@pytest.mark.parametrize("setting", ["core.logallrefupdates=false", "core.sharedrepository=group"])
def test_a_branch_that_is_not_logged_or_is_shared_is_left_to_git(tmp_path: Path, setting: str) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "config", *setting.split("="))
    assert not create(repo / ".git", REF, by_head(repo), SAID)
    assert git(repo, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_name_that_git_would_not_take_is_not_written(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    for name in ("refs/heads/x.lock", "refs/heads/../x", "refs/heads//x", "HEAD", "refs/heads/x\n"):
        assert not create(repo / ".git", name, by_head(repo), SAID)
        assert not point(repo / ".git", name, by_head(repo))
    assert git(repo, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_reference_that_somebody_holds_is_left_alone_and_so_is_the_lock(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    lock = repo / ".git" / f"{REF}.lock"
    lock.parent.mkdir()
    lock.write_text("")
    assert not create(repo / ".git", REF, by_head(repo), SAID)
    assert not point(repo / ".git", REF, by_head(repo))
    assert (lock.read_text(), (repo / ".git" / REF).exists()) == ("", False)


@pytest.mark.parametrize("moment", ["link", "replace", "unlink"])
def test_a_process_killed_while_it_writes_a_reference_is_in_nobodys_way(tmp_path: Path, moment: str) -> None:
    """It dies instead of taking the lock, while it holds it, or when the reference stands already."""
    repo = repository(tmp_path / "repo")
    git_dir, (commit, _) = repo / ".git", by_git(repo)
    killed = (
        "import os, sys, pathlib; from obra.shared import plain; "
        f"os.{moment} = lambda *_: os._exit(9); plain.point(pathlib.Path(sys.argv[1]), {REF!r}, sys.argv[2])"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(git_dir), commit], env={}, check=False, timeout=60)
    assert done.returncode == 9
    assert (git_dir / f"{REF}.lock").exists() == (moment == "replace")
    if not point(git_dir, REF, commit):
        git(repo, "update-ref", REF, commit)
    assert point(git_dir, REF, commit)
    assert git(repo, "rev-parse", REF) == commit
    assert [name for name in os.listdir(git_dir) if name.startswith("obra+")] == []


def test_a_lock_that_is_gits_stays(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    lock = repo / ".git" / f"{REF}.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    assert not point(repo / ".git", REF, by_git(repo)[0])
    assert lock.exists()
    assert [name for name in os.listdir(repo / ".git") if name.startswith("obra+")] == []
