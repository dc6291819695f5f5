"""Messages on their way from the stream into the store: bounded, and handed over a batch at a time."""

import asyncio
import contextlib
from collections import deque

from obra.shared.bus import Raw

BATCH_BYTES_MAX = 32 * 1024**2
PENDING_BATCHES = 2
LINGER_S = 1.0
"""How long the first message of a batch waits for company, unless somebody asks for it.

A batch costs a flush to disk and some 20 ms of processor time, however few are in it: as much as the rest of a task.
"""


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
        self._wanted = 0

    async def put(self, raw: Raw) -> None:
        """Add *raw* once there is room. What can't be read waits for no company: somebody has to be told."""
        if self._holds(PENDING_BATCHES):
            self._room.clear()
            await self._room.wait()
        self._raws.append(raw)
        self._bytes += len(raw.data)
        self._some.set()
        if self.full or raw.problem is not None or raw.position <= self._wanted:
            self._urgent.set()

    @property
    def full(self) -> bool:
        """Return whether a whole batch is there already."""
        return self._holds(1)

    def __bool__(self) -> bool:
        """Return whether anything is there to be taken."""
        return bool(self._raws)

    def close(self) -> None:
        """Take nothing more in; what is there can still be taken, at once."""
        self._closed = True
        self._some.set()
        self._urgent.set()

    def hurry(self, position: int) -> None:
        """Let the batch that gathers go at once, and all others up to *position*: somebody waits for it."""
        self._wanted = max(self._wanted, position)
        if self._raws:
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
        if not self._holds(PENDING_BATCHES):
            self._room.set()
        if not (self._raws or self._closed):
            self._some.clear()
        due = self._raws and self._raws[0].position <= self._wanted
        if not (self.full or self._closed or due):
            self._urgent.clear()
        return batch

    def _holds(self, batches: int) -> bool:
        return len(self._raws) >= batches * self._batch_max or self._bytes >= batches * self._bytes_max
