"""What one process has seen of the newest scopes, so that a past need not be asked for again and again.

Every event that was appended with an expectation says which one stood before it in its scope. Linked by that, the
events that this process appended, was delivered or has read form a chain, and the past after a known position is a
walk along it. The services of one process share a tail; alone, each learns from what it hears and says itself.

An event goes to several services: what was decoded for one of them, or encoded here, is not decoded again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from obra.events.subjects import Scope
from obra.shared.bus import Past
from obra.shared.bus.message import read
from obra.shared.envelope import Envelope, Recorded, Unknown

SCOPES_MAX = 64
EVENTS_MAX = 2_000
"""Of one scope; with more it is forgotten and read from the stream again."""

MESSAGES_MAX, MESSAGE_BYTES_MAX = 256, 16 * 1024

Links = dict[int, Recorded]
"""Events by the position that stood before each in its scope."""


@dataclass(slots=True)
class Tail:
    """The events of the scopes used last. What is missing here is asked of the stream; nothing here is waited for."""

    _scopes: OrderedDict[Scope, Links] = field(default_factory=OrderedDict)
    _messages: OrderedDict[int, tuple[str, bytes, Envelope]] = field(default_factory=OrderedDict)

    def add(self, scope: Scope, previous: int, events: Sequence[Recorded]) -> None:
        """Take in *events*, each directly after the one before it in *scope*, the first directly after *previous*."""
        links = self._scopes.setdefault(scope, {})
        self._scopes.move_to_end(scope)
        for recorded in events:
            links[previous] = recorded
            previous = recorded.position
        if len(links) > EVENTS_MAX:
            del self._scopes[scope]
        while len(self._scopes) > SCOPES_MAX:
            self._scopes.popitem(last=False)

    def after(self, scope: Scope, after: int, reaching: int) -> Past | None:
        """Return what is known to have happened after position *after*; None if that does not reach *reaching*."""
        links, position, found = self._scopes.get(scope, {}), after, list[Recorded]()
        while (recorded := links.get(position)) is not None and recorded.position > position:
            position = recorded.position
            if not isinstance(recorded.event, Unknown):
                found.append(recorded)
        return Past(position, tuple(found)) if position >= reaching else None

    def note(self, position: int, subject: str, data: bytes, envelope: Envelope) -> None:
        """Keep in mind that *envelope* is what the message *data* at *position* holds."""
        if len(data) <= MESSAGE_BYTES_MAX:
            self._messages[position] = subject, data, envelope
            if len(self._messages) > MESSAGES_MAX:
                self._messages.popitem(last=False)

    def read(self, position: int, subject: str, data: bytes) -> Envelope:
        """Return the envelope of a message, as `obra.shared.bus.message.read` does; byte for byte the same is known."""
        known = self._messages.get(position)
        if known is not None and known[1] == data and known[0] == subject:
            return known[2]
        return read(subject, data)

    def clear(self) -> None:
        """Forget everything: the stream may be another one now."""
        self._scopes.clear()
        self._messages.clear()
