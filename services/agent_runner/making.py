"""Makes a task's workspace: the agent's clone, our own git directory, and the files, all at the same time."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from obra.services.agent_runner import clone, submodules
from obra.services.agent_runner.place import Place
from obra.shared.git import LONG_S, Git, failed
from obra.shared.repository import Target

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


def branch_of(task: str) -> str:
    """Return the branch that a task works on and is delivered as."""
    return f"obra/{task}"


def make(place: Place, target: Target) -> Made:
    """Make the workspace of *place* from *target*; nothing may be there yet. Raises `GitFailed` or `OSError`.

    Files appear through our own git directory while the agent's is being copied.
    """
    place.workspace.mkdir(mode=0o700)
    _control(place, target)
    grown = place.root / "grown"
    with contextlib.ExitStack() as stack:
        waits = [stack.enter_context(_beside(git, *args)) for git, *args in _commands(place, target)]
        for wait in waits[:1] if target.shallow else []:  # what is not pinned can't be asked for
            wait()
        clone.grow(target, grown, branch_of(place.scope.task))
        for wait in waits:
            wait()
    links, notes = _submodules(place, target)
    _give_git(place, grown)
    made = Made(
        repo=str(target.path), git_dir=str(target.git_dir), common_dir=str(target.common_dir), base=target.base,
        tree=target.tree, shallow=target.shallow, object_format=target.object_format, submodules=links,
        notes=tuple(notes),
    )  # fmt: skip
    scratch = _memory(place).with_suffix(".new")
    scratch.write_bytes(msgspec.json.encode(made))
    scratch.replace(_memory(place))
    return made


def _commands(place: Place, target: Target) -> list[tuple[Git, *tuple[str, ...]]]:
    """Return what pins the base commit in the user's repository, and what makes the files appear."""
    if not target.base:
        return []
    files = Git(git_dir=place.control, work_tree=place.workspace)
    return [
        (target.git, "update-ref", f"refs/obra/{place.scope.task}/base", target.base),
        (files, "read-tree", "--reset", "-u", target.base),
    ]


@contextlib.contextmanager
def _beside(git: Git, *args: str) -> Iterator[Callable[[], None]]:
    """Run a git command beside other work; what is yielded waits for it, and raises `GitFailed` if it failed."""
    process = git.start(*args)

    def wait() -> None:
        if process.returncode is None:
            try:
                _, said = process.communicate(timeout=LONG_S)
            except subprocess.TimeoutExpired:
                raise failed(args, -9, f"it took longer than {LONG_S} s") from None
            if process.returncode:
                raise failed(args, process.returncode, said.decode(errors="replace").strip())

    try:
        yield wait
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _submodules(place: Place, target: Target) -> tuple[dict[str, str], list[str]]:
    if not (place.workspace / ".gitmodules").exists():
        return {}, []
    links = submodules.listed(Git(git_dir=place.control))
    return links, submodules.populate(target, place.workspace, links)


def _give_git(place: Place, grown: Path) -> None:
    """Move the agent's git directory in, with an index that knows the files as they are now."""
    ignore(grown)
    index = place.control / "index"
    if index.is_file():
        shutil.copyfile(index, grown / "index")
    grown.rename(place.workspace / ".git")


def ignore(git_dir: Path) -> None:
    """Have git ignore by-products in a work tree of *git_dir*."""
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "exclude").write_text(IGNORED)


def _control(place: Place, target: Target) -> None:
    """Write our own git directory: it borrows the user's objects."""
    git = place.control
    for name in ("", "objects", "objects/info", "refs", "info"):
        (git / name).mkdir(mode=0o700)
    (git / "HEAD").write_text("ref: refs/heads/obra\n")
    version, extension = (0, "") if target.object_format == "sha1" else (1, "[extensions]\n\tobjectformat = sha256\n")
    (git / "config").write_text(
        f"[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n{extension}"
    )
    ignore(git)
    (git / "objects" / "info" / "alternates").write_text(f"{target.common_dir / 'objects'}\n")
    if target.shallow:
        shutil.copyfile(target.common_dir / "shallow", git / "shallow")


def _memory(place: Place) -> Path:
    return place.control / "obra.json"


def remembered(place: Place) -> Made | None:
    """Return what is known of a workspace that was made to its end."""
    try:
        return msgspec.json.decode(_memory(place).read_bytes(), type=Made)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
