"""What a message on the stream OBRA looks like: headers, checks on reading, and what the bus itself says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid5

import msgspec

from obra.events import GoalSubmitted, MessageDeadLettered, TaskSubmitted, TimerFired, TimerSet
from obra.events.subjects import PROJECT_LEVEL, parse
from obra.shared.bus import Raw
from obra.shared.envelope import VERSION, Envelope, Recorded, decode, now, type_of
from obra.shared.errors import Undecodable


def read(subject: str, data: bytes) -> Envelope:
    """Return the envelope in *data* that arrived on *subject*.

    Raises `Undecodable` also where the two disagree about project, task or type: permissions are granted on
    subjects, so what a message claims about itself must be what its sender was allowed to say.
    """
    envelope = decode(data)
    inside = f"{envelope.project}.{envelope.task}.{type_of(envelope)}"
    if subject == f"obra.{inside}":
        return _named(envelope, len(data))
    try:
        parse(subject)
    except ValueError as error:
        raise Undecodable(size=len(data), reason=str(error)) from error
    raise Undecodable(size=len(data), reason=f"it came on {subject} and claims to be {inside}")


def raw_of(
    position: int, subject: str, data: bytes, stored_at_ns: int,
    kept: Callable[[int, str, bytes], Envelope] | None = None,
) -> Raw:  # fmt: skip
    """Return a stored message with what can be read of it; *kept* reads it for who may have it already."""
    try:
        envelope = kept(position, subject, data) if kept else read(subject, data)
    except Undecodable as error:
        return Raw(position, subject, data, stored_at_ns, None, str(error))
    return Raw(position, subject, data, stored_at_ns, envelope)


def _named(envelope: Envelope, size: int) -> Envelope:
    """Return *envelope*, unless it submits something under the name that stands for the project itself."""
    if PROJECT_LEVEL in (envelope.project, envelope.task) and isinstance(
        envelope.event, (TaskSubmitted, GoalSubmitted)
    ):
        reason = f"{PROJECT_LEVEL!r} stands for the whole project, or for all: no task, goal or project of one's own"
        raise Undecodable(size=size, reason=f"{reason} can have that name")
    return envelope


def traceparent(envelope: Envelope) -> str:
    """Return the W3C trace context: the trace is the correlation, the span the event."""
    root = envelope.correlation or envelope.id
    return f"00-{root.hex}-{envelope.id.hex[-16:]}-01"


def fired(envelope: Envelope) -> Envelope:
    """Return the `timer.fired` that is due for the `timer.set` in *envelope*, dated to when it is due.

    Its id follows from the timer.set's, so that the same timer never fires as two events.
    """
    asked = envelope.event
    assert isinstance(asked, TimerSet)
    return Envelope(
        id=uuid5(envelope.id, "timer.fired"), project=envelope.project, task=envelope.task,
        at=_due(asked), event=TimerFired(timer=asked.timer), cause=envelope.id,
        correlation=envelope.correlation or envelope.id, service=envelope.service, version=VERSION,
    )  # fmt: skip


def _due(asked: TimerSet) -> datetime:
    """Return when the timer is due, in UTC, as is a time without a zone."""
    if not asked.at:
        return now() + timedelta(seconds=asked.delay_s)
    due = datetime.fromisoformat(asked.at)
    return due.astimezone(UTC) if due.tzinfo else due.replace(tzinfo=UTC)


def dead_letter(recorded: Recorded, consumer: str, reason: str, deliveries: int) -> Envelope:
    """Return what tells the operator that *consumer* gave up on an event.

    Its id follows from the event and the consumer alone: whoever gives up, and however often, it is told once.
    """
    event = MessageDeadLettered(
        position=recorded.position, consumer=consumer, reason=reason[:2_000], deliveries=deliveries
    )
    question = recorded.envelope
    return Envelope(
        id=uuid5(question.id, f"{consumer}/message.dead_lettered"), project=question.project, task=question.task,
        at=now(), event=event, cause=question.id, correlation=question.correlation or question.id,
        service=consumer, version=VERSION,
    )  # fmt: skip


def nanoseconds(seconds: float) -> int:
    """Return *seconds* as JetStream's API wants durations."""
    return int(seconds * 1e9)


encode_json = msgspec.json.encode
"""Encodes requests to the JetStream API."""
