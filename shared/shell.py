"""The loop that every service runs: take deliveries, answer each, settle it whatever happens."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from obra.shared.bus import Bus, Consumer, Delivery
from obra.shared.bus.message import dead_letter
from obra.shared.errors import ObraError
from obra.shared.log import get_logger

AGAIN_S_MAX = 30.0
RETURN_S = 5.0
TOUCHES_PER_LEASE = 3

log = get_logger("shell")


class Handle(Protocol):
    """What a service does with one delivery. It settles it, or raises."""

    async def __call__(self, bus: Bus, delivery: Delivery, stop: asyncio.Event) -> None:
        """Answer and settle *delivery*; *stop* is set once the service is to end."""


@dataclass(slots=True)
class Lease:
    """How long a delivery is still one's own, by the monotonic clock."""

    ends_s: float

    @property
    def over(self) -> bool:
        """Return whether the event may have gone to somebody else by now."""
        return time.monotonic() >= self.ends_s


@contextlib.asynccontextmanager
async def leased(delivery: Delivery, lease_s: float) -> AsyncIterator[Lease]:
    """Renew the lease three times in its length while the block runs. What fails is tried again, too late perhaps."""
    lease, pause_s = Lease(time.monotonic() + lease_s), lease_s / TOUCHES_PER_LEASE
    beats: list[asyncio.Task[None]] = []

    async def renew() -> None:
        while True:
            asked_s = time.monotonic()
            with contextlib.suppress(ObraError):  # NATS is away
                await delivery.touch()
                lease.ends_s = asked_s + lease_s
            await asyncio.sleep(pause_s)

    # Most work is done long before: until then a timer is enough, which costs a fifth of a task.
    timer = asyncio.get_running_loop().call_later(pause_s, lambda: beats.append(asyncio.create_task(renew())))
    try:
        yield lease
    finally:
        timer.cancel()
        for beat in beats:
            beat.cancel()
        await asyncio.gather(*beats, return_exceptions=True)


@dataclass(slots=True)
class Shell:
    """Runs *handle* on each delivery of *consumer*, at most *concurrency* at once.

    What raises is delivered again, later each time (``again_s`` doubles), and after ``deliveries_max`` becomes a
    dead letter; nothing else stops for it. Once *stop* is set nothing new is taken, what is in hand has ``grace_s``
    to finish, and what has not by then is cancelled and returned.
    """

    consumer: Consumer
    handle: Handle
    concurrency: int = 64
    grace_s: float = 5.0
    again_s: float = 0.2
    _hands: set["asyncio.Task[None]"] = field(default_factory=set)
    _positions: set[int] = field(default_factory=set)

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Work until *stop* is set. Raises what `Bus.listen` raises, once what is in hand is settled."""
        taking = asyncio.create_task(self._take(bus, stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([taking, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            taking.cancel()
            await asyncio.wait([taking])
            await self._finish()
        if not taking.cancelled() and (error := taking.exception()):
            raise error

    async def _take(self, bus: Bus, stop: asyncio.Event) -> None:
        slots = asyncio.Semaphore(self.concurrency)

        def free(hand: "asyncio.Task[None]") -> None:
            self._hands.discard(hand)
            slots.release()

        async with contextlib.aclosing(bus.listen(self.consumer)) as deliveries:
            while True:
                await slots.acquire()
                hand = asyncio.create_task(self._answer(bus, await anext(deliveries), stop))
                self._hands.add(hand)
                hand.add_done_callback(free)

    async def _answer(self, bus: Bus, delivery: Delivery, stop: asyncio.Event) -> None:
        position = delivery.recorded.position
        if position in self._positions:
            return  # its lease ended while it was worked on here: the hand that has it will settle it
        self._positions.add(position)
        try:
            await self.handle(bus, delivery, stop)
        except asyncio.CancelledError:
            await delivery.again(0)
            raise
        except Exception as error:
            await self._failed(bus, delivery, error)
        finally:
            self._positions.discard(position)

    async def _failed(self, bus: Bus, delivery: Delivery, error: Exception) -> None:
        """Put off an event that could not be answered, or give it up. An error here is logged; the lease ends."""
        consumer, recorded = self.consumer, delivery.recorded
        reason = f"{type(error).__name__}: {error}"
        last = delivery.deliveries >= consumer.deliveries_max
        log.error(
            "could not answer", service=consumer.name, scope=".".join(recorded.envelope.scope),
            position=recorded.position, deliveries=delivery.deliveries, gives_up=last, exc_info=error,
        )  # fmt: skip
        try:
            if last:
                await bus.append([dead_letter(recorded, consumer.name, reason, delivery.deliveries)])
                await delivery.done()
            else:
                await delivery.again(self.pause_s(delivery.deliveries))
        except Exception:
            log.exception("could not settle", service=consumer.name, position=recorded.position)

    def pause_s(self, deliveries: int) -> float:
        """Return how long an event rests that was handed out *deliveries* times in vain."""
        return float(min(self.again_s * 2**deliveries, AGAIN_S_MAX) * random.uniform(0.5, 1.0))

    async def _finish(self) -> None:
        """Give what is in hand ``grace_s`` to end, then cancel it."""
        if self._hands:
            await asyncio.wait(self._hands, timeout=self.grace_s)
        for hand in self._hands:
            hand.cancel()
        if self._hands:
            _, stuck = await asyncio.wait(self._hands, timeout=RETURN_S)
            if stuck:
                log.error("work did not end when cancelled", service=self.consumer.name, stuck=len(stuck))
