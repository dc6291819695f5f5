"""Logs of the services: structlog, one JSON object a line.

Until `setup` says otherwise lines go to stderr, never to stdout, which belongs to what a command prints. Tracebacks
are plain: local variables, which may hold what nobody should read, are not shown.
"""

import logging
import sys
from pathlib import Path
from typing import Any, TextIO

import orjson

sys.modules.setdefault("rich", None)  # type: ignore[arg-type] # or structlog imports it, 50 ms, for tracebacks not used
import structlog  # noqa: E402

if sys.modules["rich"] is None:
    del sys.modules["rich"]

_open: list[TextIO] = []


def setup(level: str = "info", path: Path | None = None) -> None:
    """Write lines of at least *level* to the end of the file *path*, by default to stderr.

    Each line has ``at`` (UTC), ``level``, ``event`` and whatever keys the call gave. Anything JSON can't carry is
    written as its ``repr``.
    """
    if path:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream: Any = path.open("a", buffering=1) if path else _Stderr()
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


class _Stderr:
    """Whatever stderr is at the moment of writing: tests and daemons replace it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _dumps(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


if not structlog.is_configured():
    setup()

get_logger = structlog.get_logger
"""Returns a logger: ``log = get_logger("decider")``."""
