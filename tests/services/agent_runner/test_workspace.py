"""Workspaces from every kind of repository, and checkpoints that lose nothing."""

import os
import socket
import stat
from pathlib import Path

import pytest

from obra.events import FileChange
from obra.services.agent_runner.checkpoint import Label, dismiss, foresee
from obra.services.agent_runner.survey import WorkspaceLost
from obra.services.agent_runner.workspace import begin, prepare, restore
from tests.processes import left
from tests.services.agent_runner.repositories import (
    LABEL,
    content,
    git,
    place,
    prepared,
    recorded,
    repository,
    state_of,
    tree,
)


def test_a_workspace_is_a_clone_on_a_branch_of_its_own_without_a_way_back(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "tag", "v1")
    git(repo, "branch", "side")
    before = state_of(repo)
    workspace = prepared(tmp_path, repo)
    head = git(repo, "rev-parse", "HEAD")
    assert git(workspace.path, "symbolic-ref", "HEAD") == "refs/heads/obra/t1"
    assert git(workspace.path, "rev-parse", "HEAD", "v1", "origin/side") == "\n".join([head] * 3)
    assert (git(workspace.path, "remote"), git(workspace.path, "status", "--porcelain")) == ("", "")
    assert git(repo, "rev-parse", "refs/obra/t1/base") == head
    assert state_of(repo) == before


def test_preparing_again_keeps_what_is_there_and_a_half_made_workspace_is_made_anew(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "new").write_text("x")
    assert prepared(tmp_path, repo) == workspace
    assert (workspace.path / "new").exists()
    (workspace.place.control / "obra.json").unlink()
    assert prepared(tmp_path, repo) == workspace
    assert not (workspace.path / "new").exists()


def test_the_agents_clone_shares_no_file_with_the_users_repository(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace = prepared(tmp_path, repo)
    for path in (workspace.path / ".git" / "objects").rglob("*"):
        assert path.is_dir() or path.stat().st_nlink == 1
    assert not (workspace.path / ".git" / "objects" / "info" / "alternates").exists()


def test_a_dirty_repository_is_worked_on_from_its_head(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    (repo / "README.md").write_text("uncommitted\n")
    (repo / "untracked").write_text("x\n")
    before = state_of(repo)
    workspace = prepared(tmp_path, repo)
    assert (workspace.path / "README.md").read_text() == "Hello\n"
    assert not (workspace.path / "untracked").exists()
    assert state_of(repo) == before


def test_a_repository_without_a_commit_gives_an_empty_workspace_and_a_root_commit(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "first").write_text("x\n")
    found = recorded(workspace)
    assert (workspace.base, git(workspace.path, "symbolic-ref", "HEAD")) == ("", "refs/heads/obra/t1")
    assert tree(workspace, found.commit) == {"first": "100644"}
    assert git(tmp_path, f"--git-dir={workspace.place.control}", "rev-list", found.commit) == found.commit


def test_a_repository_with_sha256_objects_works(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "--object-format=sha256")
    (repo / "a").write_text("a\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "first")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "b").write_text("b\n")
    git(workspace.path, "init", "-q", "nested")
    (workspace.path / "nested" / "c").write_text("c\n")
    assert tree(workspace, recorded(workspace).commit) == dict.fromkeys(["a", "b", "nested/c"], "100644")


def test_bare_shallow_linked_and_borrowing_repositories_work(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--bare", "repo", "bare")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"))
    git(tmp_path, "clone", "-q", "--shared", "repo", "borrowing")
    for name in ("bare", "shallow", "linked", "borrowing"):
        workspace = prepared(tmp_path / f"of-{name}", tmp_path / name)
        (workspace.path / "new").write_text("x\n")
        assert tree(workspace, recorded(workspace).commit) == {"README.md": "100644", "new": "100644"}, name
        assert git(workspace.path, "status", "--porcelain") == "?? new"
        assert not (workspace.path / ".git" / "objects" / "info" / "alternates").exists()


def test_a_detached_commit_that_no_branch_holds_can_be_the_base(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "checkout", "-q", "--detach")
    git(repo, "commit", "-q", "--allow-empty", "-m", "detached")
    lost = git(repo, "rev-parse", "HEAD")
    git(repo, "checkout", "-q", "main")
    workspace = prepared(tmp_path, repo, lost)
    assert git(workspace.path, "rev-parse", "HEAD") == workspace.base == lost


def test_submodules_are_filled_and_changes_inside_are_noted_and_not_delivered(tmp_path: Path) -> None:
    library = repository(tmp_path / "library", lib_py="x = 1\n")
    repo = repository(tmp_path / "repo")
    git(repo, "submodule", "add", "-q", str(library), "vendor/lib")
    git(repo, "commit", "-q", "-m", "with submodule")
    pinned = git(repo, "rev-parse", "HEAD:vendor/lib")
    workspace = prepared(tmp_path, repo)
    assert (workspace.path / "vendor" / "lib" / "lib.py").read_text() == "x = 1\n"
    assert recorded(workspace).notes == ()
    (workspace.path / "vendor" / "lib" / "lib.py").write_text("x = 2\n")
    git(workspace.path / "vendor" / "lib", "commit", "-q", "-am", "inside")
    found = recorded(workspace)
    assert found.tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert found.notes == ("what was changed inside submodule vendor/lib is not delivered",)
    assert tree(workspace, found.commit)["vendor/lib"] == "160000"
    assert git(repo, "rev-parse", "HEAD:vendor/lib") == pinned


def test_a_lost_run_leaves_nothing_in_a_submodule_nor_behind_a_link_in_its_place(tmp_path: Path) -> None:
    library = repository(tmp_path / "library", lib_py="x = 1\n")
    repo = repository(tmp_path / "repo")
    for name in ("one", "deep/two"):
        git(repo, "submodule", "add", "-q", str(library), name)
    git(repo, "commit", "-q", "-m", "with submodules")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "one" / "lib.py").write_text("x = 2\n")
    (tmp_path / "elsewhere").mkdir()
    (workspace.path / "deep").rename(tmp_path / "away")
    (workspace.path / "deep").symlink_to(tmp_path / "elsewhere")
    restore(workspace, workspace.base)
    assert (workspace.path / "one" / "lib.py").read_text() == "x = 1\n"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_submodule_that_the_user_has_not_is_noted(tmp_path: Path) -> None:
    library = repository(tmp_path / "library")
    repo = repository(tmp_path / "repo")
    git(repo, "submodule", "add", "-q", str(library), "lib")
    git(repo, "commit", "-q", "-m", "with submodule")
    git(tmp_path, "clone", "-q", "repo", "without")
    workspace = prepared(tmp_path, tmp_path / "without")
    said = ("submodule lib stays empty: it is not initialised in the user's repository",)
    assert (workspace.notes, recorded(workspace).notes) == (said, said)


def test_paths_without_end_leave_a_checkpoint_that_fits_into_an_event(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    deep = workspace.path.joinpath(*["d" * 200] * 15)
    deep.mkdir(parents=True)
    for number in range(100):
        (deep / str(number)).write_text("x")
    found = recorded(workspace).changes
    kept = sum(len(file.path) for file in found.files)
    assert (found.files_total, len(found.files)) == (100, 86)
    assert 256 * 1024 - 4_096 < kept <= 256 * 1024


def test_a_submodule_whose_commit_the_user_has_not_fetched_is_noted_and_costs_no_work(tmp_path: Path) -> None:
    library = repository(tmp_path / "library")
    repo = repository(tmp_path / "repo")
    git(repo, "submodule", "add", "-q", str(library), "lib")
    git(repo, "update-index", "--cacheinfo", f"160000,{'1' * 40},lib")
    git(repo, "commit", "-q", "-m", "with a submodule of which a newer commit is wanted")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "new").write_text("x\n")
    found = recorded(workspace)
    assert [note.partition(":")[0] for note in found.notes] == ["submodule lib stays empty"]
    assert tree(workspace, found.commit)["new"] == "100644"


def test_a_repository_that_is_gone_loses_the_workspace_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceLost) as lost:
        prepare(place(tmp_path), tmp_path / "nowhere", "")
    assert str(lost.value) == f"there is no directory {tmp_path / 'nowhere'}; give the path of a git repository"


def test_a_checkpoint_holds_modes_links_deletions_renames_and_untracked_files(tmp_path: Path) -> None:
    long = "".join(f"line {n}\n" for n in range(20))
    repo = repository(
        tmp_path / "repo", keep_txt="k\n", gone_txt="g\n", old_txt=long, run_sh="#!/bin/sh\n", kind="file\n"
    )
    workspace = prepared(tmp_path, repo)
    at = workspace.path
    (at / "gone.txt").unlink()
    (at / "old.txt").rename(at / "new.txt")
    (at / "run.sh").chmod(0o755)
    (at / "kind").unlink()
    (at / "kind").symlink_to("keep.txt")
    (at / "outside").symlink_to("/etc/passwd")
    (at / "deep" / "er").mkdir(parents=True)
    (at / "deep" / "er" / "päth with space").write_text("one\ntwo\n")
    (at / "data.bin").write_bytes(b"\0\1\2")
    found = recorded(workspace)
    assert tree(workspace, found.commit) == {
        "data.bin": "100644", '"deep/er/p\\303\\244th with space"': "100644", "keep.txt": "100644", "kind": "120000",
        "new.txt": "100644", "outside": "120000", "run.sh": "100755",
    }  # fmt: skip
    assert found.changes.files == (
        FileChange(path="data.bin", kind="added", added=-1, deleted=-1),
        FileChange(path="deep/er/päth with space", kind="added", added=2),
        FileChange(path="gone.txt", kind="deleted", deleted=1),
        FileChange(path="kind", kind="type", added=1, deleted=1),
        FileChange(path="new.txt", kind="renamed", origin="old.txt"),
        FileChange(path="outside", kind="added", added=1),
        FileChange(path="run.sh", kind="modified"),
    )
    assert (found.changes.files_total, found.changes.lines_added, found.changes.lines_deleted) == (7, 4, 2)
    assert "+one\n+two\n" in found.changes.patch.text
    assert found.notes == ()


def test_a_checkpoint_is_one_commit_on_the_base_by_obra(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "new").write_text("x\n")
    first = recorded(workspace)
    second = recorded(workspace, Label(LABEL.text, "t1", 2, 1))
    shown = git(tmp_path, f"--git-dir={workspace.place.control}", "log", "-1", "--format=%P|%an <%ae>|%B", first.commit)
    trailers = "Obra-Task: t1\nObra-Attempt: 1\nObra-Run: 1"
    assert shown == f"{workspace.base}|Obra <obra@localhost>|Add a greeting\n\n{trailers}"
    refs = git(tmp_path, f"--git-dir={workspace.place.control}", "for-each-ref", "--format=%(refname) %(objectname)")
    assert refs.splitlines() == [
        f"refs/obra/t1/attempt-1.1 {first.commit}", f"refs/obra/t1/attempt-2.1 {second.commit}"
    ]  # fmt: skip
    assert git(tmp_path, f"--git-dir={workspace.place.control}", "fsck", "--strict") == ""


def test_an_unchanged_workspace_has_the_bases_tree_and_no_changes(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    found = recorded(workspace)
    assert (found.tree, found.changes.files_total, found.changes.patch.text) == (workspace.tree, 0, "")


def test_repositories_inside_are_recorded_as_files_with_and_without_a_commit(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    inner = repository(workspace.path / "inner", a_txt="a\n", _gitignore="junk\n")
    (inner / "junk").write_text("x")
    git(inner, "init", "-q", "deeper")
    (inner / "deeper" / "b").write_text("b\n")
    found = recorded(workspace)
    expected = ["README.md", "inner/.gitignore", "inner/a.txt", "inner/deeper/b"]
    assert tree(workspace, found.commit) == dict.fromkeys(expected, "100644")
    what = "a git repository of its own, recorded as plain files"
    assert found.notes == (f"inner is {what}", f"inner/deeper is {what}", "1 new file is ignored by git and left out")
    (inner / "a.txt").unlink()
    assert tree(workspace, recorded(workspace).commit) == dict.fromkeys(
        [e for e in expected if "a.txt" not in e], "100644"
    )


def test_ignored_files_stay_out_and_are_counted(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo", _gitignore="*.log\n"))
    for name in ("a.log", "b.log", "node_modules/x/y.js", "pkg/__pycache__/m.pyc"):
        (workspace.path / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.path / name).write_text("x")
    found = recorded(workspace)
    assert (found.tree, found.notes) == (workspace.tree, ("4 new files are ignored by git and left out",))


def test_pipes_and_sockets_are_left_out_and_a_pipe_that_git_would_read_does_not_block(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    os.mkfifo(workspace.path / "pipe")
    os.mkfifo(workspace.path / ".gitignore")
    with socket.socket(socket.AF_UNIX) as unix:
        here = os.getcwd()
        os.chdir(workspace.path)  # the path of a Unix socket is short
        try:
            unix.bind("sock")
        finally:
            os.chdir(here)
        found = recorded(workspace)
    what = "neither file, directory nor link: left out"
    assert found.notes == (f".gitignore is {what}", f"pipe is {what}", f"sock is {what}")
    assert found.tree == workspace.tree


def test_a_name_that_git_refuses_is_noted_and_the_rest_recorded(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    (workspace.path / "git~1").write_text("x")
    (workspace.path / "fine").write_text("x")
    found = recorded(workspace)
    assert tree(workspace, found.commit) == {"README.md": "100644", "fine": "100644"}
    assert "git did not take a file: invalid path 'git~1'" in found.notes


def test_names_that_are_no_text_and_names_with_tabs_do_not_confuse_the_evidence(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    for name in (b"caf\xe9", b"tab\t", b"line\nbreak", b":100644 x"):
        Path(os.fsdecode(os.fsencode(workspace.path) + b"/" + name)).write_text("x\n")
    found = recorded(workspace)
    assert [change.path for change in found.changes.files] == [":100644 x", r"caf\xe9", "line\nbreak", "tab\t"]
    assert all((change.kind, change.added) == ("added", 1) for change in found.changes.files)


def test_a_large_patch_is_cut_and_many_files_are_counted(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    (workspace.path / "large").write_text("a line of text\n" * 100_000)
    (workspace.path / "many").mkdir()
    for number in range(1_005):
        (workspace.path / "many" / f"{number:04}").write_text("x\n")
    changes = recorded(workspace).changes
    assert (len(changes.files), changes.files_total, changes.lines_added) == (1_000, 1_006, 101_005)
    assert changes.patch.size < 260 * 1024
    assert changes.patch.text.endswith("[… the patch goes on: only its first 262,144 bytes …]\n")


def test_what_the_patch_shows_is_redacted(tmp_path: Path) -> None:
    from obra.services.agent_runner.checkpoint import record  # noqa: PLC0415

    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    (workspace.path / "new").write_text("hunter2\n")
    found = record(workspace, LABEL, 10**9, lambda text: text.replace("hunter2", "[redacted]"))
    assert "+[redacted]\n" in found.changes.patch.text
    assert content(workspace, found.commit, "new") == "hunter2"


def test_a_workspace_that_grew_too_large_is_lost_with_a_reason(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    with (workspace.path / "sparse").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(WorkspaceLost) as lost:
        recorded(workspace)
    assert str(lost.value) == (
        "the workspace holds more than 67,108,864 bytes (agent.workspace_bytes_max): not recorded"
    )


def test_a_repository_deleted_meanwhile_loses_the_workspace_with_a_reason(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "new").write_text("x\n")
    repo.rename(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceLost, match=f"the repository {repo} is gone"):
        recorded(workspace)


def test_the_agents_git_directories_are_never_in_force(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    git(repo, "submodule", "add", "-q", str(repository(tmp_path / "library")), "lib")
    git(repo, "commit", "-q", "-m", "with submodule")
    workspace = prepared(tmp_path, repo)
    repository(workspace.path / "inner")
    trap = workspace.path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for at in (".", "lib", "inner"):
        for setting in ("filter.x.clean", "filter.x.smudge", "diff.external", "diff.x.textconv", "core.fsmonitor"):
            git(workspace.path / at, "config", setting, str(trap))
        (workspace.path / at / "changed").write_text("x")
    (workspace.path / ".gitattributes").write_text("* filter=x diff=x\n")
    hooks = workspace.path / ".git" / "hooks"
    hooks.mkdir()
    for hook in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change"):
        (hooks / hook).symlink_to(trap)
    found = recorded(workspace)
    (workspace.path / "README.md").write_text("again\n")
    begin(workspace, found.commit)
    begin(workspace, found.commit)
    restore(workspace, workspace.base)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("how", ["deleted", "a file", "a link"])
def test_a_lost_git_directory_is_noted_and_grows_again(tmp_path: Path, how: str) -> None:
    repo = repository(tmp_path / "repo")
    workspace = prepared(tmp_path, repo)
    (workspace.path / ".git").rename(tmp_path / "away")
    if how == "a file":
        (workspace.path / ".git").write_text("gitdir: /nowhere\n")
    elif how == "a link":
        (workspace.path / ".git").symlink_to(tmp_path / "away")
    (workspace.path / "new").write_text("x\n")
    found = recorded(workspace)
    assert found.notes == ("the agent's .git was gone; the next run gets a new one",)
    begin(workspace, found.commit)
    assert not (workspace.path / ".git").is_symlink()
    assert (workspace.path / ".git").is_dir()
    assert git(workspace.path, "status", "--porcelain") == "?? new"
    assert git(workspace.path, "rev-parse", "HEAD", "obra/t1") == "\n".join([workspace.base] * 2)
    assert git(workspace.path, "remote") == ""


def test_restoring_undoes_everything_but_ignored_files(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", a_txt="a\n", _gitignore="*.log\n")
    workspace = prepared(tmp_path, repo)
    (workspace.path / "kept").write_text("k\n")
    first = recorded(workspace)
    (workspace.path / "a.txt").unlink()
    (workspace.path / "kept").write_text("changed\n")
    (workspace.path / "more").mkdir()
    (workspace.path / "more" / "x").write_text("x\n")
    (workspace.path / "build.log").write_text("x\n")
    repository(workspace.path / "inner")
    recorded(workspace, Label(LABEL.text, "t1", 1, 2))
    restore(workspace, first.commit)
    begin(workspace, first.commit)
    left = sorted(path.name for path in workspace.path.iterdir())
    assert left == [".git", ".gitignore", "a.txt", "build.log", "kept"]
    assert (workspace.path / "kept").read_text() == "k\n"
    assert recorded(workspace).tree == first.tree


def test_a_workspace_that_is_gone_or_locked_is_made_again_from_the_checkpoint(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    (workspace.path / "kept").write_text("k\n")
    first = recorded(workspace)
    workspace.path.rename(tmp_path / "away")
    (workspace.place.control / "index.lock").write_text("")
    begin(workspace, first.commit)
    assert (workspace.path / "kept").read_text() == "k\n"
    assert git(workspace.path, "status", "--porcelain") == "?? kept"


def test_a_file_whose_mode_alone_changed_is_put_back(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    first = recorded(workspace)
    (workspace.path / "README.md").chmod(0o755)
    begin(workspace, first.commit)
    assert not stat.S_IMODE((workspace.path / "README.md").stat().st_mode) & 0o111


def test_a_checkpoint_that_was_foreseen_holds_what_came_after(tmp_path: Path) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo", a_txt="a\n", gone_txt="g\n"))
    foresee(workspace)
    (workspace.path / "a.txt").write_text("b\n")
    (workspace.path / "gone.txt").unlink()
    repository(workspace.path / "inner", c_txt="c\n")
    found = recorded(workspace)
    assert tree(workspace, found.commit) == dict.fromkeys(["a.txt", "inner/c.txt"], "100644")
    assert [(change.path, change.kind) for change in found.changes.files] == [
        ("a.txt", "modified"), ("gone.txt", "deleted"), ("inner/c.txt", "added")
    ]  # fmt: skip
    assert recorded(workspace).tree == found.tree
    assert left(tmp_path) == []


def test_a_workspace_that_was_replaced_after_its_checkpoint_was_foreseen_is_recorded_as_it_is_now(
    tmp_path: Path,
) -> None:
    workspace = prepared(tmp_path, repository(tmp_path / "repo"))
    foresee(workspace)
    workspace.path.rename(tmp_path / "away")
    workspace.path.mkdir()
    (workspace.path / "new").write_text("x\n")
    assert tree(workspace, recorded(workspace).commit) == {"new": "100644"}
    dismiss(workspace)
    assert left(tmp_path) == []


@pytest.mark.parametrize("how", ["plain", "packed", "extended"])
def test_the_base_is_pinned_in_every_kind_of_repository_and_pinned_anew(tmp_path: Path, how: str) -> None:
    repo = repository(tmp_path / "repo")
    if how == "extended":
        git(repo, "config", "core.repositoryformatversion", "1")
        git(repo, "config", "extensions.noop", "true")
    workspace = prepared(tmp_path, repo)
    if how == "packed":
        git(repo, "pack-refs", "--all")
    (workspace.place.control / "obra.json").unlink()
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    again = prepared(tmp_path, repo)
    assert again.base != workspace.base
    assert git(repo, "rev-parse", "refs/obra/t1/base") == again.base == git(repo, "rev-parse", "HEAD")
    assert git(repo, "fsck", "--no-dangling") == ""
    assert not list((repo / ".git" / "refs").rglob("*.lock"))


def test_a_pin_that_somebody_else_holds_locked_loses_the_workspace_with_what_git_says(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    lock = repo / ".git" / "refs" / "obra" / "t1" / "base.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    with pytest.raises(WorkspaceLost, match=r"the workspace could not be prepared: .*base\.lock"):
        prepared(tmp_path, repo)
    assert lock.read_text() == ""
