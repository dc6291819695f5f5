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


class PruneRequested(Event, tag="prune.requested"):
    """A person wants the stream to forget what an export holds: the past of tasks that are over."""

    through: Annotated[Position, Meta(description="nothing behind it is forgotten")]
    hash: Annotated[str, Meta(description="the chain's hash there, hexadecimal, computed from the export")]
    archive: Annotated[str, Meta(description="directory of the export")]


class StreamPruned(Event, tag="stream.pruned"):
    """The stream let go of the past of tasks that are over: the store and an export hold it."""

    through: Position
    tasks: int
    messages: int
    archive: str = ""


class StreamRefilled(Event, tag="stream.refilled"):
    """The stream was lost and made anew: it holds what goes on, and of what is over the end; the store holds all."""

    through: Position
    hash: Annotated[str, Meta(description="the chain's hash there, hexadecimal")]
    events: Annotated[int, Meta(description="how many the stream holds again", ge=0)]
    timers: Annotated[int, Meta(description="how many that had not fired were set anew", ge=0)] = 0
    archive: Annotated[str, Meta(description="directory of the export it was made from; empty: from the store")] = ""


class ChainAnchored(Event, tag="chain.anchored"):
    """The head of the store's chain was signed and kept elsewhere, so that what stands before it can't be rewritten."""

    position: Position
    hash: Annotated[str, Meta(description="the chain's hash there, hexadecimal")]
    to: Annotated[str, Meta(description="where the anchor is kept: a file, or the note of a commit")]
    key: Annotated[str, Meta(description="the public key, base64")]


class PruneRefused(Event, tag="prune.refused"):
    """The stream keeps everything: what was asked for is not proven to be archived."""

    reason: str


class ServiceDegraded(Event, tag="service.degraded"):
    """A service works, but with less than was asked for."""

    service: str
    lacking: Annotated[str, Meta(description="what is missing, in one word: sandbox, llm, …")]
    reason: str
    effect: Annotated[str, Meta(description="what is done instead")] = ""
