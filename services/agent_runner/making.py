"""Makes a task's workspace: the agent's clone, our own git directory, and the files, all at the same time."""

import shutil
from pathlib import Path

import msgspec

from obra.services.agent_runner import clone, submodules
from obra.services.agent_runner.place import Place
from obra.shared import plain
from obra.shared.git import Git, failed
from obra.shared.repository import Target, locate

IGNORED = "\n".join(
    ("__pycache__/", "*.py[co]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".hypothesis/", ".tox/",
     ".venv/", "node_modules/", ".DS_Store", "")
)  # fmt: skip
"""Ignored beside what the repository itself ignores: by-products of running things, never somebody's work."""


CONFIG = "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n"
GROWN = "grown"
FILL = ("read-tree", "--reset", "-u", "HEAD")


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


def make(place: Place, repo: Path, base: str, *, pinned: bool = True) -> Made:
    """Make the workspace of *place* from *repo* at *base*; nothing may be there yet.

    While git makes the files appear, through our own git directory, what the agent's git directory needs is copied.
    Unless it is for nobody yet, the base commit is *pinned* in the user's repository. Raises `GitFailed`, `OSError`,
    `BadUsage`.
    """
    target = locate(repo, base)
    place.workspace.mkdir(mode=0o700)
    _control(place, target)
    grown = _grown(place, target, pinned=pinned)
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


def adopt(spare: Place, place: Place, target: Target, refs: str) -> None:
    """Give a task the workspace that was made at *spare* for nobody. It is the task's once our git directory is.

    *refs* are the branches and tags that it was made with. `pin` is still owed. Raises `OSError`.
    """
    clone.name(spare.workspace / ".git", target.base, refs, branch_of(place.scope.task))
    spare.workspace.rename(place.workspace)
    spare.control.rename(place.control)


def _grown(place: Place, target: Target, *, pinned: bool) -> Path:
    """Fill the workspace while the agent's git directory is made; return that."""
    grown, branch = place.root / GROWN, branch_of(place.scope.task)
    if not target.base:
        clone.grow(target, grown, branch)
        return grown
    with Git(git_dir=place.control, work_tree=place.workspace).beside(*FILL) as filled:
        if pinned:
            pin(place, target)
        clone.grow(target, grown, branch)
        if (said := filled()).code:
            raise failed(FILL, said.code, said.err)
    return grown


def pin(place: Place, target: Target) -> None:
    """Keep the base commit in the user's repository from being collected, under a name that is ours alone.

    Blocking: it waits for the disk. Raises `GitFailed`.
    """
    name = f"refs/obra/{place.scope.task}/base"
    if not plain.point(target.common_dir, name, target.base):
        target.git.run("update-ref", name, target.base)


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
    """Make our own git directory, which borrows the user's objects, with the base commit as its HEAD."""
    git = place.control
    for name in ("", "objects", "objects/info", "refs"):
        (git / name).mkdir(mode=0o700)
    (git / "HEAD").write_text(f"{target.base}\n" if target.base else "ref: refs/heads/obra\n")
    (git / "objects" / "info" / "alternates").write_text(f"{target.common_dir / 'objects'}\n")
    if target.object_format == "sha1":
        (git / "config").write_text(CONFIG.format(version=0))
    else:
        extension = f"[extensions]\n\tobjectformat = {target.object_format}\n"
        (git / "config").write_text(CONFIG.format(version=1) + extension)
    if target.shallow:
        shutil.copyfile(target.common_dir / "shallow", git / "shallow")
    ignore(git)


def _memory(place: Place) -> Path:
    return place.control / "obra.json"


def remembered(place: Place) -> Made | None:
    """Return what is known of a workspace that was made to its end."""
    try:
        return msgspec.json.decode(_memory(place).read_bytes(), type=Made)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
