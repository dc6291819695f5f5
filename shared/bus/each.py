"""Appends one event to each of several scopes, all or none: one atomic batch with an expectation for each scope.

JetStream checks every message of a batch against its own expected sequence before it stores any of them, so tasks
that must move together, as in the rollback of a project, need neither a lock nor a second phase.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from obra.events.subjects import Scope
from obra.shared.bus.content import Put
from obra.shared.bus.publish import DUPLICATE, EXPECTED, EXPECTED_OF, STALE, Ack, PastOf, outgoing, patiently, send
from obra.shared.bus.wire import Wire
from obra.shared.envelope import Envelope
from obra.shared.errors import AppendRefused, StaleAppend

EACH_MAX = 1_000
"""Events in one atomic batch, as JetStream bounds it."""


def distinct(pairs: Sequence[tuple[Envelope, int]]) -> list[Scope]:
    """Return the scopes of *pairs*; ValueError unless there are some, each once; `AppendRefused` if too many."""
    scopes = [envelope.scope for envelope, _ in pairs]
    if not scopes or len(set(scopes)) != len(scopes):
        raise ValueError("one event for each of one or more scopes is appended together")
    if len(scopes) > EACH_MAX:
        raise AppendRefused(code=10199, reason=f"{len(scopes):,} events are more than the {EACH_MAX:,} of a batch")
    return scopes


@dataclass(frozen=True, slots=True)
class AppendEach:
    """One call of `Bus.append_each` with what it needs to know."""

    wire: Wire
    put: Put
    past: PastOf
    pairs: Sequence[tuple[Envelope, int]]

    async def run(self) -> int:
        """Store the events and return the last one's position. Errors as in `Bus.append_each`."""
        distinct(self.pairs)
        ack = await patiently(self.wire, self._try)
        code = (ack.error or {}).get("err_code")
        if code in STALE or code == DUPLICATE:  # perhaps our own, stored by a try whose acknowledgement was lost
            return await self._stored()
        if ack.error:
            raise AppendRefused(code=code, reason=ack.error.get("description", ""))
        return ack.seq

    async def _try(self) -> Ack:
        messages = []
        for envelope, expected in self.pairs:
            first, *more = await outgoing(envelope, self.put)
            first.headers |= {EXPECTED: str(expected), EXPECTED_OF: envelope.scope.everything}
            messages += [first, *more]
        return await send(self.wire, messages)

    async def _stored(self) -> int:
        """Return the last position if every event is there; `StaleAppend` for the first scope whose is not."""
        last = 0
        for envelope, expected in self.pairs:
            found = (await self.past(envelope.scope, expected)).events
            position = next((r.position for r in found if r.envelope.id == envelope.id), 0)
            if not position:
                raise StaleAppend(scope=".".join(envelope.scope), expected=expected)
            last = max(last, position)
        return last
