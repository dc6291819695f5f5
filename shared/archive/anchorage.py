"""Where anchors are kept: the note of a commit, or a file."""

import os
from pathlib import Path

from obra.shared.archive import notes
from obra.shared.errors import BadUsage, EnvironmentLacks

NOTE = "note"
THE_NOTE = "the note of"


def keep(line: str, to: str, repo: Path) -> str:
    """Add an anchor's *line* to the file *to*, or to the note at the HEAD of *repo*; return where, in words."""
    if to == NOTE:
        return f"{THE_NOTE} {notes.add(repo, line)[:12]}"
    try:
        with Path(to).open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EnvironmentLacks(problem=f"the anchor could not be written: {error}") from error
    return to


def kept(to: str, repo: Path) -> list[str]:
    """Return the lines of the file *to*, or of every note in *repo*; `BadUsage` where they can't be read."""
    try:
        return notes.lines(repo) if to == NOTE else Path(to).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadUsage(problem=f"the anchors can't be read: {error}") from error
