"""A standing request, and a server that answers sooner than it is asked."""

import asyncio

import pytest

from obra.shared.bus.client import Incoming, QuickClient
from obra.shared.bus.pull import Pull
from obra.shared.bus.wire import Wire

REPLY = "$JS.ACK.OBRA.reader.1.1.1.1.0"


class Prompt(Wire):
    """A connection that is so busy that the answer is there before sending the question has returned."""

    pull: Pull

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        if subject.startswith("$JS.API"):
            self.pull._hear(Incoming(reply, REPLY, b"first"))
        await asyncio.sleep(0)


def pulling(batch: int) -> Pull:
    wire = Prompt(QuickClient())
    wire.pull = Pull(wire, "OBRA", "reader", batch)
    return wire.pull


async def test_what_arrives_while_it_is_asked_for_is_not_slept_over() -> None:
    async with asyncio.timeout(20):
        assert (await pulling(1).next()).data == b"first"


async def test_a_cancellation_while_more_is_asked_for_loses_nothing() -> None:
    pull = pulling(2)
    pull._hear(Incoming("inbox", REPLY, b"one"))
    taking = asyncio.create_task(pull.next())
    await asyncio.sleep(0)  # it has begun, and asks for more
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    async with asyncio.timeout(20):
        assert [(await pull.next()).data, (await pull.next()).data] == [b"one", b"first"]
