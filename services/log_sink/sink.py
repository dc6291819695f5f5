"""Copies the stream into the store, each message once and in order."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from obra.services.log_sink.journal import Journal
from obra.services.log_sink.lost import NAME, move_aside
from obra.services.log_sink.pending import Pending
from obra.services.log_sink.readers import Readers
from obra.services.log_sink.ready import Ready, made_ready
from obra.services.log_sink.reports import UNREPORTED_MAX, Reports
from obra.services.log_sink.snapshot import taken
from obra.shared.archive.pruned import forgotten
from obra.shared.bus import Bus
from obra.shared.errors import BusUnavailable, ObraError
from obra.shared.log import get_logger
from obra.shared.store import Lost, Store
from obra.shared.store.errors import StoreBehind, StoreDamaged, StoreFailed, StoreSilent
from obra.shared.store.rows import seldom_collected

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHECK_S = 30.0
OPEN_TRIES = 5
WRITE_TRIES = 5
DRAIN_S = 5.0
PAUSE_S = 0.2
AHEAD = 4
"""Batches that are added, or ready to be, while the next is made: enough while rows are committed and settled."""

log = get_logger(NAME)
Done = TypeVar("Done")


class Sink:
    """The one writer of the store *path* and of the log *journal*.

    The store's watermark says where to go on, and moves in the transaction that adds the rows; so a crash at any
    moment neither loses nor doubles a message, and nothing is acknowledged.
    """

    def __init__(self, path: Path, journal: Path, batch_max: int, *, impersonal: bool = False) -> None:
        """Remember where; nothing is opened before `run`. *impersonal* is about the log, see `Journal`."""
        self.path = path
        self.whole = False
        """Whether it ended with everything in the store that was on the stream."""
        self.store: Store | None = None
        self._open_journal = partial(Journal, journal, impersonal=impersonal)
        self._batch_max = batch_max
        self._pending = Pending(batch_max)
        self._moved = asyncio.Condition()
        self.reports = Reports()
        self._readers = Readers()
        self._position = self._live_from = 0
        self._busy: set[asyncio.Future[Any]] = set()
        self._still = asyncio.Lock()
        self._wanted: list[int] = []

    @property
    def position(self) -> int:
        """Return how far the store has come, with everything noted that follows from it; 0 while it is not open."""
        return self._position if self.store else 0

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Copy until *stop*, then write what is in hand. Raises `StoreLocked` and `StoreFailed` after some tries."""
        journal = await asyncio.to_thread(self._open_journal)
        failures = 0
        with contextlib.closing(journal), seldom_collected():
            while not stop.is_set():
                begun = 0
                try:
                    await self._open(bus, journal)
                    begun = self.position
                    await self._copy(bus, journal, stop)
                except StoreFailed as error:
                    failures = 1 if self.position > begun else failures + 1
                    if failures == WRITE_TRIES:
                        raise
                    log.warning("the store failed and is opened again", error=str(error))
                    await asyncio.sleep(PAUSE_S * 2**failures * random.uniform(0.5, 1.0))
                finally:
                    await self._close()

    async def caught_up(self, position: int, wait_s: float) -> None:
        """Return once the store holds *position*; `StoreBehind` if that takes longer than *wait_s*."""
        self._pending.hurry(position)
        self._wanted.append(position)
        try:
            async with asyncio.timeout(wait_s), self._moved:
                await self._moved.wait_for(lambda: self.store is not None and self.position >= position)
        except TimeoutError as error:
            raise StoreBehind(position=self.position, wanted=position, waited_s=wait_s) from error
        finally:
            self._wanted.remove(position)

    def reader(self) -> AbstractAsyncContextManager["DuckDBPyConnection"]:
        """Lend a connection to the store; what runs on it is interrupted when the store is closed."""
        if self.store is None:
            raise StoreSilent(reason="it is being opened")
        return self._readers.lent(self.store)

    async def snapshot(self, folder: Path) -> Path:
        """Return a copy of the store in *folder*, taken between two batches."""
        async with self._still:
            if self.store is None:
                raise StoreSilent(reason="it is being opened")
            return await taken(self.store, folder)

    async def _open(self, bus: Bus, journal: Journal) -> None:
        """Open the store; one that is damaged or belongs to another stream is moved aside, and rebuilt."""
        store, lost = await self._sound()
        try:
            self._live_from = await bus.last_position()
            problem = await self._foreign(bus, store)
        except BaseException:
            store.close()
            raise
        if problem:
            await asyncio.to_thread(store.close)
            await self._aside("foreign", problem)
            journal.restart()
            store, lost = await self._sound()
        elif journal.position > max(self._live_from, store.watermark):
            journal.restart()
        self.reports.remember(lost)
        self.store, self._position = store, store.watermark
        await self._moves()
        log.info("store open", path=str(self.path), position=self.position, behind=self._live_from - self.position)

    async def _sound(self) -> tuple[Store, list[Lost]]:
        """Return a store that can be read, and what it holds that nobody has been told of."""
        for _ in range(OPEN_TRIES):
            try:
                return await asyncio.to_thread(_opened, self.path)
            except StoreDamaged as error:
                await self._aside("damaged", str(error))
        raise StoreFailed(path=self.path, reason=f"it was made anew {OPEN_TRIES} times and could not be read")

    async def _moves(self) -> None:
        """Wake whoever waits for the store to move."""
        async with self._moved:
            self._moved.notify_all()

    async def _foreign(self, bus: Bus, store: Store) -> str:
        """Return why the store can't be that of this stream, or nothing: its newest message must stand there too."""
        at = store.watermark
        if at == 0:
            return ""
        if at > self._live_from:
            return f"the store has come to position {at}, the stream only to {self._live_from}"
        try:
            async with asyncio.timeout(CHECK_S), contextlib.aclosing(bus.follow(at - 1)) as raws:
                raw = await anext(raws)
        except TimeoutError as error:
            raise BusUnavailable(url="the stream OBRA", reason=f"nothing came in {CHECK_S:g} s") from error
        if raw.position == at and raw.data != await asyncio.to_thread(store.raw, at):
            return f"the stream holds another message at position {at} than the store"
        return ""

    async def _aside(self, sort: str, reason: str) -> None:
        """Move the store's files out of the way under a name that is free, and say so in the log and an event."""
        target = await asyncio.to_thread(move_aside, self.path, sort)
        log.error("store moved aside, it is rebuilt from the stream", reason=reason, moved_to=target.name)
        self.reports.degraded(reason, f"the file was moved to {target.name} and is rebuilt from the stream")

    async def _copy(self, bus: Bus, journal: Journal, stop: asyncio.Event) -> None:
        self.whole = False
        self._pending = Pending(self._batch_max)
        self._pending.hurry(max(self._wanted, default=0))
        if gap := await forgotten(bus, self.position):
            self.reports.incomplete(gap, self.position)
        await self._report(bus)
        reading = asyncio.create_task(self._read(bus))
        writing = asyncio.create_task(self._write(bus, journal))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reading, writing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (reading, writing):
                if task.done():
                    await task
            await self._drain(bus)
            await _ended(reading)
            self._pending.close()
            await writing
            self.whole = await self._has_all(bus)
        finally:
            await _ended(reading, writing, stopping)

    async def _has_all(self, bus: Bus) -> bool:
        """Return whether the store holds the whole stream; what a last batch gave to report may stand behind it."""
        try:
            async with asyncio.timeout(DRAIN_S):
                return self.position >= await bus.last_position()
        except (TimeoutError, BusUnavailable):
            return False

    async def _drain(self, bus: Bus) -> None:
        """Take in what is on the stream already, so that the store is whole while nothing runs.

        What does not arrive within 5 s, because the server is gone, the next start takes in.
        """
        try:
            async with asyncio.timeout(DRAIN_S):
                await self.caught_up(await bus.last_position(), DRAIN_S)
        except (TimeoutError, StoreBehind, BusUnavailable) as error:
            log.warning("stopped before the store had everything", position=self.position, why=str(error))

    async def _read(self, bus: Bus) -> None:
        at = self.position
        async with contextlib.aclosing(bus.copied(at)) as copies:
            async for messages in copies:
                if messages[0].position <= at:
                    reason = f"the stream gave position {messages[0].position} after {at}"
                    raise StoreFailed(path=self.path, reason=reason)
                at = messages[-1].position
                await self._pending.put(messages)

    async def _write(self, bus: Bus, journal: Journal) -> None:
        """Write batch after batch; while one goes into the store, the rows of the next are made, and of one more."""
        storing = deque[asyncio.Task[None]]()
        try:
            while raws := await self._pending.take():
                assert self.store
                batch = await self._threaded(partial(made_ready, journal, self.store, raws))
                last = raws[-1].position
                behind = self._pending.full or (bool(self._pending) and last < self._live_from)
                awaited = any(self.position < wanted <= last for wanted in self._wanted)
                storing.append(asyncio.create_task(self._store(bus, batch, more=behind and not awaited)))
                while len(storing) > (AHEAD if behind else 0):
                    await storing[0]
                    storing.popleft()
            for task in storing:
                await task
        finally:
            await _ended(*storing)

    async def _store(self, bus: Bus, batch: Ready, *, more: bool) -> None:
        """Put *batch* into the store; with *more*, it may be committed with what is behind it.

        Whoever waits for it need not wait until it is settled.
        """
        async with self._still:
            assert self.store
            await self._threaded(partial(self.store.add, batch.incoming, more=more))
            for raw, row in batch.notable:
                self.reports.note(raw, row)
            self._position = self.store.watermark
            await self._moves()
            await self._threaded(partial(self.store.settle, behind=more))
        await self._report(bus)

    async def _threaded(self, work: Callable[[], Done]) -> Done:
        """Do *work* in a thread. What it has begun it ends, also when this is cancelled; `_close` waits for it."""
        busy = asyncio.ensure_future(asyncio.to_thread(work))
        self._busy.add(busy)
        busy.add_done_callback(self._busy.discard)
        return await asyncio.shield(busy)

    async def _report(self, bus: Bus) -> None:
        await self.reports.publish(bus, self.store, live=self.position >= self._live_from)

    async def _close(self) -> None:
        await asyncio.gather(*self._busy, return_exceptions=True)
        if self.store:
            store, self.store = self.store, None
            await self._readers.take_back()
            await asyncio.to_thread(store.close)


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _opened(path: Path) -> tuple[Store, list[Lost]]:
    store = Store(path)
    try:
        return store, store.unreported(UNREPORTED_MAX)
    except ObraError:
        store.close()
        raise
