"""Appends events one directly after the other, without waiting for each to be stored before the next is sent.

The first carries the expectation of its caller. Each later one expects that the newest message of the whole stream
is the one before it (`Nats-Expected-Last-Msg-Id`): it is stored directly behind that one or not at all, so that what
is stored is always the beginning of the chain. Where something else of the stream came in between, or an answer was
lost, the rest is appended in the ordinary way, each once the one before it is known to be stored.

A batch would be one write as well, but all or none costs JetStream a staging area, 2.4 ms, and is not needed here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from obra.events import TimerSet
from obra.events.subjects import Scope
from obra.shared.bus.content import Put
from obra.shared.bus.publish import EXPECTED, EXPECTED_OF, Ack, Append, Outgoing, outgoing, send
from obra.shared.bus.tail import Tail
from obra.shared.bus.wire import NoAnswer, Wire
from obra.shared.envelope import Envelope, Recorded

EXPECTED_ID = "Nats-Expected-Last-Msg-Id"


@dataclass(frozen=True, slots=True)
class Chain:
    """One call of `Bus.append_chain` with what it needs to know; *append* makes the ordinary append of one event."""

    wire: Wire
    put: Put
    tail: Tail
    append: Callable[[Envelope, int], Append]
    scope: Scope
    expected: int
    envelopes: list[Envelope]

    async def run(self) -> int:
        """Store the envelopes and return the last one's position. Errors as in `Bus.append_chain`."""
        stored = await self._sent()
        position = stored[-1] if stored else self.expected
        for envelope in self.envelopes[len(stored) :]:
            position = await self.append(envelope, position).run()
        return position

    async def _sent(self) -> list[int]:
        """Send all at once; return the positions of those that are known to be stored, from the first on."""
        if any(isinstance(each.event, TimerSet) for each in self.envelopes):
            return []  # a timer is two messages, which must be a batch
        messages = [message for each in self.envelopes for message in await outgoing(each, self.put)]
        messages[0].headers |= {EXPECTED: str(self.expected), EXPECTED_OF: self.scope.everything}
        for before, message in pairwise(messages):
            message.headers[EXPECTED_ID] = before.headers["Nats-Msg-Id"]
        sending = [asyncio.ensure_future(self._send(message)) for message in messages]
        stored: list[int] = []
        try:
            for message, answer in zip(messages, sending, strict=True):
                ack = await answer
                if ack is None or ack.error or ack.duplicate:
                    break
                self._learn(message, ack.seq, stored[-1] if stored else self.expected)
                stored.append(ack.seq)
        finally:
            for answer in sending:
                answer.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
        return stored

    async def _send(self, message: Outgoing) -> Ack | None:
        """Return what the server says to *message*; None where it says nothing."""
        try:
            return await send(self.wire, [message])
        except NoAnswer:
            return None

    def _learn(self, message: Outgoing, position: int, previous: int) -> None:
        if message.envelope is not None:
            self.tail.note(position, message.subject, message.data, message.envelope)
            self.tail.add(self.scope, previous, [Recorded(position, message.envelope)])
