"""Reads files out of recorded trees: one git process for all of them, nothing from the workspace itself.

Names are exact here, as Python has those of files (any bytes, with surrogates where they are no UTF-8); what is told
of them goes through `survey.readable`.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from obra.events import FileChange, WorkspaceCheckpointed
from obra.services.agent_runner.inspection.model import Touched
from obra.services.agent_runner.survey import readable
from obra.shared.git import Git, Said

FILE_BYTES_MAX = 512 * 1024
TOTAL_BYTES_MAX = 16 * 1024 * 1024
FILES_MAX = 300
LISTED_MAX = 5_000
NEWLINES_MAX = 50
"""Files with a line break in their name that are read: each costs a process."""
TIMEOUT_S = 30.0
CHUNK_BYTES = 1024 * 1024
LETTERS = {"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "T": "type"}


class Reader:
    """Hands out the texts of blobs by tree and path; None for what is missing, binary or too large."""

    def __init__(self, process: "subprocess.Popen[bytes]", store: Git) -> None:
        self._process, self._store = process, store
        self._left, self._newlines = TOTAL_BYTES_MAX, NEWLINES_MAX
        self.bounded = False

    def text(self, tree: str, path: str) -> str | None:
        """Return the text at *path* in *tree*."""
        if not tree or not path:
            return None
        what = self._object(tree, path) if "\n" in path else f"{tree}:{path}"
        if not what or self._left <= 0:
            self.bounded = self.bounded or self._left <= 0
            return None
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{what}\n".encode("utf-8", "surrogateescape"))
        stdin.flush()
        _, kind, size = [*stdout.readline().rsplit(b" ", 2), b"", b""][:3]
        if not size.strip().isdigit():
            return None
        length = int(size)
        data = self._take(length)
        if kind != b"blob" or data is None or b"\0" in data[:8_000]:
            return None
        self._left -= length
        return data.decode("utf-8", "replace")

    def _object(self, tree: str, path: str) -> str:
        """Return the id of the blob at *path*, which can't stand in a line; nothing if there is none."""
        if not self._newlines:
            self.bounded = True
            return ""
        self._newlines -= 1
        said = self._store.try_("rev-parse", "--verify", "--quiet", f"{tree}:{path}", timeout_s=TIMEOUT_S)
        return "" if said.code else said.text

    def _take(self, length: int) -> bytes | None:
        """Read an object to its end; keep it only if it is small."""
        stdout = self._process.stdout
        assert stdout is not None
        kept = stdout.read(length + 1)[:-1] if length <= FILE_BYTES_MAX else None
        if kept is None:
            self.bounded = True
            left = length + 1
            while left > 0 and (piece := stdout.read(min(left, CHUNK_BYTES))):
                left -= len(piece)
        return kept


@contextlib.contextmanager
def reading(store: Git) -> Iterator[Reader]:
    """Start a reader; leaves no process behind."""
    process = store.start("cat-file", "--batch", stdin=subprocess.PIPE)
    try:
        yield Reader(process, store)
    finally:
        process.kill()
        process.wait(timeout=TIMEOUT_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def exact(store: Git, checkpoint: WorkspaceCheckpointed, base: str) -> Sequence[FileChange]:
    """Return all changes by their exact names: those that *checkpoint* tells, where it can."""
    told = checkpoint.files
    if checkpoint.files_total <= len(told) and not any("\\" in f"{one.path}{one.origin}" for one in told):
        return told
    binary = {change.path for change in told if change.added < 0}
    found = _listed(store, base, checkpoint.tree)
    return [replace(one, added=-1) if readable(one.path) in binary else one for one in found]


def _listed(store: Git, base: str, tree: str) -> list[FileChange]:
    """Return the changes between two trees, first what is not new."""
    said = store.run("diff-tree", "-r", "-z", "--raw", "-M", "-l400", base, tree, timeout_s=TIMEOUT_S)
    parts = iter(names(said))
    found: list[FileChange] = []
    for record in parts:
        if not record.startswith(":"):
            continue
        letter = record.rsplit(" ", 1)[1][:1]
        origin = next(parts)
        path = next(parts) if letter in "RC" else origin
        kind = LETTERS.get(letter, "added")
        found.append(FileChange(path=path, kind=kind, origin=origin if letter == "R" else ""))  # type: ignore[arg-type]
    return sorted(found, key=lambda change: change.kind == "added")[:LISTED_MAX]


def touched(reader: Reader, changes: Sequence[FileChange], base: str, tree: str) -> list[Touched]:
    """Return changed files with their texts on both sides, the first `FILES_MAX` that are text."""
    found: list[Touched] = []
    for change in changes:
        origin = "" if change.kind == "added" else change.origin or change.path
        deleted = change.kind == "deleted"
        if change.added < 0 or len(found) >= FILES_MAX:
            found.append(Touched(change.path, origin, deleted=deleted, unread=True))
            continue
        old = reader.text(base, origin) if origin else None
        new = None if deleted else reader.text(tree, change.path)
        unread = (bool(origin) and old is None) or (not deleted and new is None)
        found.append(Touched(change.path, origin, old, new, deleted, unread))
    return found


def names(said: Said) -> list[str]:
    """Return what git listed with ``-z``, each name exact."""
    return said.out.decode(errors="surrogateescape").split("\0")


def ignored(control: Git) -> list[str]:
    """Return files in the workspace that git passes over: no branch will have them, and checks see them."""
    said = control.run("ls-files", "--others", "--ignored", "--exclude-standard", "-z", timeout_s=TIMEOUT_S)
    return [path for path in names(said) if path][:LISTED_MAX]
