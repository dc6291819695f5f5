"""Logs of the services: structlog, one JSON object a line.

Until `setup` says otherwise, as in a command, warnings go to stderr as sentences for a person; never to stdout, which
belongs to what a command prints. Tracebacks are plain: local variables, which may hold what nobody should read, are
not shown.
"""

import contextlib
import logging
import sys
from pathlib import Path
from typing import Any, TextIO, cast

import orjson

sys.modules.setdefault("rich", None)  # type: ignore[arg-type] # or structlog imports it, 50 ms, for tracebacks not used
import structlog  # noqa: E402

if sys.modules["rich"] is None:
    del sys.modules["rich"]

FILE_BYTES_MAX = 16 * 1024**2
_open: "list[_File]" = []


def setup(level: str = "info", path: Path | None = None) -> None:
    """Write lines of at least *level* to the end of the file *path*, by default to stderr.

    Each line has ``at`` (UTC), ``level``, ``event`` and whatever keys the call gave. Anything JSON can't carry is
    written as its ``repr``. A file of more than 16 MiB is begun anew, and the one before stays as ``NAME.1``. What
    can't be written, since the disk is full, is lost: whoever logs goes on.
    """
    stream: Any = _File(path) if path else _Stderr()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    for old in _open:
        old.close()
    _open[:] = [stream] if path else []


class _File:
    """A file that keeps what it can of what was written last."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._file, self._chars = self._begun()

    def _begun(self) -> tuple[TextIO, int]:
        """Return the file, open at its end, and about how much is in it."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size > FILE_BYTES_MAX:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            size = 0
        return self._path.open("a", buffering=1), size

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            if self._chars > FILE_BYTES_MAX:
                full = self._file
                self._file, self._chars = self._begun()
                full.close()
            self._chars += len(text)
            return self._file.write(text)
        return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


class _Stderr:
    """Whatever stderr is at the moment of writing: tests and daemons replace it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _dumps(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(_: Any, __: str, line: Any) -> str:
    """Return *line* as people read it: ``obra: what happened (key: value)``."""
    told, trace = line.pop("event"), line.pop("exception", "")
    keys = ", ".join(f"{key}: {value}" for key, value in line.items())
    return f"obra: {told}" + (f" ({keys})" if keys else "") + (f"\n{trace}" if trace else "")


if not structlog.is_configured():
    structlog.configure(
        processors=[structlog.processors.format_exc_info, _plain],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=False,
    )

get_logger = structlog.get_logger
"""Returns a logger: ``log = get_logger("decider")``."""
