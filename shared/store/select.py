"""Reads stored messages back as they came: for the event tailer, replay and export."""

import re
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from obra.shared.bus import Raw
from obra.shared.bus.message import raw_of
from obra.shared.store.query import Table

PAGE_ROWS = 500
Ask = Callable[..., Awaitable[Table]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages: those after position ``after``, up to ``until``, both of the stream.

    ``since`` and ``before`` are times at which events happened, the first included. ``types`` are names with ``*``
    and ``?``; none means all. Empty ``project`` or ``task`` means any.
    """

    after: int = 0
    until: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    types: tuple[str, ...] = ()
    project: str = ""
    task: str = ""


async def remote_events(ask: Ask, wanted: Wanted, wait_position: int = 0) -> AsyncIterator[Raw]:
    """Yield the messages that the running store holds, in order; *ask* is `RemoteQuery.run`."""
    while True:
        sql, params = page(wanted)
        table = await ask(sql, params, wait_position=wait_position)
        for row in table.rows:
            yield message(row)
        if len(table.rows) < PAGE_ROWS:
            return
        wanted = replace(wanted, after=table.rows[-1][0])


def page(wanted: Wanted) -> tuple[str, list[Any]]:
    """Return the query of one page of *wanted*, at most `PAGE_ROWS` long, and its parameters."""
    conditions, params = ["position > ?"], list[Any]([wanted.after])

    def also(condition: str, value: Any) -> None:
        conditions.append(condition)
        params.append(value)

    if wanted.until is not None:
        also("position <= ?", wanted.until)
    for sign, moment in ((">=", wanted.since), ("<", wanted.before)):
        if moment is not None:
            also(f"coalesce(happened_at, stored_at) {sign} ?::TIMESTAMPTZ", moment.astimezone(UTC).isoformat())
    if wanted.project:
        also("project = ?", wanted.project)
    if wanted.task:
        also("task = ?", wanted.task)
    if wanted.types:
        also("regexp_full_match(type, ?)", "|".join(_pattern(glob) for glob in wanted.types))
    return (
        "SELECT position, project, task, type, epoch_us(stored_at), to_base64(raw) FROM event "
        f"WHERE {' AND '.join(conditions)} ORDER BY position LIMIT {PAGE_ROWS}"
    ), params


def _pattern(glob: str) -> str:
    """Return *glob* as a regular expression that DuckDB's RE2 reads too."""
    return "(" + "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in glob) + ")"


def message(row: tuple[Any, ...]) -> Raw:
    """Return the message in a *row* of a page."""
    position, project, task, kind, stored_us, data = row
    raw = b64decode(data)
    subject = f"obra.{kind}" if project is None else f"obra.{project}.{task}.{kind}"
    return raw_of(position, subject, raw, stored_us * 1_000)
