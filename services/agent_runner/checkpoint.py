"""Records the whole tree, untracked files included, as a commit that can be returned to and delivered.

What git could not take is noted, never silently missing. The commit object and its reference are written by hand:
they are two small files in a directory that is ours alone, and would cost two processes.
"""

import contextlib
import hashlib
import os
import re
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from obra.services.agent_runner import evidence
from obra.services.agent_runner.submodules import altered
from obra.services.agent_runner.survey import Survey, WorkspaceLost, notes_of, survey, weigh
from obra.services.agent_runner.workspace import Workspace, unlock
from obra.shared.git import EMAIL, LONG_S, NAME, Git, GitFailed, Said, failed

SUBJECT_CHARS_MAX = 200
GIT_NOTES_MAX = 10
WRITE = ("write-tree",)
SEED = ".obra-seed"
NO_SPACE = "No space left on device"
INDEX_HEADER = struct.Struct(">4sLL")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A recorded tree: its commit on top of the base, what changed, and sentences about what is odd."""

    commit: str
    tree: str
    changes: evidence.Changes
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """What a checkpoint is called: the task's words and which run it comes from."""

    text: str
    task: str
    attempt: int
    run: int

    @property
    def message(self) -> str:
        """Return the commit message: the task's first line, and trailers."""
        first = next((line.strip() for line in self.text.splitlines() if line.strip()), "Work of an agent")
        subject = re.sub(r"[\x00-\x1f\x7f]+", " ", first)[:SUBJECT_CHARS_MAX]
        return f"{subject}\n\nObra-Task: {self.task}\nObra-Attempt: {self.attempt}\nObra-Run: {self.run}\n"

    @property
    def ref(self) -> str:
        """Return the name under which our own git directory keeps it."""
        return f"{_refs(self.task)}/attempt-{self.attempt}.{self.run}"


def _refs(task: str) -> str:
    return f"refs/obra/{task}"


def foresee(workspace: Workspace) -> None:
    """Have the git commands of the next `record` stand by, which is to come soon. Blocking.

    Nothing is read before they are called. `dismiss` is owed, whether there was a `record` or not.
    """
    with contextlib.suppress(OSError):  # a machine that is short of something will say so when it counts
        os.makedirs(workspace.place.control / _refs(workspace.place.scope.task), exist_ok=True)
        for git, *args in _commands(workspace):
            git.stand_by(*args)


def dismiss(workspace: Workspace) -> None:
    """End what still stands by. Blocking."""
    for git, *args in _commands(workspace):
        git.dismiss(*args)


def _commands(workspace: Workspace) -> tuple[tuple[Git, *tuple[str, ...]], ...]:
    return (
        (workspace.control, *_adding(workspace)),
        (workspace.store, *WRITE),
        (workspace.store, *evidence.COMPARE, workspace.tree),
    )


def record(workspace: Workspace, label: Label, bytes_max: int, redact: Callable[[str], str]) -> Checkpoint:
    """Record the workspace as it is. Blocking.

    Raises `WorkspaceLost` with a sentence for a person: too large, disk full, repository gone.
    """
    try:
        return _record(workspace, label, bytes_max, redact)
    except GitFailed as error:
        raise WorkspaceLost(problem=_explained(workspace, error.reason)) from error
    except OSError as error:
        raise WorkspaceLost(problem=_explained(workspace, str(error))) from error


def _record(workspace: Workspace, label: Label, bytes_max: int, redact: Callable[[str], str]) -> Checkpoint:
    unlock(workspace)
    lost = _ensure_there(workspace)
    found = survey(workspace.path, bytes_max, workspace.submodules)
    skipped = _add(workspace, found, bytes_max)
    with evidence.comparing(workspace.store, workspace.tree) as comparison:
        tree = workspace.store.run(*WRITE, timeout_s=LONG_S).text
        commit = _commit(workspace, tree, label)  # while git compares
        changes = comparison.changes(redact)
    recorded = _entries(workspace.place.control / "index") - len(workspace.submodules)
    scratch = workspace.place.control / "submodule-index"
    inside = altered(workspace.target, workspace.path, workspace.submodules, scratch)
    notes = [*lost, *workspace.notes, *notes_of(found, recorded), *skipped, *inside]
    return Checkpoint(commit, tree, changes, tuple(redact(note) for note in notes))


def _ensure_there(workspace: Workspace) -> list[str]:
    path = workspace.path
    if path.is_symlink() or not path.is_dir():
        if path.is_symlink() or path.exists():
            path.unlink()
        path.mkdir(mode=0o700)
        return ["the workspace's directory itself was gone"]
    if (path / ".git").is_symlink() or not (path / ".git").is_dir():
        return ["the agent's .git was gone; the next run gets a new one"]
    return []


def _add(workspace: Workspace, found: Survey, bytes_max: int) -> list[str]:
    """Bring the index up to date with the files; return notes about what git did not take.

    What git has no business with is measured meanwhile.

    A repository inside the workspace would become a link to a commit that nobody has. One entry below its path,
    which `add` drops again since there is no such file, makes git see a directory like any other.
    """
    if found.nested:
        blob = hashlib.new(workspace.target.object_format, b"blob 0\0", usedforsecurity=False).hexdigest()
        seeds = b"".join(b"100644 %s 0\t%s/%s\0" % (blob.encode(), os.fsencode(p), SEED.encode()) for p in found.nested)
        workspace.control.run("update-index", "-z", "--index-info", data=seeds)
    args = _adding(workspace)
    with workspace.control.beside(*args) as added:
        weigh(found, workspace.path, bytes_max)
        return _complaints(args, added())


def _adding(workspace: Workspace) -> tuple[str, ...]:
    apart = [f":(exclude,literal,top){path}" for path in workspace.submodules]
    return ("add", "--all", "--ignore-errors", *(["--", ".", *apart] if apart else []))


def _complaints(args: tuple[str, ...], said: Said) -> list[str]:
    """Return what `git add` grumbled about; raise if that made it give up."""
    if not said.code:
        return []
    lines = [line for line in said.err.splitlines() if not line.startswith(("hint:", "warning:"))]
    fatal = [line for line in lines if line.startswith("fatal:") and "adding files failed" not in line]
    if NO_SPACE in said.err or fatal or not lines:
        raise failed(args, said.code, said.err)
    notes = [
        f"git did not take a file: {line.removeprefix('error: ')}" for line in lines if not line.startswith("fatal:")
    ]
    return notes[:GIT_NOTES_MAX]


def _commit(workspace: Workspace, tree: str, label: Label) -> str:
    """Write the commit and its reference into our own git directory and return its id."""
    who = f"{NAME} <{EMAIL}> {int(time.time())} +0000"
    parent = f"parent {workspace.base}\n" if workspace.base else ""
    text = f"tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{label.message}".encode("utf-8", "replace")
    data = b"commit %d\0" % len(text) + text
    digest = hashlib.new(workspace.target.object_format, data, usedforsecurity=False).hexdigest()
    control = workspace.place.control
    _put(control / "objects" / digest[:2] / digest[2:], zlib.compress(data, 1))
    _put(control / label.ref, f"{digest}\n".encode())
    return digest


def _put(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all."""
    scratch = f"{path}.new"
    os.makedirs(path.parent, exist_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(scratch, path)


def _entries(index: Path) -> int:
    """Return how many paths an index holds; it says so in its first 12 bytes."""
    try:
        with index.open("rb") as file:
            return int(INDEX_HEADER.unpack(file.read(INDEX_HEADER.size))[2])
    except FileNotFoundError:
        return 0


def _explained(workspace: Workspace, reason: str) -> str:
    if not workspace.target.common_dir.is_dir() and workspace.base:
        return f"the work could not be recorded: the repository {workspace.target.path} is gone"
    if NO_SPACE in reason:
        return f"the work could not be recorded: the disk is full ({workspace.place.root})"
    return f"the work could not be recorded: {reason}"
