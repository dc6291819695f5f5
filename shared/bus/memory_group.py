"""A durable group of readers, kept in memory."""

import asyncio
from collections import deque
from dataclasses import dataclass

from obra.events.subjects import parse
from obra.shared.bus import Consumer, Raw
from obra.shared.envelope import Recorded


@dataclass(slots=True)
class _Pending:
    """An event that was handed out and not settled, and the timer that hands it out again."""

    recorded: Recorded
    deliveries: int
    timer: asyncio.TimerHandle | None = None


class Group:
    """Hands each event to one reader, again when its lease ends, redeliveries before new events."""

    def __init__(self, consumer: Consumer, names: frozenset[str]) -> None:
        """Start empty; *names* are the events it takes."""
        self.consumer = consumer
        self._names = names
        self._fresh: deque[Recorded] = deque()
        self._due: deque[int] = deque()
        self._pending: dict[int, _Pending] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self, raw: Raw) -> None:
        """Queue a message, if it is one of the group's and readable."""
        if raw.envelope and parse(raw.subject)[1] in self._names:
            self._fresh.append(Recorded(raw.position, raw.envelope))
            self._wake()

    def close(self) -> None:
        """Stop all leases."""
        for pending in self._pending.values():
            if pending.timer:
                pending.timer.cancel()

    async def next(self) -> "MemoryDelivery":
        """Return the next delivery, however long that takes."""
        while not self._ready():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                else:  # it was just woken: let another reader have it
                    self._wake()
                raise
        if self._due:
            pending = self._pending[self._due.popleft()]
        else:
            recorded = self._fresh.popleft()
            pending = self._pending[recorded.position] = _Pending(recorded, 0)
        pending.deliveries += 1
        self._lease(pending, self.consumer.lease_s)
        if self._ready():
            self._wake()
        return MemoryDelivery(pending.recorded, pending.deliveries, self)

    def _ready(self) -> bool:
        return bool(self._due) or (bool(self._fresh) and len(self._pending) < self.consumer.in_flight_max)

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _lease(self, pending: _Pending, delay_s: float) -> None:
        if pending.timer:
            pending.timer.cancel()
        pending.timer = asyncio.get_running_loop().call_later(delay_s, self._expire, pending)

    def _expire(self, pending: _Pending) -> None:
        pending.timer = None
        self._due.append(pending.recorded.position)
        self._wake()

    def settle(self, position: int) -> None:
        """Forget the event at *position*."""
        pending = self._pending.pop(position, None)
        if pending and pending.timer:
            pending.timer.cancel()
        if position in self._due:
            self._due.remove(position)
        self._wake()

    def put_off(self, position: int, delay_s: float) -> None:
        """Hand the event at *position* out again after *delay_s*, unless it is settled or due already."""
        if (pending := self._pending.get(position)) and pending.timer:
            self._lease(pending, delay_s)


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    """See `Delivery`."""

    recorded: Recorded
    deliveries: int
    _group: Group

    async def done(self) -> None:
        """See `Delivery.done`."""
        self._group.settle(self.recorded.position)

    async def again(self, delay_s: float) -> None:
        """See `Delivery.again`."""
        self._group.put_off(self.recorded.position, delay_s)

    async def touch(self) -> None:
        """See `Delivery.touch`."""
        self._group.put_off(self.recorded.position, self._group.consumer.lease_s)
