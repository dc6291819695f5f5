"""An accepted commit arrives as a branch, and nothing else in the user's repository moves."""

from pathlib import Path

import pytest

from obra.services.agent_runner.deliver import Refused, deliver
from obra.services.agent_runner.workspace import Workspace
from obra.shared.repository import inspect
from tests.services.agent_runner.repositories import git, prepared, recorded, repository, state_of


def accepted(tmp_path: Path, repo: Path) -> tuple[Workspace, str]:
    """Return a workspace in which an agent has written one file, and the recorded commit."""
    workspace = prepared(tmp_path, repo)
    (workspace.path / "sub").mkdir()
    (workspace.path / "sub" / "new").write_text("x\n")
    return workspace, recorded(workspace).commit


def test_the_branch_is_one_commit_on_the_base_and_all_else_stays(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    (repo / "README.md").write_text("uncommitted\n")
    hook = repo / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    hook.chmod(0o755)
    workspace, commit = accepted(tmp_path, repo)
    before = state_of(repo)
    assert deliver(workspace, commit, 1) == "obra/t1"
    assert git(repo, "rev-parse", "obra/t1", "obra/t1^") == f"{commit}\n{workspace.base}"
    assert git(repo, "show", "--name-status", "--format=%s", "obra/t1") == "Add a greeting\n\nA\tsub/new"
    assert git(repo, "fsck", "--no-dangling") == ""
    assert state_of(repo) == before
    assert not (tmp_path / "sprung").exists()


def test_a_repository_that_git_itself_must_write_runs_none_of_its_hooks_either(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "config", "include.path", "/dev/null")  # so that it is no plain one
    for name in ("reference-transaction", "post-checkout", "post-index-change", "fsmonitor"):
        hook = repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung-{name}\n")
        hook.chmod(0o755)
    git(repo, "config", "core.fsmonitor", str(hook))
    assert [notice for notice in inspect(repo).notices if "could not be told" in notice] == []
    workspace, commit = accepted(tmp_path, repo)
    assert deliver(workspace, commit, 1) == "obra/t1"
    assert list(tmp_path.glob("sprung-*")) == []


def test_delivering_again_is_the_same_branch(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace, commit = accepted(tmp_path, repo)
    assert [deliver(workspace, commit, 1), deliver(workspace, commit, 1)] == ["obra/t1"] * 2
    assert git(repo, "for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main\nrefs/heads/obra/t1"


def test_an_object_that_somebody_else_is_writing_there_is_left_alone(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace, commit = accepted(tmp_path, repo)
    theirs = repo / ".git" / "objects" / commit[:2] / f"tmp_obj_{commit}"
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_bytes(b"half")
    assert deliver(workspace, commit, 1) == "obra/t1"
    assert theirs.read_bytes() == b"half"
    assert [path.name for path in (repo / ".git" / "objects").glob("*/tmp_obj_*")] == [theirs.name]


def test_another_branch_of_that_name_is_left_alone(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace, commit = accepted(tmp_path, repo)
    git(repo, "checkout", "-q", "-b", "obra/t1")
    git(repo, "branch", "obra/t1-2")
    before = state_of(repo)
    assert deliver(workspace, commit, 1) == "obra/t1-3"
    assert deliver(workspace, commit, 1) == "obra/t1-3"
    assert git(repo, "rev-parse", "obra/t1", "obra/t1-2") == "\n".join([workspace.base] * 2)
    assert state_of(repo) == before


def test_a_branch_called_obra_is_no_obstacle(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "branch", "obra")
    workspace, commit = accepted(tmp_path, repo)
    assert deliver(workspace, commit, 1) == "obra-t1"
    git(repo, "pack-refs", "--all")
    assert deliver(workspace, commit, 1) == "obra-t1"


def test_the_first_commit_of_an_empty_repository_does_not_become_what_is_checked_out(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "obra/t1")
    workspace, commit = accepted(tmp_path, repo)
    assert deliver(workspace, commit, 1) == "obra/t1-2"
    assert git(repo, "rev-list", "obra/t1-2") == commit
    assert git(repo, "status", "--porcelain") == ""


@pytest.mark.parametrize("kind", ["bare", "linked", "shallow"])
def test_other_kinds_of_repositories_get_their_branch(tmp_path: Path, kind: str) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    if kind == "bare":
        git(tmp_path, "clone", "-q", "--bare", "repo", kind)
    elif kind == "shallow":
        git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", kind)
    else:
        git(repo, "worktree", "add", "-q", str(tmp_path / kind))
    workspace, commit = accepted(tmp_path, tmp_path / kind)
    before = state_of(tmp_path / kind)
    assert deliver(workspace, commit, 1) == "obra/t1"
    assert git(tmp_path / kind, "rev-parse", "obra/t1") == commit
    assert git(tmp_path / kind, "fsck", "--no-dangling") == ""
    assert state_of(tmp_path / kind) == before


def test_many_files_arrive_as_a_pack(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace = prepared(tmp_path, repo)
    for number in range(300):
        (workspace.path / f"{number}").write_text(f"{number}\n")
    found = recorded(workspace)
    assert deliver(workspace, found.commit, found.changes.files_total) == "obra/t1"
    assert len(git(repo, "ls-tree", "obra/t1").splitlines()) == 301
    assert git(repo, "fsck", "--no-dangling") == ""


def test_a_repository_that_is_gone_refuses_with_a_reason(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace, commit = accepted(tmp_path, repo)
    repo.rename(tmp_path / "elsewhere")
    with pytest.raises(Refused) as refused:
        deliver(workspace, commit, 1)
    assert str(refused.value) == f"there is no directory {repo}; give the path of a git repository"


def test_a_commit_that_is_not_there_refuses_with_a_reason(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace, _ = accepted(tmp_path, repo)
    with pytest.raises(Refused, match=f"the branch could not be written to {repo}: "):
        deliver(workspace, "1" * 40, 1)
    assert git(repo, "branch", "--list", "obra/*") == ""


def test_work_rejected_before_does_not_travel_with_what_is_accepted(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "secret").write_text("rejected\n")
    rejected = recorded(workspace)
    (workspace.path / "secret").unlink()
    (workspace.path / "fine").write_text("accepted\n")
    found = recorded(workspace)
    deliver(workspace, found.commit, 1)
    listed = git(repo, "cat-file", "--batch-check", "--batch-all-objects")
    assert rejected.commit not in listed
    assert found.commit in listed
