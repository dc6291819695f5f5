"""Events of the system itself: what it could not read, deliver or do fully."""

from typing import Annotated

from msgspec import Meta

from obra.events.base import Event, Position


class MessageRejected(Event, tag="message.rejected"):
    """A message on the stream is no event that can be used; it was kept and passed over."""

    position: Position
    subject: str
    reason: str
    preview: str = ""


class MessageDeadLettered(Event, tag="message.dead_lettered"):
    """A service could not deal with an event, however often it tried."""

    position: Position
    consumer: str
    reason: str
    deliveries: Annotated[int, Meta(ge=1)] = 1


class ServiceDegraded(Event, tag="service.degraded"):
    """A service works, but with less than was asked for."""

    service: str
    lacking: Annotated[str, Meta(description="what is missing, in one word: sandbox, llm, …")]
    reason: str
    effect: Annotated[str, Meta(description="what is done instead")] = ""
