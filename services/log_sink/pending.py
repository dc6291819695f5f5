"""Messages on their way from the stream into the store: bounded, and handed over a batch at a time."""

import asyncio
import contextlib
from collections import deque

from obra.shared.bus import Raw

BATCH_BYTES_MAX = 16 * 1024**2
PENDING_BATCHES = 2
LINGER_S = 0.15
"""How long the first message of a batch waits for company: a commit costs a flush to disk, however many are in it."""


class Pending:
    """A queue for one reader of the stream and one writer of the store. Nothing is polled."""

    def __init__(self, batch_max: int, batch_bytes_max: int = BATCH_BYTES_MAX) -> None:
        """Hold at most two batches of *batch_max* messages or *batch_bytes_max* bytes."""
        self._batch_max, self._bytes_max = batch_max, batch_bytes_max
        self._raws: deque[Raw] = deque()
        self._bytes = 0
        self._some, self._room, self._urgent = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()
        self._closed = False

    async def put(self, raw: Raw) -> None:
        """Add *raw* once there is room."""
        await self._room.wait()
        self._raws.append(raw)
        self._bytes += len(raw.data)
        self._mark()

    def close(self) -> None:
        """Take nothing more in; what is there can still be taken, at once."""
        self._closed = True
        self._mark()

    def hurry(self) -> None:
        """Let the batch that gathers go at once: somebody waits for what is in it."""
        self._urgent.set()

    async def take(self) -> list[Raw]:
        """Wait for a message, and a moment for others; return what is there, at most one batch.

        An empty batch means that the queue was closed and everything has been taken.
        """
        await self._some.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._urgent.wait()
        batch, size = list[Raw](), 0
        while self._raws and len(batch) < self._batch_max and size < self._bytes_max:
            raw = self._raws.popleft()
            batch.append(raw)
            size += len(raw.data)
        self._bytes -= size
        self._urgent.clear()
        self._mark()
        return batch

    def _mark(self) -> None:
        full = len(self._raws) >= self._batch_max or self._bytes >= self._bytes_max
        clogged = (
            len(self._raws) >= PENDING_BATCHES * self._batch_max or self._bytes >= PENDING_BATCHES * self._bytes_max
        )
        for event, state in ((self._some, bool(self._raws) or self._closed), (self._room, not clogged)):
            event.set() if state else event.clear()
        if full or self._closed:
            self._urgent.set()
