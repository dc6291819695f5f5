"""Appends to the stream OBRA: one event is a plain publish, several are one atomic batch."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID, uuid4

import msgspec

from obra.events import TimerSet
from obra.events.subjects import Scope, subject
from obra.shared.bus import Past
from obra.shared.bus.content import Put, slim
from obra.shared.bus.message import fired, traceparent
from obra.shared.bus.tail import Tail
from obra.shared.bus.wire import NoAnswer, Wire
from obra.shared.envelope import Envelope, Recorded, encode, now
from obra.shared.errors import AppendRefused, StaleAppend, StreamFull

STALE = frozenset({10071, 10164})
DUPLICATE = 10201
TRANSIENT = frozenset({10008, 10023, 10158, 10176, 10210})
"""JetStream is not ready, short of resources, still busy with the same id, gave up a batch, or has too many of them."""

EXPECTED, EXPECTED_OF = "Nats-Expected-Last-Subject-Sequence", "Nats-Expected-Last-Subject-Sequence-Subject"

FULL = 10023
"""What JetStream says where storing more would pass its limit. Now and then it says so for other reasons, too."""

TRIES_MAX = 5
PAUSE_S = 0.1

Result = TypeVar("Result")
PastOf = Callable[[Scope, int], Awaitable[Past]]


class NoRoom(NoAnswer):
    """NATS has no room for a message on {subject}: {reason}"""


@dataclass(slots=True)
class Outgoing:
    """A message about to be stored; ``envelope`` is the event in it as it will be read, none for a timer's message."""

    subject: str
    data: bytes
    headers: dict[str, str]
    envelope: Envelope | None = None


class Ack(msgspec.Struct):
    """What JetStream says to a publish."""

    seq: int = 0
    duplicate: bool = False
    error: dict[str, object] | None = None


@dataclass(slots=True)
class Append:
    """One call of `Bus.append` with what it needs to know."""

    wire: Wire
    put: Put
    past: PastOf
    tail: Tail
    scope: Scope
    expected: int | None
    envelopes: list[Envelope] = field(default_factory=list)
    _sent: list[Outgoing] = field(default_factory=list)

    async def run(self) -> int:
        """Store the envelopes and return the last one's position. Errors as in `Bus.append`."""
        ids = frozenset(envelope.id for envelope in self.envelopes)
        ack = await patiently(self.wire, self._try)
        code = (ack.error or {}).get("err_code")
        if code in STALE:
            # The server checks the expectation before it looks for duplicates, so this may be our own append,
            # stored by a try whose acknowledgement was lost.
            return await self._stored(ids, after=self.expected or 0) or self._stale()
        if code == DUPLICATE:
            return await self._append_the_rest(ids)
        if ack.error:
            raise AppendRefused(code=code, reason=ack.error.get("description", ""))
        if not ack.duplicate:
            self._learn(ack.seq)
        return ack.seq

    def _learn(self, last: int) -> None:
        """Tell the tail what was stored just now, up to position *last*."""
        sent = enumerate(self._sent, start=last - len(self._sent) + 1)
        stored = [(position, m, m.envelope) for position, m in sent if m.envelope is not None]
        for position, message, envelope in stored:
            self.tail.note(position, message.subject, message.data, envelope)
        if self.expected is not None:
            events = [Recorded(position, envelope) for position, _, envelope in stored]
            self.tail.add(self.scope, self.expected, events)

    def _stale(self) -> int:
        raise StaleAppend(scope=".".join(self.scope), expected=self.expected)

    async def _stored(self, ids: frozenset[UUID], after: int) -> int:
        """Return the last position of *ids* if all of them are stored after *after*, else 0."""
        found = {r.envelope.id: r.position for r in (await self.past(self.scope, after)).events}
        return max(found[id] for id in ids) if ids <= found.keys() else 0

    async def _append_the_rest(self, ids: frozenset[UUID]) -> int:
        """Append what is not stored yet of a batch that the server refused because some of it is."""
        if position := await self._stored(ids, after=0):
            return position
        found = {r.envelope.id for r in (await self.past(self.scope, 0)).events}
        rest = [envelope for envelope in self.envelopes if envelope.id not in found]
        if len(rest) == len(self.envelopes):
            raise AppendRefused(code=DUPLICATE, reason="the ids are in use in another scope")
        return await Append(self.wire, self.put, self.past, self.tail, self.scope, self.expected, rest).run()

    async def _try(self) -> Ack:
        messages = self._sent = [
            message for envelope in self.envelopes for message in await outgoing(envelope, self.put)
        ]
        if self.expected is not None:
            messages[0].headers[EXPECTED] = str(self.expected)
            messages[0].headers[EXPECTED_OF] = self.scope.everything
        return await send(self.wire, messages)


async def send(wire: Wire, messages: Sequence[Outgoing]) -> Ack:
    """Publish *messages*, several as one atomic batch, and return what the server says to it. Raises `NoAnswer`."""
    if len(messages) > 1:
        batch = uuid4().hex
        for number, message in enumerate(messages, start=1):
            message.headers |= {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
        messages[-1].headers["Nats-Batch-Commit"] = "1"
    for message in messages[:-1]:
        await wire.publish(message.subject, message.data, headers=message.headers)
    last = messages[-1]
    reply = await wire.request(last.subject, last.data, last.headers)
    ack = msgspec.json.decode(reply.data, type=Ack)
    code = ack.error.get("err_code") if ack.error else 0
    if code in TRANSIENT:
        kind = NoRoom if code == FULL else NoAnswer
        raise kind(subject=last.subject, reason=(ack.error or {}).get("description", ""))
    return ack


async def outgoing(envelope: Envelope, put: Put) -> list[Outgoing]:
    """Return the messages that store *envelope*: itself, and before a `timer.set` what the server sends later.

    Both are in one batch, so a timer that was set will fire and one that was not won't.
    """
    slimmed, data = await slim(envelope, put)
    headers = {"Nats-Msg-Id": str(envelope.id), "traceparent": traceparent(envelope)}
    event = Outgoing(subject(envelope.scope, slimmed.event), data, headers, slimmed)
    if not isinstance(envelope.event, TimerSet):
        return [event]
    due = fired(envelope)
    schedule = {
        "Nats-Msg-Id": str(due.id),
        "Nats-Schedule": f"@at {max(due.at, now()):%Y-%m-%dT%H:%M:%S.%fZ}",
        "Nats-Schedule-Target": subject(due.scope, due.event),
        "traceparent": traceparent(due),
    }
    return [Outgoing(timer_subject(envelope), encode(due), schedule), event]


def timer_subject(envelope: Envelope) -> str:
    """Return where the message waits that a `timer.set` makes the server send.

    A subject holds one schedule, so each `timer.set` has its own, named by its id.
    """
    return f"obra-timer.{envelope.project}.{envelope.task}.{envelope.id.hex}"


async def patiently(wire: Wire, call: Callable[[], Awaitable[Result]]) -> Result:
    """Return what *call* returns; where NATS does not answer, try again up to five times, then `BusUnavailable`."""
    for tries in range(1, TRIES_MAX + 1):
        try:
            return await call()
        except NoAnswer as error:
            if tries == TRIES_MAX and isinstance(error, NoRoom):
                raise StreamFull from error
            if tries == TRIES_MAX or wire.nc.is_closed:
                raise wire.unavailable(error) from error
            await asyncio.sleep(PAUSE_S * 2**tries * random.uniform(0.5, 1.0))
    raise AssertionError("not reached")
