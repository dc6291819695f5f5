"""Copies the stream into the store, each message once and in order."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from obra.events import MessageRejected, ServiceDegraded
from obra.events.subjects import PROJECT_LEVEL, Scope
from obra.services.log_sink.journal import Journal
from obra.services.log_sink.lost import NAME, PREVIEW_BYTES, move_aside, rejection
from obra.services.log_sink.pending import Pending
from obra.shared.bus import Bus, Raw
from obra.shared.envelope import Envelope, fresh
from obra.shared.errors import BusUnavailable, ObraError
from obra.shared.redact import redact
from obra.shared.store import Lost, Row, Store
from obra.shared.store.errors import StoreBehind, StoreDamaged, StoreFailed, StoreSilent
from obra.shared.store.row import row_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHECK_S = 30.0
READERS_S = 5.0
REPORTS_MAX = 100
UNREPORTED_MAX = 10_000
OPEN_TRIES = 5
WRITE_TRIES = 5
DRAIN_S = 5.0
PAUSE_S = 0.2

log = structlog.get_logger(NAME)


class Sink:
    """The one writer of the store *path* and of the log *journal*.

    The store's watermark says where to go on, and moves in the transaction that adds the rows; so a crash at any
    moment neither loses nor doubles a message, and nothing is acknowledged.
    """

    def __init__(self, path: Path, journal: Path, batch_max: int) -> None:
        """Remember where; nothing is opened before `run`."""
        self.path = path
        self.store: Store | None = None
        self._journal_path = journal
        self._batch_max = batch_max
        self._pending = Pending(batch_max)
        self._moved = asyncio.Condition()
        self._unreported: dict[int, Envelope] = {}
        self._degraded: list[Envelope] = []
        self._more = False
        self._readers: set[DuckDBPyConnection] = set()
        self._position = self._live_from = 0
        self._busy: asyncio.Future[list[Row]] | None = None

    @property
    def position(self) -> int:
        """Return how far the store has come, with everything noted that follows from it; 0 while it is not open."""
        return self._position if self.store else 0

    @property
    def owed(self) -> int:
        """Return how many reports are to be published still."""
        return len(self._unreported) + len(self._degraded)

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Copy until *stop*, then write what is in hand. Raises `StoreLocked` and `StoreFailed` after some tries."""
        journal = await asyncio.to_thread(Journal, self._journal_path)
        failures = 0
        try:
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
        finally:
            journal.close()

    async def caught_up(self, position: int, wait_s: float) -> None:
        """Return once the store holds *position*; `StoreBehind` if that takes longer than *wait_s*."""
        self._pending.hurry()
        try:
            async with asyncio.timeout(wait_s), self._moved:
                await self._moved.wait_for(lambda: self.store is not None and self.position >= position)
        except TimeoutError as error:
            raise StoreBehind(position=self.position, wanted=position, waited_s=wait_s) from error

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator["DuckDBPyConnection"]:
        """Lend a connection to the store; what runs on it is interrupted when the store is closed."""
        if self.store is None:
            raise StoreSilent(reason="it is being opened")
        reader = self.store.cursor()
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            await asyncio.to_thread(reader.close)
            await self._moves()

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
        self._remember(lost)
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

    def _remember(self, lost: list[Lost]) -> None:
        self._unreported = {one.position: rejection(one) for one in lost}
        self._more = len(lost) == UNREPORTED_MAX

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
        event = ServiceDegraded(
            service=NAME, lacking="store", reason=redact(reason)[:2_000],
            effect=f"the file was moved to {target.name} and is rebuilt from the stream",
        )  # fmt: skip
        self._degraded.append(fresh(Scope(PROJECT_LEVEL, PROJECT_LEVEL), event, NAME))

    async def _copy(self, bus: Bus, journal: Journal, stop: asyncio.Event) -> None:
        self._pending = Pending(self._batch_max)
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
        finally:
            await _ended(reading, writing, stopping)

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
        async with contextlib.aclosing(bus.follow(at)) as raws:
            async for raw in raws:
                if raw.position <= at:
                    raise StoreFailed(path=self.path, reason=f"the stream gave position {raw.position} after {at}")
                at = raw.position
                await self._pending.put(raw)

    async def _write(self, bus: Bus, journal: Journal) -> None:
        while batch := await self._pending.take():
            await self._store(batch, journal)
            await self._report(bus)

    async def _store(self, batch: list[Raw], journal: Journal) -> None:
        """Write *batch* to the log and the store. What a thread has begun it ends, also when this is cancelled."""
        assert self.store
        self._busy = asyncio.ensure_future(asyncio.to_thread(_written, self.store, journal, batch))
        rows = await asyncio.shield(self._busy)
        for raw, row in zip(batch, rows, strict=True):
            self._note(raw, row)
        self._position = rows[-1].position
        await self._moves()

    def _note(self, raw: Raw, row: Row) -> None:
        """Keep in mind what has to be reported, and forget what has been."""
        if raw.envelope and isinstance(raw.envelope.event, MessageRejected):
            self._unreported.pop(raw.envelope.event.position, None)
        elif row.problem and not (row.type or "").startswith("message."):
            if len(self._unreported) >= UNREPORTED_MAX:
                self._more = True
                return
            lost = Lost(row.position, row.project, row.task, row.type or "", row.problem, row.raw[:PREVIEW_BYTES])
            self._unreported[row.position] = rejection(lost)

    async def _report(self, bus: Bus) -> None:
        """Publish what has to be reported, once everything is read that may show that it has been."""
        waiting = list(self._degraded)
        if self.position >= self._live_from:
            if self._more and not self._unreported and self.store:
                self._remember(await asyncio.to_thread(self.store.unreported, UNREPORTED_MAX))
            waiting += list(self._unreported.values())[:REPORTS_MAX]
        for envelope in waiting:
            try:
                await bus.append([envelope])
            except ObraError as error:
                log.warning("a report could not be published and is tried again", error=str(error))
                return
            if envelope in self._degraded:
                self._degraded.remove(envelope)
            elif isinstance(envelope.event, MessageRejected):
                self._unreported.pop(envelope.event.position, None)

    async def _close(self) -> None:
        if self._busy:
            await asyncio.gather(self._busy, return_exceptions=True)
        if self.store:
            store, self.store = self.store, None
            for reader in self._readers:
                reader.interrupt()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READERS_S), self._moved:
                    await self._moved.wait_for(lambda: not self._readers)
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


def _written(store: Store, journal: Journal, batch: list[Raw]) -> list[Row]:
    """Write *batch*: the log first, since it knows by itself what it holds already."""
    rows = [row_of(raw) for raw in batch]
    journal.write([(row.position, row.line) for row in rows])
    store.append(rows)
    return rows
