"""Deliveries of a durable consumer, and the place that JetStream writes on each message."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import msgspec

from obra.shared.bus.client import Incoming
from obra.shared.bus.message import encode_json, nanoseconds
from obra.shared.bus.wire import NoAnswer, Wire
from obra.shared.envelope import Recorded

ACK, TERM, PROGRESS = b"+ACK", b"+TERM", b"+WPI"
NAK = b"-NAK "
TOKENS_WITH_DOMAIN = 11
GATHER_S = 0.01
GATHER_MAX = 64


class Place(msgspec.Struct, frozen=True, gc=False):
    """What the reply subject of a delivered message says: ``$JS.ACK.…``."""

    deliveries: int
    position: int
    number: int
    """Counts what the consumer delivered, from 1."""
    stored_at_ns: int

    @classmethod
    def of(cls, message: Incoming) -> "Place":
        """Read it off *message*: the five numbers stand at the end, or before a random token."""
        tokens = message.reply.split(".")
        first = 6 if len(tokens) >= TOKENS_WITH_DOMAIN else 4
        deliveries, position, number, stored_at_ns = tokens[first : first + 4]
        return cls(int(deliveries), int(position), int(number), int(stored_at_ns))


@dataclass(slots=True)
class Acks:
    """Acknowledgements on their way: those of 10 ms go out together.

    Nobody waits for them, and each one sent alone would wake the server just when the answer is on its way. Only
    where a group may have few events in hand at once, the next one waits for it: there it goes out by itself.
    """

    wire: Wire
    _replies: list[str] = field(default_factory=list)
    _flushing: "asyncio.Task[None] | None" = None

    async def add(self, reply: str, in_flight_max: int) -> None:
        """Acknowledge the message whose reply subject is *reply*, soon; *in_flight_max* is that of its group."""
        self._replies.append(reply)
        if len(self._replies) >= min(GATHER_MAX, in_flight_max):
            await self.flush()
        elif self._flushing is None:
            self._flushing = asyncio.create_task(self._later())

    async def flush(self) -> None:
        """Send what has gathered. Raises `NoAnswer` where it can't even be buffered."""
        replies, self._replies = self._replies, []
        for reply in replies:
            await self.wire.publish(reply, ACK)

    async def _later(self) -> None:
        await asyncio.sleep(GATHER_S)
        self._flushing = None
        with contextlib.suppress(NoAnswer):  # as if they were lost: the messages come again
            await self.flush()


@dataclass(frozen=True, slots=True)
class JetStreamDelivery:
    """See `Delivery`. Acknowledgements are not confirmed: one that is lost only means one delivery more."""

    recorded: Recorded
    deliveries: int
    _reply: str
    _wire: Wire
    _acks: Acks
    _in_flight_max: int

    async def done(self) -> None:
        """See `Delivery.done`."""
        await self._acks.add(self._reply, self._in_flight_max)

    async def again(self, delay_s: float) -> None:
        """See `Delivery.again`."""
        await self._wire.publish(self._reply, NAK + encode_json({"delay": nanoseconds(delay_s)}))

    async def touch(self) -> None:
        """See `Delivery.touch`."""
        await self._wire.publish(self._reply, PROGRESS)
