"""What a repository is, and which are refused with a sentence that helps."""

import os
from pathlib import Path

import pytest

from obra.shared.errors import BadUsage
from obra.shared.repository import Target, inspect
from tests.services.agent_runner.repositories import git, repository

COMMIT = 40


def test_a_clean_repository_has_nothing_to_remark(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    head, tree = git(repo, "rev-parse", "HEAD"), git(repo, "rev-parse", "HEAD^{tree}")
    assert inspect(repo) == Target(path=repo, git_dir=repo / ".git", common_dir=repo / ".git", base=head, tree=tree)


def test_uncommitted_files_are_counted_and_left_alone(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    (repo / "README.md").write_text("changed\n")
    (repo / "new").write_text("new\n")
    index = (repo / ".git" / "index").read_bytes()
    head = git(repo, "rev-parse", "HEAD")[:10]
    said = f"2 uncommitted files are not included: the agent starts from commit {head}"
    assert inspect(repo).notices == (said,)
    assert (repo / ".git" / "index").read_bytes() == index


def test_a_subdirectory_stands_for_its_repository(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", a__b__c_txt="x\n")
    assert inspect(repo / "a" / "b").path == repo
    assert inspect(repo / ".git").path == repo


def test_a_repository_without_a_commit_is_fine_and_said(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    target = inspect(repo)
    assert (target.base, target.tree, target.bare) == ("", "", False)
    assert "no commit yet" in target.notices[0]


def test_a_repository_whose_head_is_lost_is_damaged_and_not_empty(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    head = git(repo, "rev-parse", "HEAD")
    (repo / ".git" / "objects" / head[:2] / head[2:]).unlink()
    with pytest.raises(BadUsage) as error:
        inspect(repo)
    assert str(error.value) == f"{repo} is damaged: HEAD is {head[:10]}, which can't be read; `git fsck` tells more"


def test_bare_shallow_and_linked_repositories_are_told_apart(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(tmp_path, "clone", "-q", "--bare", "repo", "bare")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"))
    bare, shallow, linked = (inspect(tmp_path / name) for name in ("bare", "shallow", "linked"))
    assert (bare.bare, bare.path, bare.common_dir) == (True, tmp_path / "bare", tmp_path / "bare")
    assert (shallow.shallow, shallow.base) == (True, git(repo, "rev-parse", "HEAD"))
    assert (linked.path, linked.common_dir) == (tmp_path / "linked", repo / ".git")


def test_a_branch_or_tag_can_be_the_base(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "-a", "v1", "-m", "one")
    (repo / "README.md").write_text("second\n")
    git(repo, "commit", "-q", "-am", "second")
    assert inspect(repo, "v1").base == first
    assert inspect(repo, "main").base == git(repo, "rev-parse", "HEAD") != first


@pytest.mark.parametrize(
    ("name", "base", "said"),
    [
        ("missing", "", "there is no directory {path}; give the path of a git repository"),
        ("file", "", "{path} is a file; give the directory of a git repository"),
        ("plain", "", "{path} is no git repository; make it one with `git init`, and commit what is there"),
        ("two\nlines", "", "there is a line break in the path {path!r}; rename that directory"),
        ("repo", "nope", "'nope' names no commit in {path}; `git -C {path} log --oneline --all` shows them"),
        ("repo", "--all", "'--all' is no commit, branch or tag"),
    ],
)
def test_what_is_no_repository_is_refused_with_a_way_out(tmp_path: Path, name: str, base: str, said: str) -> None:
    repository(tmp_path / "repo")
    repository(tmp_path / "two\nlines")
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(BadUsage) as refused:
        inspect(tmp_path / name, base)
    assert str(refused.value) == said.format(path=str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_repository_in_which_no_branch_can_be_made_is_refused(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    heads = repo / ".git" / "refs" / "heads"
    heads.chmod(0o500)
    try:
        with pytest.raises(BadUsage, match=f"can't write to {heads}; work on a clone of your own: `git clone {repo}`"):
            inspect(repo)
    finally:
        heads.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    repo.chmod(0)
    try:
        with pytest.raises(BadUsage, match="can't be read by this user"):
            inspect(repo)
    finally:
        repo.chmod(0o700)
