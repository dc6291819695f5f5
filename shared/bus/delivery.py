"""Deliveries of a durable consumer, and the place that JetStream writes on each message."""

from dataclasses import dataclass
from typing import NamedTuple

from nats.aio.msg import Msg

from obra.shared.bus.message import encode_json, nanoseconds
from obra.shared.bus.wire import Wire
from obra.shared.envelope import Recorded

ACK, TERM, PROGRESS = b"+ACK", b"+TERM", b"+WPI"
NAK = b"-NAK "
TOKENS_WITH_DOMAIN = 11


class Place(NamedTuple):
    """What the reply subject of a delivered message says: ``$JS.ACK.…``."""

    deliveries: int
    position: int
    number: int
    """Counts what the consumer delivered, from 1."""
    stored_at_ns: int

    @classmethod
    def of(cls, message: Msg) -> "Place":
        """Read it off *message*: the five numbers stand at the end, or before a random token."""
        tokens = message.reply.split(".")
        first = 6 if len(tokens) >= TOKENS_WITH_DOMAIN else 4
        deliveries, position, number, stored_at_ns = (int(token) for token in tokens[first : first + 4])
        return cls(deliveries, position, number, stored_at_ns)


@dataclass(frozen=True, slots=True)
class JetStreamDelivery:
    """See `Delivery`. Acknowledgements are not confirmed: one that is lost only means one delivery more."""

    recorded: Recorded
    deliveries: int
    _reply: str
    _wire: Wire

    async def done(self) -> None:
        """See `Delivery.done`."""
        await self._wire.publish(self._reply, ACK)

    async def again(self, delay_s: float) -> None:
        """See `Delivery.again`."""
        await self._wire.publish(self._reply, NAK + encode_json({"delay": nanoseconds(delay_s)}))

    async def touch(self) -> None:
        """See `Delivery.touch`."""
        await self._wire.publish(self._reply, PROGRESS)
