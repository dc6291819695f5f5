"""A task's workspace: made once, returned to a recorded tree whenever a run must begin from it.

All of it is blocking; the runner calls it in threads. Nothing here trusts the workspace: after an agent has been
in it, every git command works through our own git directory, and the agent's is replaced rather than repaired.
"""

import contextlib
import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from obra.services.agent_runner import clone, submodules
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.survey import WorkspaceLost
from obra.shared.errors import BadUsage
from obra.shared.git import LONG_S, Git, GitFailed
from obra.shared.repository import Target, locate

IGNORED = "\n".join(
    ("__pycache__/", "*.py[co]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".hypothesis/", ".tox/",
     ".venv/", "node_modules/", ".DS_Store", "")
)  # fmt: skip
"""Ignored beside what the repository itself ignores: by-products of running things, never somebody's work."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a finished preparation, in a file that is written last."""

    repo: str
    git_dir: str
    common_dir: str
    base: str
    tree: str
    shallow: bool
    object_format: str
    submodules: dict[str, str] = {}
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workspace:
    """A prepared workspace. ``base`` is the commit that the task grew from, empty if there was none."""

    place: Place
    target: Target
    submodules: dict[str, str]
    notes: tuple[str, ...]

    @property
    def base(self) -> str:
        """Return the commit that the task grew from."""
        return self.target.base

    @property
    def path(self) -> Path:
        """Return the directory in which the agent works."""
        return self.place.workspace

    @property
    def control(self) -> Git:
        """Return git on the workspace's files through our own git directory."""
        return Git(git_dir=self.place.control, work_tree=self.path)

    @property
    def store(self) -> Git:
        """Return git on our own git directory alone."""
        return Git(git_dir=self.place.control)

    @property
    def tree(self) -> str:
        """Return the base commit's tree, or the empty tree."""
        return self.target.tree or empty_tree(self.target.object_format)


def branch_of(task: str) -> str:
    """Return the branch that a task works on and is delivered as."""
    return f"obra/{task}"


def empty_tree(object_format: str) -> str:
    """Return the id of the tree that holds nothing."""
    return hashlib.new(object_format, b"tree 0\0", usedforsecurity=False).hexdigest()


def prepare(place: Place, repo: Path, base: str) -> Workspace:
    """Return the task's workspace, made from *repo* at *base* unless it is there already.

    Raises `WorkspaceLost` if it can't be made; what was half made is removed first.
    """
    with _explained("be prepared"):
        made = _remembered(place)
        if made is not None:
            return _workspace(place, made)
        for leftover in (place.workspace, place.control):
            clone.remove(leftover)
        return _make(place, locate(repo, base))


def begin(workspace: Workspace, commit: str) -> None:
    """Make the workspace equal to *commit* (the base if empty), with a ``.git`` that works, for a run to start."""
    with _explained("be returned to the tree that the run begins with"):
        _reset(workspace, commit)
        if not (workspace.path / ".git").is_dir() or (workspace.path / ".git").is_symlink():
            scratch = workspace.place.root / "regrown"
            clone.regrow(workspace.target, workspace.path, scratch, branch_of(workspace.place.scope.task))


def restore(workspace: Workspace, commit: str) -> None:
    """Return files to *commit* (the base if empty) after a lost run, and let go of the agent's ``.git``."""
    with _explained("be restored"):
        clone.remove(workspace.path / ".git")
        _reset(workspace, commit)


def tidy(workspace: Workspace, commit: str) -> None:
    """Return files to *commit*: checks that ran here leave nothing that is not ignored."""
    with _explained("be tidied"):
        _reset(workspace, commit)


def unlock(workspace: Workspace) -> None:
    """Remove the lock that a git command of a crashed runner has left on our index."""
    (workspace.place.control / "index.lock").unlink(missing_ok=True)


def _make(place: Place, target: Target) -> Workspace:
    branch = branch_of(place.scope.task)
    pinning = _Pinning(target, place.scope.task)
    pinning.start()
    if target.shallow:
        pinning.join()
    clone.clone(target, place.workspace, branch)
    links: dict[str, str] = {}
    notes: list[str] = []
    if target.base:
        clone.check_out(place.workspace, branch, target.base)
    _control(place, target)
    if (place.workspace / ".gitmodules").exists():
        links = submodules.listed(Git(git_dir=place.control))
        notes = submodules.populate(target, place.workspace, links)
    (place.workspace / ".git" / "info").mkdir(exist_ok=True)
    (place.workspace / ".git" / "info" / "exclude").write_text(IGNORED)
    pinning.join()
    if pinning.problem:
        raise pinning.problem
    made = Made(
        repo=str(target.path), git_dir=str(target.git_dir), common_dir=str(target.common_dir), base=target.base,
        tree=target.tree, shallow=target.shallow, object_format=target.object_format, submodules=links,
        notes=tuple(notes),
    )  # fmt: skip
    scratch = _memory(place).with_suffix(".new")
    scratch.write_bytes(msgspec.json.encode(made))
    scratch.replace(_memory(place))
    return _workspace(place, made)


class _Pinning(threading.Thread):
    """Keeps the base commit in the user's repository from being collected as garbage, while the clone is made."""

    def __init__(self, target: Target, task: str) -> None:
        super().__init__(daemon=True)
        self.problem: GitFailed | None = None
        self._target, self._task = target, task

    def run(self) -> None:
        if self._target.base:
            try:
                self._target.git.run("update-ref", f"refs/obra/{self._task}/base", self._target.base)
            except GitFailed as error:
                self.problem = error


def _control(place: Place, target: Target) -> None:
    """Write our own git directory: it borrows the user's objects and starts from the index of the fresh clone."""
    git = place.control
    for name in ("objects/info", "objects/pack", "refs/heads", "info"):
        (git / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (git / "HEAD").write_text("ref: refs/heads/obra\n")
    version, extension = (0, "") if target.object_format == "sha1" else (1, "[extensions]\n\tobjectformat = sha256\n")
    (git / "config").write_text(
        f"[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n{extension}"
    )
    (git / "info" / "exclude").write_text(IGNORED)
    (git / "objects" / "info" / "alternates").write_text(f"{target.common_dir / 'objects'}\n")
    if target.shallow:
        shutil.copyfile(target.common_dir / "shallow", git / "shallow")
    index = place.workspace / ".git" / "index"
    if index.is_file():
        shutil.copyfile(index, git / "index")


def _reset(workspace: Workspace, commit: str) -> None:
    """Make files and index equal to *commit*; start over with a fresh clone if what is there resists."""
    unlock(workspace)
    tree = commit or workspace.tree
    try:
        if not workspace.path.is_dir() or workspace.path.is_symlink():
            raise GitFailed(command="read-tree", code=1, reason="the workspace is gone")
        _reset_in_place(workspace, tree)
    except GitFailed:
        clone.remove(workspace.path)
        workspace.path.mkdir(mode=0o700)
        (workspace.place.control / "index").unlink(missing_ok=True)
        _reset_in_place(workspace, tree)
        submodules.populate(workspace.target, workspace.path, workspace.submodules)


def _reset_in_place(workspace: Workspace, tree: str) -> None:
    workspace.control.run("read-tree", "--reset", "-u", tree, timeout_s=LONG_S)
    workspace.control.run("clean", "-ffdq", timeout_s=LONG_S)


def _memory(place: Place) -> Path:
    return place.control / "obra.json"


def _remembered(place: Place) -> Made | None:
    try:
        return msgspec.json.decode(_memory(place).read_bytes(), type=Made)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _workspace(place: Place, made: Made) -> Workspace:
    target = Target(
        path=Path(made.repo), git_dir=Path(made.git_dir), common_dir=Path(made.common_dir), base=made.base,
        tree=made.tree, shallow=made.shallow, object_format=made.object_format,
    )  # fmt: skip
    return Workspace(place, target, made.submodules, made.notes)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what git and the operating system say into one sentence about the workspace."""
    try:
        yield
    except BadUsage as error:
        raise WorkspaceLost(problem=str(error)) from error
    except GitFailed as error:
        raise WorkspaceLost(problem=f"the workspace could not {what}: {error.reason}") from error
    except OSError as error:
        raise WorkspaceLost(problem=f"the workspace could not {what}: {error}") from error
