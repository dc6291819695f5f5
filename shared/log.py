"""Logs of the services: structlog, one JSON object a line.

Import `structlog` itself to log. Until `setup` is called lines go to stderr, never to stdout, which belongs to what
a command prints.
"""

import logging
import sys
from pathlib import Path
from typing import Any

import orjson
import structlog

structlog.configure_once(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))


def setup(level: str = "info", path: Path | None = None) -> None:
    """Write lines of at least *level* to the end of the file *path*, by default to stderr.

    Each line has ``at`` (UTC), ``level``, ``event`` and whatever keys the call gave. Anything JSON can't carry is
    written as its ``repr``.
    """
    if path:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stream = path.open("ab", buffering=0) if path else sys.stderr.buffer
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.BytesLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )


def _dumps(line: Any, **_: Any) -> bytes:
    return orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS)
