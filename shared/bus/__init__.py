"""The only way services speak: an append-only log that also delivers. Two implementations, one contract test."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from obra.events import Content, Event
from obra.events.subjects import Scope
from obra.shared.envelope import Envelope, Recorded


@dataclass(frozen=True, slots=True)
class Past:
    """What happened in a scope after some position, in order, and the position it reaches.

    ``position`` is the last one of the scope, 0 where nothing ever happened in it, and what `Bus.append` takes as
    *expected*. A message that can't be decoded moves it, and is not among the events.
    """

    position: int
    events: tuple[Recorded, ...]


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A stored message as it is.

    A struct, because a million of them are made a minute.
    """

    position: int
    subject: str
    data: bytes
    stored_at_ns: int


class Raw(Stored, frozen=True, gc=False):
    """A stored message, and what could be read of it.

    ``problem`` is the words of the error and not the error itself: its traceback would keep all who asked for the
    message, their batch and their database, for as long as it lives.
    """

    envelope: Envelope | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable group of readers; each event goes to one of them, at least once.

    ``lease_s``: an event that is neither settled nor touched for so long is delivered again.
    ``deliveries_max``: after so many it becomes `message.dead_lettered` and is settled.
    ``in_flight_max``: unsettled deliveries handed out at once, over all readers of the group.
    ``ahead_max``: deliveries that one reader may take before it asks for them; 1 where work takes long, so that
    nothing waits in one reader while another is free.
    """

    name: str
    kinds: tuple[type[Event], ...]
    lease_s: float = 30.0
    deliveries_max: int = 8
    in_flight_max: int = 256
    ahead_max: int = 64


class Delivery(Protocol):
    """One event handed to one reader, to be settled exactly once."""

    @property
    def recorded(self) -> Recorded:
        """Return the event with its position."""
        ...

    @property
    def deliveries(self) -> int:
        """Return how often it was handed out, this time included."""
        ...

    async def done(self) -> None:
        """Settle: this consumer never needs to see it again."""

    async def again(self, delay_s: float) -> None:
        """Settle: deliver once more after *delay_s*."""

    async def touch(self) -> None:
        """Say that work on it goes on, so that its lease starts anew."""


class Bus(Protocol):
    """An append-only log of envelopes that also delivers, with a store for large content beside it."""

    async def append(self, envelopes: Sequence[Envelope], *, expected: int | None = None) -> int:
        """Store *envelopes*, all of one scope, in order and all or none; return the last one's position.

        *expected* is the last position of the scope that the caller has seen; `StaleAppend` if it has moved.
        An envelope whose id the stream holds already is not stored again (within the duplicate window). Content
        over 64 KiB goes to the object store first.
        """
        ...

    async def append_chain(self, envelopes: Sequence[Envelope], *, expected: int) -> int:
        """Store *envelopes*, all of one scope, each directly after the one before it; return the last one's position.

        For events of which each follows from the one before: they need not be all or none, and are stored faster
        than one append after the other or a batch. What is stored is a beginning of them. *expected* is as in
        `append`; `StaleAppend` if something else has happened in the scope before the first or between two.
        """
        ...

    async def append_each(self, pairs: Sequence[tuple[Envelope, int]]) -> int:
        """Store one event for each of several scopes, all or none; return the last one's position.

        With each goes the last position of its scope that the caller has seen; `StaleAppend` names a scope that
        has moved. At most 1,000 at once.
        """
        ...

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        """Return what happened in *scope* after position *after*.

        With *reaching*, a position of the scope that is known, what this process has seen already may answer: it
        reaches that far and need not be the newest, which is enough for who appends with an expectation.
        """
        ...

    async def last_position(self, filters: Sequence[str] = ()) -> int:
        """Return the position of the newest message on any of *filters*, by default of all; 0 if there is none."""
        ...

    def listen(self, consumer: Consumer) -> AsyncGenerator[Delivery, None]:
        """Yield each event of the consumer's kinds, at least once, until closed or cancelled.

        Messages that can't be decoded are settled and passed over: log-sink reports them.
        """
        ...

    def follow(self, after: int, filters: Sequence[str] = ()) -> AsyncGenerator[Raw, None]:
        """Yield every message after position *after* in order, then each new one as it comes, without an end.

        *filters* are subjects with wildcards; none means everything. Nothing is missed and nothing doubled,
        across reconnects and server restarts too.
        """
        ...

    def copied(self, after: int, filters: Sequence[str] = ()) -> AsyncGenerator[Sequence[Stored], None]:
        """Yield the same messages as they are, unread, and at once all that have come: for whoever keeps a copy."""
        ...

    async def purge(self, scope: Scope, before: int) -> int:
        """Forget the messages of *scope* that stand before position *before*; return how many there were.

        All others keep their positions. For what is archived; see `obra.shared.archive`.
        """
        ...

    async def put(self, content: Content) -> Content:
        """Store a large text and return it by reference; a small one comes back as it is."""
        ...

    async def text(self, content: Content) -> str:
        """Return the whole text of *content*, verified against its digest; `BlobMissing` if it is gone."""
        ...

    async def say(self, scope: Scope, attempt: int, data: bytes) -> None:
        """Publish a piece of live output, at most 512 KiB. Best effort: it never raises and never blocks long."""
        ...

    def hear(self, scope: Scope) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield (attempt, data) of a task's live output from now on."""
        ...
