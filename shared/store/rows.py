"""Many messages as rows: what `row_of` makes of each, in half of the time, and most of them need no more.

A message as Obra writes it is taken apart once, and its ids, times and texts are taken as they stand. Whatever is not
of that form, holds something that could be a secret, or is no event at all, is read by itself, as `row_of` does it.
"""

import contextlib
import gc
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from obra.events import KINDS, AnyEvent
from obra.events.subjects import PROJECT_LEVEL, TOKEN
from obra.shared.bus import Raw, Stored
from obra.shared.bus.message import raw_of
from obra.shared.redact import suspicious_among
from obra.shared.store.row import Row, is_shallow_text, row_of
from obra.shared.upcast import CHANGED, FIRST

COLLECT = (100_000, 50, 100)
"""When Python looks for cycles: what is on its way into the store has none, lives long, and is looked at each time.
As usual, on every 700th object, that takes a sixth of all that storing takes."""
TOGETHER = 256
"""Messages that are searched for secrets at once."""
ID_CHARS = 36
HYPHENS = (8, 13, 18, 23)


class Rows(NamedTuple):
    """The ``rows``, in order, and those messages that were ``read`` by themselves, by their position."""

    rows: list[Row]
    read: dict[int, Raw]


class _Parts(msgspec.Struct, gc=False):
    """An envelope, but for its event as it stands, with ids as texts: to make UUIDs of them takes a third of the time.

    Its fields and their types are those of `Envelope`.
    """

    id: str
    project: str
    task: str
    at: Annotated[datetime, Meta(tz=True)]
    event: msgspec.Raw
    cause: str | None = None
    correlation: str | None = None
    service: str = ""
    version: str = ""
    schema: int = FIRST


NAMES = {kind: name for name, kind in KINDS.items()}
_parts = msgspec.json.Decoder(_Parts)
_event = msgspec.json.Decoder(AnyEvent)
_new = tuple.__new__
_LEAST = len('{"id":"","project":"","task":"","at":"2026-01-02T03:04:05Z","event":}') + ID_CHARS
_MICROS, _CAUSE = len(".000000"), len(',"cause":""') + ID_CHARS
_CORRELATION, _SERVICE, _VERSION = len(',"correlation":""') + ID_CHARS, len(',"service":""'), len(',"version":""')
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Have Python look for cycles as `COLLECT` says while the block runs."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def rows_of(messages: Sequence[Stored], alone: Collection[str] = (), logged: int = 0) -> Rows:
    """Return the rows of *messages*; events of the types *alone* are read by themselves, for who looks at them.

    Up to position *logged* nobody needs the log's lines, and most are left empty.
    """
    made = Rows([], {})
    for begin in range(0, len(messages), TOGETHER):
        _add(made, messages[begin : begin + TOGETHER], alone, logged)
    return made


def _add(made: Rows, messages: Sequence[Stored], alone: Collection[str], logged: int) -> None:
    odd = suspicious_among([one.data for one in messages])
    rows = [None if number in odd else _quick(one, alone, logged) for number, one in enumerate(messages)]
    if not _are_ids([id_ for row in rows if row for id_ in (row[1], row[6], row[7]) if id_ is not None]):
        rows = [None] * len(rows)
    for message, row in zip(messages, rows, strict=True):
        if row is None:
            raw = raw_of(message.position, message.subject, message.data, message.stored_at_ns)
            made.read[message.position] = raw
            made.rows.append(row_of(raw))
        else:
            made.rows.append(row)


def _quick(message: Stored, alone: Collection[str], logged: int) -> Row | None:
    """Return the row of a *message* in which nothing is suspicious; None if it is not of the form that Obra writes."""
    data, position = message.data, message.position
    try:
        parts = _parts.decode(data)
        event = _event.decode(parts.event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    project, task, kind, at = parts.project, parts.task, NAMES[type(event)], parts.at
    if (
        kind in CHANGED or kind in alone or parts.schema != FIRST or len(data) > _size(parts)
        or not _is_scope(project, task) or message.subject != f"obra.{project}.{task}.{kind}"
        or not is_shallow_text(data)
    ):  # fmt: skip
        return None
    line = b"" if position <= logged else b'{"position":%d,%b' % (position, data.strip()[1:])
    return _new(
        Row,
        (
            position, parts.id, project, task, kind, (at - _EPOCH) // _MICROSECOND, parts.cause, parts.correlation,
            parts.service, bytes(parts.event), data, None, message.stored_at_ns // 1_000, line,
        ),
    )  # fmt: skip


def _size(parts: _Parts) -> int:
    """Return the size of a message that says *parts* as Obra does, at least.

    One that is no larger says nothing twice, of which a reader might take the one or the other: that takes seven bytes
    (``"at":1,``), and no form of any part is more than five bytes shorter than Obra's (a time with ``.5Z``).
    """
    size = _LEAST + len(parts.project) + len(parts.task) + len(parts.event)
    if parts.at.microsecond:
        size += _MICROS
    if parts.cause is not None:
        size += _CAUSE
    if parts.correlation is not None:
        size += _CORRELATION
    if parts.service:
        size += _SERVICE + len(parts.service)
    if parts.version:
        size += _VERSION + len(parts.version)
    return size


@lru_cache(maxsize=4_096)
def _is_scope(project: str, task: str) -> bool:
    """Return whether these name a task, and not what stands for all of a project."""
    return PROJECT_LEVEL not in (project, task) and bool(TOKEN.fullmatch(project) and TOKEN.fullmatch(task))


def _are_ids(ids: Sequence[str]) -> bool:
    """Return whether each of *ids* is a UUID as it is usually written; all of them are looked at together."""
    joined, count = "".join(ids), len(ids)
    if not set(map(len, ids)) <= {ID_CHARS} or joined.count("-") != count * len(HYPHENS):
        return False
    if any(joined[place::ID_CHARS] != "-" * count for place in HYPHENS):
        return False
    try:
        return len(bytes.fromhex(joined.replace("-", ""))) == 16 * count
    except ValueError:
        return False
