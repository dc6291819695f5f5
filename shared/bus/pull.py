"""A standing pull request: the fast way to read a JetStream consumer.

nats-py's `fetch` subscribes anew for each batch and can swallow a cancellation. Here one inbox stays, a request
stands at the server for 30 s at a time, and its messages arrive in a callback.
"""

import asyncio
import contextlib
from collections import deque

from nats import errors
from nats.aio.subscription import Subscription

from obra.shared.bus.client import Incoming
from obra.shared.bus.message import encode_json, nanoseconds
from obra.shared.bus.wire import NoAnswer, Wire, status

EXPIRES_S = 30.0
HEARTBEAT_S = 10.0
SILENCE_S = 2 * HEARTBEAT_S + 2.0
BYTES_MAX = 32 * 1024**2
CLOSE_S = 1.0
NAK = b"-NAK"


class PullLost(Exception):
    """The standing request is gone and whatever was under way with it may be too."""


class Pull:
    """Reads one consumer. At most *batch* messages are taken ahead of the reader."""

    def __init__(self, wire: Wire, stream: str, consumer: str, batch: int) -> None:
        """Prepare to read *consumer* of *stream*; `open` it first, `close` it in the end."""
        self._wire = wire
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._batch = batch
        self._inbox = wire.nc.new_inbox()
        self._subscription: Subscription | None = None
        self._messages: deque[Incoming] = deque()
        self._stir = asyncio.Event()
        self._asked = 0
        self._lost = ""

    async def open(self) -> None:
        """Subscribe to the inbox."""
        self._wire.on_reconnect.add(self._reconnected)
        self._subscription = await self._wire.nc.hear(self._inbox, self._hear)

    async def next(self) -> Incoming:
        """Return the next message, however long that takes.

        Raises `PullLost` where the request was lost: asking on is allowed, but messages may have been too.
        `BusUnavailable` once the connection is closed for good.
        """
        await self._there()
        await self._ask_for_more(len(self._messages) - 1)
        return self._messages.popleft()  # last, so that a cancellation leaves it to be given back

    async def some(self) -> list[Incoming]:
        """Return all messages that have come, at least one; raises as `next` does."""
        await self._there()
        await self._ask_for_more(0)
        messages = list(self._messages)
        self._messages.clear()
        return messages

    async def _there(self) -> None:
        """Wait until a message is there."""
        while not self._messages:
            self._stir.clear()  # what arrives while something is awaited below must not be slept over
            if self._wire.nc.is_closed:
                raise self._wire.unavailable("the connection is closed")
            if self._lost:
                reason, self._lost, self._asked = self._lost, "", 0
                raise PullLost(reason)
            if self._asked == 0:
                await self._ask(self._batch)
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._stir.wait()
            except TimeoutError:
                self._lost = f"no heartbeat for {SILENCE_S:g} s"

    async def _ask_for_more(self, left: int) -> None:
        """See to it that others follow, where not many are *left* or on their way."""
        ahead = self._asked + left
        if self._batch > 1 and ahead <= self._batch // 2:
            await self._ask(self._batch - ahead)

    async def _ask(self, batch: int) -> None:
        request = {
            "batch": batch, "expires": nanoseconds(EXPIRES_S), "idle_heartbeat": nanoseconds(HEARTBEAT_S),
            "max_bytes": BYTES_MAX,
        }  # fmt: skip
        self._asked += batch
        try:
            await self._wire.publish(self._subject, encode_json(request), reply=self._inbox)
        except NoAnswer as error:
            self._lost = str(error)

    def _hear(self, message: Incoming) -> None:
        if message.reply:
            self._asked = max(0, self._asked - 1)
            self._messages.append(message)
            self._stir.set()
            return
        code = status(message)
        headers = message.headers
        if code != "100":
            left = headers.get("Nats-Pending-Messages")
            self._asked = max(0, self._asked - int(left)) if left else 0
            said = headers.get("Description", "")
            if code in {"503", "404"} or (code == "409" and not said.startswith(("Batch", "Message Size"))):
                self._lost = f"{code} {said}".strip()
        self._stir.set()

    def _reconnected(self) -> None:
        self._lost = "the connection was lost"
        self._stir.set()

    async def close(self, *, give_back: bool) -> None:
        """Stop reading; with *give_back*, return at once what was taken and not handed on."""
        self._wire.on_reconnect.discard(self._reconnected)
        if self._subscription is None:
            return
        # The server may be gone; then it takes unread messages back when their lease ends.
        with contextlib.suppress(errors.Error, TimeoutError, NoAnswer):
            async with asyncio.timeout(CLOSE_S):
                if give_back:
                    await self._subscription.drain()  # type: ignore[no-untyped-call]
                else:
                    await self._subscription.unsubscribe()
        while self._messages:
            message = self._messages.popleft()
            if give_back:
                with contextlib.suppress(NoAnswer):
                    await self._wire.publish(message.reply, NAK)
