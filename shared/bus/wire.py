"""Requests over one NATS connection.

nats-py's own request waits with `asyncio.wait_for`, which on Python 3.11 can lose a cancellation, and knows only
one answer to a question. Here answers arrive on one inbox of our own; a question may have many.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from nats import errors

from obra.shared.bus.client import Incoming, QuickClient
from obra.shared.errors import AppendRefused, BusUnavailable, ObraError

TIMEOUT_S = 5.0
NO_RESPONDERS = "503"
DENIED = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)


class NoAnswer(ObraError):
    """NATS gave no answer on {subject}: {reason}"""


@dataclass(slots=True)
class _Question:
    subject: str
    answer: "asyncio.Future[list[Incoming]]"
    many: bool
    messages: list[Incoming] = field(default_factory=list)

    def hear(self, message: Incoming) -> None:
        self.messages.append(message)
        if (not self.many or status(message)) and not self.answer.done():
            self.answer.set_result(self.messages)


def status(message: Incoming) -> str:
    """Return the status of a message that only carries one, else the empty string.

    A stored message may be empty and carry such a header too, but a direct get adds where it is stored.
    """
    if message.data or not message.headers or "Nats-Sequence" in message.headers:
        return ""
    return message.headers.get("Status", "")


class Wire:
    """A connection with an inbox. ``on_reconnect`` are called after each reconnect and when it closes for good."""

    def __init__(self, nc: QuickClient) -> None:
        """Wrap *nc*; call `open` once it is connected."""
        self.nc = nc
        self.on_reconnect: set[Callable[[], None]] = set()
        self._inbox = ""
        self._tokens = count()
        self._open: dict[str, _Question] = {}

    async def open(self) -> None:
        """Subscribe to the inbox."""
        self._inbox = self.nc.new_inbox()
        await self.nc.hear(f"{self._inbox}.*", self._hear)

    @property
    def url(self) -> str:
        """Return the server's address, for messages to people."""
        servers = [self.nc.connected_url, *self.nc.servers]
        return next((f"{s.scheme}://{s.hostname}:{s.port}" for s in servers if s), "an unknown address")

    def unavailable(self, reason: object) -> BusUnavailable:
        """Return the error that says that this server does not answer."""
        return BusUnavailable(url=self.url, reason=reason)

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send one message. Raises `NoAnswer` if it can't even be buffered, `AppendRefused` if it is too large."""
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        try:
            await self.nc.publish(subject, data, reply=reply, headers=headers)
        except errors.MaxPayloadError as error:
            reason = f"{len(data)} bytes on {subject} are more than the server's max_payload"
            raise AppendRefused(code=0, reason=reason) from error
        except errors.Error as error:
            raise NoAnswer(subject=subject, reason=error) from error
        if task and task.cancelling() > cancelled:  # nats-py swallows a cancellation that comes while it flushes
            raise asyncio.CancelledError

    async def request(
        self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None, timeout_s: float = TIMEOUT_S
    ) -> Incoming:
        """Return the answer to one question; raises `NoAnswer` after *timeout_s* or if nobody listens."""
        return (await self._ask(subject, data, headers, timeout_s, many=False))[0]

    async def collect(self, subject: str, data: bytes, timeout_s: float = TIMEOUT_S) -> list[Incoming]:
        """Return all answers up to the one that carries a status, that one included and last."""
        return await self._ask(subject, data, None, timeout_s, many=True)

    async def _ask(
        self, subject: str, data: bytes, headers: dict[str, str] | None, timeout_s: float, *, many: bool
    ) -> list[Incoming]:
        token = str(next(self._tokens))
        question = _Question(subject, asyncio.get_running_loop().create_future(), many)
        self._open[token] = question
        try:
            async with asyncio.timeout(timeout_s):
                await self.publish(subject, data, reply=f"{self._inbox}.{token}", headers=headers)
                messages = await question.answer
        except TimeoutError as error:
            raise NoAnswer(subject=subject, reason=f"none within {timeout_s:g} s") from error
        finally:
            del self._open[token]
        if status(messages[-1]) == NO_RESPONDERS:
            raise NoAnswer(subject=subject, reason="nobody listens there")
        return messages

    def _hear(self, message: Incoming) -> None:
        if question := self._open.get(message.subject.rpartition(".")[2]):
            question.hear(message)

    def denied(self, problem: str) -> None:
        """Fail the questions that the server's *problem* says this user may not ask."""
        if not (found := DENIED.search(problem)):
            return
        for question in self._open.values():
            if question.subject.lower() == found[1].lower() and not question.answer.done():
                question.answer.set_exception(AppendRefused(code=403, reason=f"no permission for {found[1]}"))

    def reconnected(self) -> None:
        """Tell everybody who had something standing at the server that it is gone.

        Questions that were under way may have been lost: they fail now, instead of when their time is over.
        """
        for question in self._open.values():
            if not question.answer.done():
                question.answer.set_exception(NoAnswer(subject=question.subject, reason="the connection was lost"))
        for call in list(self.on_reconnect):
            call()
