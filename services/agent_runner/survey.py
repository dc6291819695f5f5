"""A walk over a workspace that somebody else has filled: how large, and what in it git can't or must not take."""

import os
import re
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from obra.shared.errors import ObraError

ENTRIES_MAX = 2_000_000
NOTED_MAX = 20
SURROGATE = re.compile("[\ud800-\udfff]")


class WorkspaceLost(ObraError):
    """{problem}"""


class Unmergeable(WorkspaceLost):
    """{problem}"""


@dataclass(slots=True)
class Survey:
    """What was found. Paths are relative to the workspace; ``files`` counts what git could record."""

    bytes: int = 0
    entries: int = 0
    files: int = 0
    nested: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)


def survey(workspace: Path, bytes_max: int, submodules: Collection[str] = ()) -> Survey:
    """Return what lies in *workspace*, all but the agent's ``.git`` and the *submodules*, which `weigh` adds.

    Raises `WorkspaceLost` once more than *bytes_max* bytes or 2,000,000 entries were seen. Named pipes that git
    would open and wait for are removed.
    """
    found = Survey()
    _walk(found, workspace, bytes_max, [""], {".git", *submodules})
    return found


def weigh(found: Survey, workspace: Path, bytes_max: int) -> None:
    """Add to *found* what lies apart: its size counts, and git records none of it. Raises as `survey` does."""
    files, nested = found.files, list(found.nested)
    _walk(found, workspace, bytes_max, found.apart, frozenset())
    found.files, found.nested = files, nested


def _walk(found: Survey, workspace: Path, bytes_max: int, todo: list[str], apart: Collection[str]) -> None:
    top = str(workspace)
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(f"{top}/{folder}") as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if _take(found, entry, path, folder):
                        (found.apart if path in apart else todo).append(path)
                    _limit(found, bytes_max)
        except OSError:
            found.unreadable.append(folder)


def notes_of(found: Survey, recorded: int) -> list[str]:
    """Return sentences about what is peculiar; *recorded* is how many files git has taken."""
    notes = [
        *_listed(found.nested, "a git repository of its own, recorded as plain files"),
        *_listed(found.special, "neither file, directory nor link: left out"),
        *_listed(found.unreadable, "a directory that can't be read: left out"),
    ]
    ignored = found.files - recorded
    if ignored > 0:
        files = "1 new file is" if ignored == 1 else f"{ignored:,} new files are"
        notes.append(f"{files} ignored by git and left out")
    return notes


def readable(path: str) -> str:
    """Return text with names of files in it such that UTF-8 can carry it: bytes of a name that are none are \\xNN."""
    return SURROGATE.sub(lambda found: ascii(found[0])[1:-1].replace("udc", "x"), path)


def _take(found: Survey, entry: os.DirEntry[str], path: str, folder: str) -> bool:
    """Count one entry; return whether it is a directory to go into."""
    try:
        about = entry.stat(follow_symlinks=False)
    except OSError:
        found.unreadable.append(path)
        return False
    found.entries += 1
    if entry.name == ".git" and folder:
        found.nested.append(folder)
        return False
    if stat.S_ISDIR(about.st_mode):
        return True
    if stat.S_ISREG(about.st_mode):
        found.bytes += about.st_size
    elif not stat.S_ISLNK(about.st_mode):
        _set_aside(found, entry, path)
        return False
    found.files += path != ".git"
    return False


def _set_aside(found: Survey, entry: os.DirEntry[str], path: str) -> None:
    found.special.append(path)
    if entry.name.startswith(".git"):
        os.unlink(entry.path)


def _limit(found: Survey, bytes_max: int) -> None:
    if found.bytes > bytes_max:
        raise WorkspaceLost(
            problem=f"the workspace holds more than {bytes_max:,} bytes (agent.workspace_bytes_max): not recorded"
        )
    if found.entries > ENTRIES_MAX:
        raise WorkspaceLost(problem=f"the workspace holds more than {ENTRIES_MAX:,} files; nothing was recorded")


def _listed(paths: list[str], what: str) -> list[str]:
    shown = [f"{readable(path)[:200]} is {what}" for path in sorted(paths)[:NOTED_MAX]]
    more = len(paths) - NOTED_MAX
    return [*shown, f"{more:,} more paths like these"] if more > 0 else shown
