"""A query in a process of its own, which can be killed: for what DuckDB can't be stopped in once it has begun.

The process opens a file that nobody writes to: the store itself while nothing runs, a copy of it while log-sink has it
open. It is confined as every query is, and may break: neither the writer of the store nor anybody else who asks is in
it. Its memory is bounded by `ADDRESS_BYTES_MAX` (on Linux), and where the machine runs short of memory, the kernel ends
it first.
"""

import contextlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from obra.shared.errors import ObraError
from obra.shared.store import opened
from obra.shared.store.confine import THREADS
from obra.shared.store.errors import QueryFailed
from obra.shared.store.wire import End, Limits, Piece, Query, failed, piece_of, problem

if TYPE_CHECKING:
    from obra.shared.config import StoreSettings

ADDRESS_BYTES_MAX = 6 * 1024**3
START_S = 15.0
"""How long the process may take until it has read what is asked."""
OVER_S = 1.0
"""How long after its time a query is killed that has not ended by itself."""
BROKE = "DuckDB broke off: most likely it takes more memory than a query may have"
_RUN = "from obra.shared.store.apart import serve; serve()"
_SIZE = struct.Struct("!I")


class _Asked(msgspec.Struct, frozen=True):
    path: str
    query: Query
    limits: Limits


class Apart:
    """One query to the file *path*, answered by a process that lives as long as it takes."""

    def __init__(self, path: Path, query: Query, settings: "StoreSettings | Limits") -> None:
        """Remember what is asked; nothing is started before `pieces`."""
        limits = Limits(settings.query_timeout_s, settings.query_memory, settings.query_rows_max)
        self._asked = _Asked(str(path), query, limits)
        self._timeout_s = min(query.timeout_s or limits.query_timeout_s, limits.query_timeout_s)
        self._process: subprocess.Popen[bytes] | None = None
        self._expired = False

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield the answer as `answered` does, raising the same; it blocks, and may be closed at any time."""
        self._process = process = subprocess.Popen(
            [sys.executable, "-I", "-c", _RUN], env={}, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        clock = self._clock(START_S)
        try:
            with contextlib.suppress(BrokenPipeError):  # it is gone: so is its answer, and that is told below
                _send(process.stdin, msgspec.json.encode(self._asked))
            begun = _received(process.stdout)
            clock.cancel()
            clock = self._clock(self._timeout_s + OVER_S)
            while begun is not None and (data := _received(process.stdout)) is not None:
                piece = piece_of(data)
                if isinstance(piece, End) and piece.error:
                    raise problem(piece)
                yield piece
                if isinstance(piece, End):
                    return
            raise QueryFailed(reason=f"it took longer than {self._timeout_s:g} s" if self._expired else BROKE)
        finally:
            clock.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def interrupt(self) -> None:
        """End the process, if it has begun."""
        if self._process:
            self._process.kill()

    def _clock(self, after_s: float) -> threading.Timer:
        clock = threading.Timer(after_s, self._expire)
        clock.daemon = True
        clock.start()
        return clock

    def _expire(self) -> None:
        self._expired = True
        self.interrupt()


def _received(file: IO[bytes]) -> bytes | None:
    """Return the next message; None where the other end is gone."""
    head = file.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    data = file.read(size := _SIZE.unpack(head)[0])
    return data if len(data) == size else None


def serve() -> None:
    """Answer the query on standard input, on standard output, and end the process; earlier where that input ends."""
    asked, output, number = msgspec.json.decode(_received(sys.stdin.buffer) or b"", type=_Asked), sys.stdout.buffer, 0
    _bound(asked.limits.query_timeout_s)
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    from obra.shared.store.answer import answered  # noqa: PLC0415 - DuckDB

    _send(output, b"")
    try:
        db = opened(Path(asked.path), read_only=True)
        for piece in answered(db, asked.query, asked.limits, alone=True):
            number = piece.number + 1
            _send(output, msgspec.json.encode(piece))
    except ObraError as error:
        _send(output, msgspec.json.encode(failed(number, error)))
    os._exit(0)  # nothing is to be put in order, and DuckDB may still be at work


def _send(file: IO[bytes], data: bytes) -> None:
    file.write(_SIZE.pack(len(data)) + data)
    file.flush()


def _end_with(file: IO[bytes]) -> None:
    """End this process as soon as *file* ends: whoever asked is gone."""
    file.read()
    os._exit(1)


def _bound(timeout_s: float) -> None:
    """Bound what this process may take."""
    import resource  # noqa: PLC0415 - of POSIX

    seconds = int((START_S + timeout_s + OVER_S) * THREADS) + 1
    bounds = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: ADDRESS_BYTES_MAX}
    for kind, most in bounds.items():
        with contextlib.suppress(ValueError, OSError):  # macOS has no bound of addresses; less than that is bound
            resource.setrlimit(kind, (most, most))
    with contextlib.suppress(OSError):  # of Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
