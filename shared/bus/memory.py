"""The bus inside one process: for tests, demos and replay. It keeps every promise of `Bus` but durability."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

from obra.events import Content, TimerSet
from obra.events.base import INLINE_BYTES_MAX
from obra.events.subjects import EVERYTHING, Scope, matches, name, subject
from obra.shared.bus import Consumer, Delivery, Past, Raw
from obra.shared.bus.batch import together
from obra.shared.bus.content import size_of, slim
from obra.shared.bus.each import distinct
from obra.shared.bus.memory_group import Group
from obra.shared.bus.message import dead_letter, fired, raw_of
from obra.shared.envelope import Envelope, Recorded, Unknown, encode, now
from obra.shared.errors import AppendRefused, BlobMissing, StaleAppend

BATCH_MAX = 1_000
SAY_BYTES_MAX = 512 * 1024
HEAR_PENDING_MAX = 10_000
COPIED_MAX = 512


@dataclass(eq=False, slots=True)
class _Ear:
    """One reader of a task's live output."""

    scope: Scope
    heard: deque[tuple[int, bytes]]
    stir: asyncio.Event


class MemoryBus:
    """A list with listeners. Duplicates are refused however old they are. `close` it to stop its timers."""

    def __init__(self) -> None:
        """Start with an empty log."""
        self.log: list[Raw] = []
        self._positions: dict[UUID, int] = {}
        self._scopes: dict[Scope, list[int]] = {}
        self._purged: set[int] = set()
        self._blobs: dict[str, str] = {}
        self._groups: dict[str, Group] = {}
        self._followers: set[asyncio.Event] = set()
        self._ears: set[_Ear] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    async def close(self) -> None:
        """Stop timers and leases. What was said stays readable."""
        for timer in self._timers:
            timer.cancel()
        for group in self._groups.values():
            group.close()

    async def append(self, envelopes: Sequence[Envelope], *, expected: int | None = None) -> int:
        """See `Bus.append`."""
        scope, unique = together(envelopes)
        if len(unique) > BATCH_MAX:
            raise AppendRefused(code=10199, reason=f"{len(unique)} events are more than a batch may hold")
        slimmed = [await slim(envelope, self.store) for envelope in unique]
        new = [pair for pair in slimmed if pair[0].id not in self._positions]
        if new and expected is not None and expected != self._last(scope):
            raise StaleAppend(scope=".".join(scope), expected=expected)
        for envelope, data in new:
            self._positions[envelope.id] = self.publish(subject(scope, envelope.event), data)
            self._arm(envelope)
        return max(self._positions[envelope.id] for envelope in unique)

    async def append_chain(self, envelopes: Sequence[Envelope], *, expected: int) -> int:
        """See `Bus.append_chain`."""
        _, unique = together(envelopes)
        for envelope in unique:
            expected = await self.append([envelope], expected=expected)
        return expected

    async def append_each(self, pairs: Sequence[tuple[Envelope, int]]) -> int:
        """See `Bus.append_each`."""
        for scope, (envelope, expected) in zip(distinct(pairs), pairs, strict=True):
            if expected != self._last(scope) and envelope.id not in self._positions:
                raise StaleAppend(scope=".".join(scope), expected=expected)
        return max([await self.append([envelope]) for envelope, _ in pairs])

    def publish(self, subject: str, data: bytes) -> int:
        """Store *data* on *subject* as any NATS client could, and return its position."""
        position = len(self.log) + 1
        raw = raw_of(position, subject, data, time.time_ns())
        self.log.append(raw)
        parts = subject.split(".")
        self._scopes.setdefault(Scope(parts[1], parts[2]), []).append(position)
        for group in self._groups.values():
            group.take(raw)
        for stir in self._followers:
            stir.set()
        return position

    def _arm(self, envelope: Envelope) -> None:
        if not isinstance(envelope.event, TimerSet):
            return
        due = fired(envelope)

        def fire() -> None:
            self._timers.discard(handle)
            if due.id not in self._positions:
                self._positions[due.id] = self.publish(subject(due.scope, due.event), encode(due))

        handle = asyncio.get_running_loop().call_later(max(0.0, (due.at - now()).total_seconds()), fire)
        self._timers.add(handle)

    def _last(self, scope: Scope) -> int:
        positions = self._scopes.get(scope)
        return positions[-1] if positions else 0

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        """See `Bus.past`."""
        raws = (self.log[position - 1] for position in self._scopes.get(scope, ()) if position > after)
        events = tuple(
            Recorded(raw.position, raw.envelope)
            for raw in raws
            if raw.envelope and not isinstance(raw.envelope.event, Unknown)
        )
        return Past(self._last(scope), events)

    async def last_position(self, filters: Sequence[str] = ()) -> int:
        """See `Bus.last_position`."""
        wanted = filters or [EVERYTHING]
        found = (raw.position for raw in reversed(self.log) if any(matches(one, raw.subject) for one in wanted))
        return next(found, 0)

    async def listen(self, consumer: Consumer) -> AsyncGenerator[Delivery, None]:
        """See `Bus.listen`. The group begins with the first event, whenever its first reader comes."""
        group = self._groups.get(consumer.name)
        if group is None:
            group = self._groups[consumer.name] = Group(consumer, frozenset(map(name, consumer.kinds)))
            for raw in self.log:
                group.take(raw)
        while True:
            delivery = await group.next()
            if delivery.deliveries <= consumer.deliveries_max:
                yield delivery
                continue
            reason = f"it was handed out {consumer.deliveries_max} times and never settled"
            await self.append([dead_letter(delivery.recorded, consumer.name, reason, delivery.deliveries - 1)])
            await delivery.done()

    async def follow(self, after: int, filters: Sequence[str] = ()) -> AsyncGenerator[Raw, None]:
        """See `Bus.follow`."""
        async with contextlib.aclosing(self.copied(after, filters)) as copies:
            async for raws in copies:
                for raw in raws:
                    yield raw

    async def copied(self, after: int, filters: Sequence[str] = ()) -> AsyncGenerator[Sequence[Raw], None]:
        """See `Bus.copied`. What was read when it was stored need not be read again."""
        stir, position = asyncio.Event(), after
        self._followers.add(stir)
        try:
            while True:
                while position < len(self.log):
                    raws = self.log[position : position + COPIED_MAX]
                    position += len(raws)
                    wanted = [
                        raw
                        for raw in raws
                        if raw.position not in self._purged
                        and (not filters or any(matches(pattern, raw.subject) for pattern in filters))
                    ]
                    if wanted:
                        yield wanted
                stir.clear()
                await stir.wait()
        finally:
            self._followers.discard(stir)

    async def purge(self, scope: Scope, before: int) -> int:
        """See `Bus.purge`."""
        positions = self._scopes.get(scope, [])
        gone = [position for position in positions if position < before]
        self._scopes[scope] = [position for position in positions if position >= before]
        self._purged.update(gone)
        return len(gone)

    async def put(self, content: Content) -> Content:
        """See `Bus.put`."""
        if content.stored or size_of(content) <= INLINE_BYTES_MAX:
            return content
        return await self.store(content)

    async def store(self, content: Content) -> Content:
        """Put *content*, whatever its size, into the object store and return it by reference."""
        whole = Content.of(content.text)
        self._blobs[whole.sha256] = whole.text
        return whole.by_reference()

    async def text(self, content: Content) -> str:
        """See `Bus.text`."""
        if not content.stored:
            return content.text
        if content.sha256 not in self._blobs:
            raise BlobMissing(sha256=content.sha256)
        return self._blobs[content.sha256]

    async def say(self, scope: Scope, attempt: int, data: bytes) -> None:
        """See `Bus.say`."""
        for ear in self._ears:
            if ear.scope == scope:
                ear.heard.append((attempt, data[:SAY_BYTES_MAX]))
                ear.stir.set()

    async def hear(self, scope: Scope) -> AsyncGenerator[tuple[int, bytes], None]:
        """See `Bus.hear`."""
        ear = _Ear(scope, deque(maxlen=HEAR_PENDING_MAX), asyncio.Event())
        self._ears.add(ear)
        try:
            while True:
                while ear.heard:
                    yield ear.heard.popleft()
                ear.stir.clear()
                await ear.stir.wait()
        finally:
            self._ears.discard(ear)
