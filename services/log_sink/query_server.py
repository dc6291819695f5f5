"""Answers questions to the store over NATS, since no other process can open the file while log-sink runs."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from obra.services.log_sink import snapshot
from obra.services.log_sink.lost import NAME
from obra.services.log_sink.sink import Sink
from obra.shared.errors import ObraError
from obra.shared.log import get_logger
from obra.shared.store.errors import QueryFailed, QueryRefused, QueryUnstoppable, StoreSilent
from obra.shared.store.wire import INTERRUPT_EVERY_S, SUBJECT, End, Head, Piece, Query, Rows, failed

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from obra.shared.config import StoreSettings

AT_ONCE_MAX = 4
WAITING_MAX = 64
WAIT_S = 5.0
FLUSH_EVERY_BYTES = 4 * 1024**2
FLUSH_S = 10.0
INTERRUPT_S = 5.0

log = get_logger(NAME)
_queries = msgspec.json.Decoder(Query)


class QueryServer:
    """Takes questions on `SUBJECT`: a few at once, a bounded number waiting, each bounded in time, rows and bytes."""

    def __init__(self, nc: "Client", sink: Sink, settings: "StoreSettings", snapshots: Path) -> None:
        """Remember whom to ask, and the folder for copies of the store."""
        self._snapshots = snapshots
        self._nc, self._sink, self._settings = nc, sink, settings
        self._turns, self._alone = asyncio.Semaphore(AT_ONCE_MAX), asyncio.Semaphore(1)
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer while the block runs; what is being answered at its end breaks off."""
        subscription = await self._nc.subscribe(SUBJECT, cb=self._take)
        try:
            yield
        finally:
            if not self._nc.is_closed:
                await subscription.unsubscribe()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, message: "Msg") -> None:
        if not message.reply:
            return
        if len(self._tasks) >= WAITING_MAX:
            await self._send(message.reply, failed(0, StoreSilent(reason=f"{WAITING_MAX} queries wait already")))
            return
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: "Msg") -> None:
        number = 0
        try:
            query = _decoded(message.data)
            await self._sink.caught_up(query.wait_position, WAIT_S)
            async with contextlib.aclosing(self._pieces(query)) as pieces:
                async for piece in pieces:
                    number = piece.number + 1
                    await self._send(message.reply, piece)
        except asyncio.CancelledError:
            await self._send(message.reply, failed(number, StoreSilent(reason="log-sink is being stopped")))
            raise
        except ObraError as error:
            await self._send(message.reply, failed(number, error))
        except Exception:
            log.exception("a query broke")
            await self._send(message.reply, failed(number, QueryFailed(reason="log-sink broke; its log says how")))

    async def _pieces(self, query: Query) -> AsyncGenerator[Piece, None]:
        """Yield the answer; each step of it runs in a thread, and the last one even if nobody waits for it."""
        from obra.shared.store.answer import answered  # noqa: PLC0415 - DuckDB

        if query.snapshot:
            path = await self._sink.snapshot(self._snapshots)
            yield Head(0, ["path"], ["VARCHAR"])
            yield Rows(1, [[str(path)]])
            yield End(2, rows=1, position=self._sink.position)
            return
        try:
            async with self._turns, self._sink.reader() as reader:
                answer = answered(reader, query, self._settings)
                async with contextlib.aclosing(_passed_on(answer, reader.interrupt)) as pieces:
                    async for piece in pieces:
                        yield piece
        except QueryUnstoppable:
            async with contextlib.aclosing(self._apart(query)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _apart(self, query: Query) -> AsyncGenerator[Piece, None]:
        """Yield the answer of a process of its own, one at a time, to a copy of the store that is removed after."""
        from obra.shared.store.apart import Apart  # noqa: PLC0415 - rarely needed

        async with self._alone:
            await asyncio.to_thread(self._has_room)
            path = await self._sink.snapshot(self._snapshots)
            try:
                process = Apart(path, query, self._settings)
                async with contextlib.aclosing(_passed_on(process.pieces(), process.interrupt)) as pieces:
                    async for piece in pieces:
                        yield piece
            finally:
                await asyncio.to_thread(snapshot.removed, path)

    def _has_room(self) -> None:
        """Raise `QueryFailed` where a copy of the store would take more than half of the room that the disk has."""
        size, free = self._sink.path.stat().st_size, shutil.disk_usage(self._snapshots).free
        if 2 * size > free:
            raise QueryFailed(reason=f"it needs a copy of the store, {size:,} bytes, and the disk has {free:,} left")

    async def _send(self, reply: str, piece: Piece) -> None:
        """Publish *piece*, no faster than the server takes it."""
        await self._nc.publish(reply, msgspec.json.encode(piece))
        if self._nc.pending_data_size > FLUSH_EVERY_BYTES:
            await self._nc.flush(timeout=int(FLUSH_S))


async def _passed_on(
    answer: Generator[Piece, None, None], interrupt: Callable[[], None]
) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of *answer*, which are made in threads; the last one of them ends before this does."""
    try:
        while (piece := await _next(answer, interrupt)) is not None:
            yield piece
    finally:
        await asyncio.to_thread(answer.close)


async def _next(answer: Iterator[Piece], interrupt: Callable[[], None]) -> Piece | None:
    """Return the next piece, made in a thread; a thread can't be cancelled, so the query in it is interrupted."""
    step = asyncio.ensure_future(asyncio.to_thread(next, answer, None))
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        end = asyncio.get_running_loop().time() + INTERRUPT_S
        while not step.done() and asyncio.get_running_loop().time() < end:
            interrupt()
            await asyncio.wait({step}, timeout=INTERRUPT_EVERY_S)
        if step.done() and not step.cancelled():
            step.exception()  # that it was interrupted is no news
        raise


def _decoded(data: bytes) -> Query:
    try:
        return _queries.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QueryRefused(reason=f"the request is no query: {error}") from error
