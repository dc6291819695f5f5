"""A message of the stream as a row of the table `event` and as a line of the log: secrets taken out of its texts."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from obra.events.subjects import parse
from obra.shared.bus import Raw
from obra.shared.envelope import Envelope, type_of
from obra.shared.redact import redact, redact_value, suspicious_json
from obra.shared.upcast import CHANGED, current, upcast

DEPTH_MAX = 64
PROBLEM_CHARS_MAX = 2_000


class Row(NamedTuple):
    """One row, but for its hash. Times are microseconds since 1970, UTC; ``line`` is the log's, without its end.

    A tuple, because a million of them are made a minute.
    """

    position: int
    id: str | None
    project: str | None
    task: str | None
    type: str | None
    happened_us: int | None
    cause: str | None
    correlation: str | None
    service: str | None
    body: bytes | None
    raw: bytes
    problem: str | None
    stored_us: int
    line: bytes


class _Whole(msgspec.Struct, gc=False):
    """A message's parts as they stand in it: ids as texts cost a fifth of what they cost as UUIDs made texts again."""

    event: msgspec.Raw
    id: str
    cause: str | None = None
    correlation: str | None = None


_whole = msgspec.json.Decoder(_Whole)
_any = msgspec.json.Decoder()
_encode = msgspec.json.encode


def row_of(raw: Raw) -> Row:
    """Return the row of *raw*. It never raises for what a message holds: one that is no event gets a `problem`."""
    if raw.envelope is None:
        return _unreadable(raw, raw.problem)
    return _readable(raw, raw.envelope)


def _readable(raw: Raw, envelope: Envelope) -> Row:
    data, whole, kind = raw.data, _whole.decode(raw.data), type_of(envelope)
    if (
        is_shallow_text(data)
        and not suspicious_json(data)
        and (kind not in CHANGED or envelope.schema >= current(kind))
    ):
        body, service = bytes(whole.event), envelope.service
        line = b'{"position":%d,%b' % (raw.position, data.strip()[1:])
    else:
        clean = redact_value(_shallow(_document(data, envelope), DEPTH_MAX))
        body, service = _encode(clean["event"]), redact(envelope.service)
        line = _encode({"position": raw.position, **clean})
    return Row(
        raw.position, whole.id, envelope.project, envelope.task, kind, _micros(envelope.at), whole.cause,
        whole.correlation, service, body, data, None, raw.stored_at_ns // 1_000, line,
    )  # fmt: skip


def _document(data: bytes, envelope: Envelope) -> Any:
    """Return the JSON in *data*, its event in today's form, also where it was stored in an older one.

    Where fields that nobody knows make that impossible, the fields that are known.
    """
    try:
        document = _any.decode(data)
        kind = type_of(envelope)
        return {**document, "event": upcast(kind, envelope.schema, document["event"])} if kind in CHANGED else document
    except (msgspec.MsgspecError, RecursionError):
        return msgspec.to_builtins(envelope)


def _unreadable(raw: Raw, reason: str) -> Row:
    """Return the row of a message that is no event: where it came is all that is known of it."""
    project: str | None
    task: str | None
    try:
        scope, kind = parse(raw.subject)
        project, task = scope.project, scope.task
    except ValueError:
        project = task = None
        kind = raw.subject.removeprefix("obra.")
    problem = redact(reason)[:PROBLEM_CHARS_MAX]
    line = _encode({"position": raw.position, "subject": redact(raw.subject), "problem": problem})
    return Row(
        position=raw.position, id=None, project=project, task=task, type=kind, happened_us=None, cause=None,
        correlation=None, service=None, body=None, raw=raw.data, problem=problem,
        stored_us=raw.stored_at_ns // 1_000, line=line,
    )  # fmt: skip


def is_shallow_text(data: bytes) -> bool:
    """Return whether a JSON message can be taken as it stands, unless it is suspicious."""
    return data.count(b"{") + data.count(b"[") <= DEPTH_MAX and (data.isascii() or _is_text(data))


def _is_text(data: bytes) -> bool:
    """Return whether *data* is UTF-8 in which nothing was replaced before."""
    try:
        return "\ufffd" not in data.decode()
    except UnicodeDecodeError:
        return False


def _shallow(value: Any, depth: int) -> Any:
    """Return *value* without what is nested so deep that readers would break on it."""
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "[cut: nested too deep]"
    if isinstance(value, list):
        return [_shallow(item, depth - 1) for item in value]
    return {name: _shallow(item, depth - 1) for name, item in value.items()}


def _micros(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
