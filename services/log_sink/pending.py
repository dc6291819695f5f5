"""Messages on their way from the stream into the store: bounded, and handed over a batch at a time."""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import accumulate

from obra.shared.bus import Stored

BATCH_BYTES_MAX = 32 * 1024**2
PENDING_BATCHES = 2
LINGER_S = 1.0
"""How long the first message of a batch waits for company, unless somebody asks for it.

A batch costs a flush to disk and some 20 ms of processor time, however few are in it: as much as the rest of a task.
"""


class Pending:
    """A queue for one reader of the stream and one writer of the store. Nothing is polled."""

    def __init__(self, batch_max: int, batch_bytes_max: int = BATCH_BYTES_MAX) -> None:
        """Hold two batches of *batch_max* messages or *batch_bytes_max* bytes, and what came at once with the last."""
        self._batch_max, self._bytes_max = batch_max, batch_bytes_max
        self._messages: list[Stored] = []
        self._bytes = 0
        self._some, self._room, self._urgent = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()
        self._closed = False
        self._wanted = 0

    async def put(self, messages: Sequence[Stored]) -> None:
        """Add *messages* once there is room."""
        if self._holds(PENDING_BATCHES):
            self._room.clear()
            await self._room.wait()
        self._messages += messages
        self._bytes += sum(len(one.data) for one in messages)
        self._some.set()
        if self.full or messages[0].position <= self._wanted:
            self._urgent.set()

    @property
    def full(self) -> bool:
        """Return whether a whole batch is there already."""
        return self._holds(1)

    def __bool__(self) -> bool:
        """Return whether anything is there to be taken."""
        return bool(self._messages)

    def close(self) -> None:
        """Take nothing more in; what is there can still be taken, at once."""
        self._closed = True
        self._some.set()
        self._urgent.set()

    def hurry(self, position: int) -> None:
        """Let the batch that gathers go at once, and all others up to *position*: somebody waits for it."""
        self._wanted = max(self._wanted, position)
        if self._messages:
            self._urgent.set()

    async def take(self) -> list[Stored]:
        """Wait for a message, and a moment for others; return what is there, at most one batch.

        An empty batch means that the queue was closed and everything has been taken.
        """
        await self._some.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._urgent.wait()
        batch = self._taken()
        if not self._holds(PENDING_BATCHES):
            self._room.set()
        if not (self._messages or self._closed):
            self._some.clear()
        due = self._messages and self._messages[0].position <= self._wanted
        if not (self.full or self._closed or due):
            self._urgent.clear()
        return batch

    def _taken(self) -> list[Stored]:
        """Take one batch off the queue."""
        sizes = accumulate(len(one.data) for one in self._messages[: self._batch_max])
        count = next((number for number, size in enumerate(sizes, 1) if size >= self._bytes_max), self._batch_max)
        batch, self._messages = self._messages[:count], self._messages[count:]
        self._bytes -= sum(len(one.data) for one in batch)
        return batch

    def _holds(self, batches: int) -> bool:
        return len(self._messages) >= batches * self._batch_max or self._bytes >= batches * self._bytes_max
