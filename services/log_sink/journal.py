"""The log of everything as JSON Lines, redacted: one line a message, in order, none twice, old files let go."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from obra.shared.personal import impersonal_line

FILE_BYTES_MAX = 64 * 1024**2
FILES_MAX = 5
TAIL_BYTES = 16 * 1024**2
"""What is read of a file's end to find its last whole line; no line is longer."""

BEGINS_ANEW = b'{"position":0,"notice":"another stream begins here"}\n'


class Journal:
    """Appends lines to *path*; a full file becomes ``.1``, that one ``.2``; ``files_max`` of them are kept."""

    def __init__(
        self, path: Path, bytes_max: int = FILE_BYTES_MAX, files_max: int = FILES_MAX, *, impersonal: bool = False
    ) -> None:
        """Open the file and cut off the half line that a crash may have left at its end.

        *impersonal*: what says who somebody is (`obra.shared.personal`) does not get into it.
        """
        self.path, self._bytes_max, self._files_max = path, bytes_max, files_max
        self._impersonal = impersonal
        self._file = self._open()
        self.position = self._recovered()

    def write(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Write the (position, line) that come after what is written already."""
        new = [(position, line) for position, line in lines if position > self.position]
        if not new:
            return
        if self._file.tell() >= self._bytes_max:
            self._rotate()
        told = [impersonal_line(line) if self._impersonal else line for _, line in new]
        self._file.write(b"\n".join(told) + b"\n")
        self._file.flush()
        self.position = new[-1][0]

    def restart(self) -> None:
        """Begin a new file: what comes now belongs to another stream, whose positions begin anew."""
        if self._file.tell():
            self._rotate()
        self._file.write(BEGINS_ANEW)
        self._file.flush()
        self.position = 0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _open(self) -> BinaryIO:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+b")
        file.seek(0, os.SEEK_END)
        return file

    def _recovered(self) -> int:
        """Cut a half line off the end and return the position in the last whole one, of this file or the one before."""
        end = self._file.tell()
        self._file.seek(max(0, end - TAIL_BYTES))
        whole, newline, half = self._file.read().rpartition(b"\n")
        if half:
            end = self._file.truncate(end - len(half))
        self._file.seek(end)
        if not newline:
            before = self._numbered(1)
            whole = before.read_bytes()[-TAIL_BYTES:].rstrip(b"\n") if before.exists() else b""
        return _position(whole.rpartition(b"\n")[2])

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._files_max - 1, 0, -1):
            older = self.path if number == 1 else self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _position(line: bytes) -> int:
    try:
        return int(json.loads(line)["position"])
    except (ValueError, KeyError, TypeError):
        return 0
