"""What a run really changed: read from git's own comparison with the base commit, bounded."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from obra.events import Content, FileChange
from obra.services.agent_runner.survey import readable
from obra.shared.git import LONG_S, Git, GitFailed, GitTooSlow, failed

FILES_MAX = 1_000
PATHS_CHARS_MAX = 256 * 1024
"""Of all paths together: an event must fit into a message, however deep an agent nests its folders."""

FILES_TOTAL_MAX = 1_000_000
PATCH_BYTES_MAX = 256 * 1024
READ_BYTES = 64 * 1024
END_S = 10.0

COMPARE = (
    "diff-index", "--cached", "--raw", "--numstat", "-p", "-z", "--no-ext-diff", "--no-textconv", "--no-color",
    "-M", "-l400", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip
"""One process that lists, counts and shows: raw records, then counts, then an empty record, then the patch."""

Kind = Literal["added", "modified", "deleted", "renamed", "type"]
KINDS: dict[bytes, Kind] = {b"A": "added", b"C": "added", b"D": "deleted", b"R": "renamed", b"T": "type"}
MOVED = (b"R", b"C")


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference between two trees: the first 1,000 files of ``files_total``, or fewer, and 256 KiB of patch."""

    files: tuple[FileChange, ...] = ()
    files_total: int = 0
    lines_added: int = 0
    lines_deleted: int = 0
    patch: Content = field(default_factory=Content)


@contextlib.contextmanager
def comparing(store: Git, tree: str) -> Iterator["Comparison"]:
    """Start comparing the index with *tree*; leaves no process behind."""
    process = store.start(*COMPARE, tree)
    try:
        yield Comparison(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=END_S)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


class Comparison:
    """Reads a `COMPARE` process record by record, so that neither its list nor its patch is ever held whole."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._buffer = b""
        self._give_up_at = time.monotonic() + LONG_S

    def changes(self, redact: Callable[[str], str]) -> Changes:
        """Return what differs. A patch that is longer than what is kept is not read to its end."""
        kinds, record = self._kinds()
        files: list[FileChange] = []
        total = added_all = deleted_all = chars = 0
        while record:
            added, deleted, path = record.split(b"\t", 2)
            origin = b""
            if not path:
                origin = self._record()
                path = self._record()
            change = FileChange(
                path=_named(path), kind=kinds.get(path, "modified"),
                added=_number(added), deleted=_number(deleted), origin=_renamed(kinds, path, origin),
            )  # fmt: skip
            total, added_all, deleted_all = (
                total + 1,
                added_all + max(0, change.added),
                deleted_all + max(0, change.deleted),
            )
            chars += len(change.path) + len(change.origin)
            files += [change] if len(files) < FILES_MAX and chars <= PATHS_CHARS_MAX else []
            record = self._record()
        patch = self._patch(redact)
        return Changes(tuple(files), total, added_all, deleted_all, patch)

    def _kinds(self) -> tuple[dict[bytes, Kind], bytes]:
        """Return the kinds of change by (new) path, and the first record that is none."""
        kinds: dict[bytes, Kind] = {}
        while (record := self._record()).startswith(b":"):
            letter = record.rsplit(b" ", 1)[1][:1]
            path = self._record()
            if letter in MOVED:
                path = self._record()
            kinds[path] = KINDS.get(letter, "modified")
            if len(kinds) > FILES_TOTAL_MAX:
                raise GitFailed(command=COMPARE[0], code=1, reason=f"more than {FILES_TOTAL_MAX:,} files were changed")
        return kinds, record

    def _patch(self, redact: Callable[[str], str]) -> Content:
        while len(self._buffer) <= PATCH_BYTES_MAX and self._more():
            pass
        cut = len(self._buffer) > PATCH_BYTES_MAX
        if not cut and (code := self._process.wait(timeout=END_S)):
            assert self._process.stderr is not None
            raise failed(COMPARE, code, self._process.stderr.read().decode(errors="replace").strip())
        text = self._buffer[:PATCH_BYTES_MAX].decode(errors="replace")
        if cut:
            text = text[: text.rfind("\n") + 1] + f"[… the patch goes on: only its first {PATCH_BYTES_MAX:,} bytes …]\n"
        return Content.of(redact(text)) if text else Content()

    def _record(self) -> bytes:
        """Return the next record, empty at the end of the lists."""
        while (at := self._buffer.find(b"\0")) < 0:
            if not self._more():
                record, self._buffer = self._buffer, b""
                return record
        record, self._buffer = self._buffer[:at], self._buffer[at + 1 :]
        return record

    def _more(self) -> bool:
        if time.monotonic() > self._give_up_at:
            raise GitTooSlow(command=COMPARE[0], code=-9, timeout_s=LONG_S, reason="comparing with the base commit")
        assert self._process.stdout is not None
        data: bytes = self._process.stdout.read1(READ_BYTES)  # type: ignore[attr-defined]
        self._buffer += data
        return bool(data)


def _renamed(kinds: dict[bytes, Kind], path: bytes, origin: bytes) -> str:
    return _named(origin) if kinds.get(path) == "renamed" else ""


def _named(path: bytes) -> str:
    return readable(path.decode(errors="surrogateescape"))


def _number(text: bytes) -> int:
    return -1 if text == b"-" else int(text)
