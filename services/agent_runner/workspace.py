"""A task's workspace: made once, returned to a recorded tree whenever a run must begin from it.

All of it is blocking; the runner calls it in threads. Nothing here trusts the workspace: after an agent has been
in it, every git command works through our own git directory, and the agent's is replaced rather than repaired.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from obra.services.agent_runner import clone, making, submodules
from obra.services.agent_runner.making import Made, branch_of
from obra.services.agent_runner.merge import merged
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.survey import WorkspaceLost
from obra.shared.errors import BadUsage
from obra.shared.git import LONG_S, Git, GitFailed
from obra.shared.removal import remove
from obra.shared.repository import Target


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


def empty_tree(object_format: str) -> str:
    """Return the id of the tree that holds nothing."""
    return hashlib.new(object_format, b"tree 0\0", usedforsecurity=False).hexdigest()


def prepare(place: Place, repo: Path, base: str, *more: str) -> Workspace:
    """Return the task's workspace, made from *repo* at *base* unless it is there already.

    *more* are commits to be merged with the base: accepted work of several tasks. Raises `WorkspaceLost` if it can't
    be made; what was half made is removed first.
    """
    with _explained("be prepared"):
        made = making.remembered(place)
        if made is None:
            for leftover in (place.workspace, place.control, place.root / making.GROWN):
                remove(leftover)
            made = making.make(place, repo, merged(repo, base, more) if more else base)
        return _workspace(place, made)


def find(place: Place) -> Workspace | None:
    """Return the task's workspace if it was made on this machine."""
    made = making.remembered(place)
    return None if made is None else _workspace(place, made)


def begin(workspace: Workspace, commit: str) -> None:
    """Make the workspace equal to *commit* (the base if empty), with a ``.git`` that works, for a run to start."""
    with _explained("be returned to the tree that the run begins with"):
        _reset(workspace, commit)
        if not (workspace.path / ".git").is_dir() or (workspace.path / ".git").is_symlink():
            _regrow(workspace)


def _regrow(workspace: Workspace) -> None:
    """Give the workspace a new ``.git`` at the base commit; files stay, what was staged or committed is lost."""
    grown = workspace.place.root / making.GROWN
    clone.grow(workspace.target, grown, branch_of(workspace.place.scope.task))
    if workspace.base:
        Git(git_dir=grown).run("read-tree", workspace.base)
    making.ignore(grown)
    remove(workspace.path / ".git")
    grown.rename(workspace.path / ".git")


def restore(workspace: Workspace, commit: str) -> None:
    """Return files to *commit* (the base if empty) after a lost run, and let go of the agent's ``.git``."""
    with _explained("be restored"):
        remove(workspace.path / ".git")
        _reset(workspace, commit)
        submodules.refill(workspace.target, workspace.path, workspace.submodules)


def unlock(workspace: Workspace) -> None:
    """Remove the lock that a git command of a crashed runner has left on our index."""
    (workspace.place.control / "index.lock").unlink(missing_ok=True)


def _reset(workspace: Workspace, commit: str) -> None:
    """Make files and index equal to *commit*; start over with a fresh clone if what is there resists."""
    unlock(workspace)
    tree = commit or workspace.tree
    try:
        if not workspace.path.is_dir() or workspace.path.is_symlink():
            raise GitFailed(command="read-tree", code=1, reason="the workspace is gone")
        _reset_in_place(workspace, tree)
    except GitFailed:
        remove(workspace.path)
        workspace.path.mkdir(mode=0o700)
        (workspace.place.control / "index").unlink(missing_ok=True)
        _reset_in_place(workspace, tree)
        submodules.populate(workspace.target, workspace.path, workspace.submodules)


def _reset_in_place(workspace: Workspace, tree: str) -> None:
    workspace.control.run("read-tree", "--reset", "-u", tree, timeout_s=LONG_S)
    workspace.control.run("clean", "-ffdq", timeout_s=LONG_S)


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
