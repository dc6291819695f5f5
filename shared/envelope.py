"""An event on its way: who, when, and because of what."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4, uuid5

import msgspec
from msgspec import Meta

from obra.events import KINDS, AnyEvent, Event
from obra.events.subjects import TOKEN, Scope, name
from obra.shared.errors import Undecodable
from obra.shared.upcast import CHANGED, FIRST, current, upcast

SCHEMA = FIRST
VERSION = "0.1.0"

Token = Annotated[str, Meta(pattern=rf"^{TOKEN.pattern}$")]


class Unknown(Event, tag="unknown"):
    """An event of a type, or of a schema number, that this version does not know: kept, passed on, skipped.

    It is never published.
    """

    name: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One event with the facts about the event. This is the wire format, in JSON.

    ``cause`` is the id of the event this one answers, ``correlation`` the id of the root cause, ``at`` the moment
    it was appended, UTC, recorded by the shell. ``version`` is the service's, ``schema`` the number of the form
    in which the event was stored; the event itself is always in today's form.
    """

    id: UUID
    project: Token
    task: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]{1,64})$")]
    at: Annotated[datetime, Meta(tz=True)]
    event: AnyEvent | Unknown
    cause: UUID | None = None
    correlation: UUID | None = None
    service: str = ""
    version: str = ""
    schema: int = SCHEMA

    @property
    def scope(self) -> Scope:
        """Return the stream of events that this one belongs to."""
        return Scope(self.project, self.task)


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An envelope with its place in the stream."""

    position: int
    envelope: Envelope

    @property
    def event(self) -> Event:
        """Return the event itself."""
        return self.envelope.event


def now() -> datetime:
    """Return the clock reading that a shell records."""
    return datetime.now(UTC)


def fresh(scope: Scope, event: Event, service: str, *, id: UUID | None = None) -> Envelope:
    """Wrap *event* as the beginning of something: nothing caused it but a person or the outside."""
    return Envelope(
        id=id or uuid4(), project=scope.project, task=scope.task, at=now(), event=event,  # type: ignore[arg-type]
        service=service, version=VERSION, schema=CHANGED.get(name(event), FIRST),
    )  # fmt: skip


def answer(
    question: Envelope,
    service: str,
    event: Event,
    at: datetime | None = None,
    *,
    scope: Scope | None = None,
    correlation: UUID | None = None,
) -> Envelope:
    """Wrap *event* as what *service* answers to *question*, in its scope or another.

    The id follows from question, service, content, and the scope where it is another one, so an answer repeated
    after a crash is the same envelope and the bus keeps one. *correlation* is the question's own root unless given.
    """
    content = msgspec.json.encode(event, order="deterministic").decode()
    where = "" if scope in (None, question.scope) else f"{'.'.join(scope or ())}/"
    project, task = scope or question.scope
    return Envelope(
        id=uuid5(question.id, f"{service}/{where}{content}"), project=project, task=task,
        at=at or now(), event=event,  # type: ignore[arg-type]
        cause=question.id, correlation=correlation or question.correlation or question.id, service=service,
        version=VERSION, schema=CHANGED.get(name(event), FIRST),
    )  # fmt: skip


class Brief(msgspec.Struct, frozen=True, gc=False):
    """What a fold looks at of an envelope."""

    project: str
    task: str
    event: AnyEvent | Unknown
    schema: int = SCHEMA


class _Tag(msgspec.Struct):
    type: str


class _Loose(msgspec.Struct):
    event: _Tag


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Envelope)
_brief = msgspec.json.Decoder(Brief)
_loose = msgspec.json.Decoder(_Loose)
_any = msgspec.json.Decoder()
_changed = frozenset(KINDS[kind] for kind in CHANGED)


def encode(envelope: Envelope) -> bytes:
    """Return the one byte form of *envelope*."""
    return _encoder.encode(envelope)


def decode(data: bytes) -> Envelope:
    """Return the envelope in *data*, its event in today's form, or raise `Undecodable` with the reason.

    An event of an unknown type, or of a newer schema number than is known, becomes `Unknown`; unknown fields are
    ignored.
    """
    try:
        envelope = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _otherwise(data, str(error))
    return envelope if _is_current(envelope) else _otherwise(data, "its schema number is of no use")


def decode_brief(data: bytes) -> Brief:
    """Return what a fold looks at of the envelope in *data*, in a third of the time that `decode` takes.

    For messages that came from the store, where they were found to be envelopes. Raises as `decode` does.
    """
    try:
        brief = _brief.decode(data)
        if _is_current(brief):
            return brief
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # `decode` knows what to make of it
    envelope = decode(data)
    return Brief(project=envelope.project, task=envelope.task, event=envelope.event, schema=envelope.schema)


def _is_current(read: Envelope | Brief) -> bool:
    """Return whether the event was stored in the form in which it was just read."""
    if read.schema == FIRST:
        return type(read.event) not in _changed
    return isinstance(read.event, Unknown) or read.schema == current(name(read.event))


def _otherwise(data: bytes, reason: str) -> Envelope:
    """Return the envelope of an event in another form than today's, or raise `Undecodable` with *reason*."""
    try:
        kind = _loose.decode(data).event.type
        loose = _any.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(size=len(data), reason=reason) from error
    schema = loose.get("schema", FIRST)
    if kind not in KINDS or (isinstance(schema, int) and schema > current(kind)):
        loose["event"] = {"type": "unknown", "name": kind}
    elif kind in CHANGED and isinstance(schema, int):
        loose["event"] = upcast(kind, schema, loose["event"])
    else:
        raise Undecodable(size=len(data), reason=reason)
    try:
        return msgspec.convert(loose, Envelope, strict=False)
    except msgspec.MsgspecError as error:
        raise Undecodable(size=len(data), reason=str(error)) from error


def type_of(envelope: Envelope) -> str:
    """Return the event's name, also of one that this version does not know."""
    event = envelope.event
    return event.name if isinstance(event, Unknown) else name(event)
