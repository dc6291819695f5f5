"""Questions to the store, and answers: asked of the running log-sink over NATS, or of the file when nothing runs.

A question travels as one core NATS request on `SUBJECT`. The answer comes to its inbox as several messages of at
most 512 KiB, numbered from 0: a `Head`, any number of `Rows`, an `End`.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from obra.shared.store.errors import QueryUnstoppable, StoreMissing, StoreSilent
from obra.shared.store.wire import ANSWER_BYTES_MAX, SUBJECT, End, Head, Piece, Query, Rows, piece_of, problem

if TYPE_CHECKING:
    from nats.aio.client import Client

    from obra.shared.config import StoreSettings

SILENCE_S = 15.0
"""The longest pause that a client bears beyond the query's own time: catching up, sending, a busy machine."""
SNAPSHOT_S = 600.0
"""How long copying the store may take."""

LISTENER_WAITS_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to a query. ``types`` are DuckDB's; values are what JSON has.

    Times are ISO 8601 in UTC, blobs hexadecimal, decimals floats; what fits nowhere is its text. ``truncated``: there
    were more rows than were wanted. ``position`` is how far the store had come.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False
    position: int = 0

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return each row as a dictionary."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class RemoteQuery:
    """Asks the log-sink that runs behind the connection *nc*."""

    def __init__(self, nc: "Client") -> None:
        """Keep the connection; nothing is subscribed to before a question is asked."""
        self._nc = nc

    async def run(
        self,
        sql: str,
        params: Sequence[Any] = (),
        *,
        as_of: int | None = None,
        rows_max: int = 0,
        timeout_s: float = 0.0,
        wait_position: int = 0,
    ) -> Table:
        """Return the answer; see `Query` for what the arguments mean.

        Raises `QueryRefused`, `QueryFailed`, `StoreBehind`, and `StoreSilent` where nobody answers.
        """
        return await self._ask(
            Query(
                sql=sql, params=list(params), as_of=as_of, rows_max=rows_max, timeout_s=timeout_s,
                wait_position=wait_position,
            )
        )  # fmt: skip

    async def snapshot(self, wait_position: int = 0) -> Path:
        """Return a copy of the store that holds at least *wait_position*; remove it after use. Raises as `run`."""
        query = Query(sql="", snapshot=True, wait_position=wait_position, timeout_s=SNAPSHOT_S)
        return Path(str((await self._ask(query)).rows[0][0]))

    async def _ask(self, query: Query) -> Table:
        head, rows = Head(0, [], []), list[tuple[Any, ...]]()
        async with contextlib.aclosing(self._pieces(query)) as pieces:
            async for piece in pieces:
                match piece:
                    case Head():
                        head = piece
                    case Rows():
                        rows += map(tuple, piece.rows)
                    case End(error=""):
                        columns, types = tuple(head.columns), tuple(head.types)
                        return Table(columns, types, tuple(rows), piece.truncated, piece.position)
                    case End():
                        raise problem(piece)
        raise AssertionError("an answer ends with its end")

    async def _pieces(self, query: Query) -> AsyncGenerator[Piece, None]:
        from nats import errors  # noqa: PLC0415 - the console reaches this module

        inbox = self._nc.new_inbox()
        subscription = await self._nc.subscribe(inbox, pending_bytes_limit=ANSWER_BYTES_MAX * 2, pending_msgs_limit=0)
        try:
            await self._nc.publish(SUBJECT, msgspec.json.encode(query), reply=inbox)
            number, waits = 0, iter(LISTENER_WAITS_S)
            while True:
                try:
                    message = await subscription.next_msg(timeout=SILENCE_S + max(query.timeout_s, 30.0))
                except (errors.Error, TimeoutError) as error:
                    raise StoreSilent(reason="nothing came back in time") from error
                if (message.headers or {}).get("Status") == "503":
                    await self._again(query, inbox, waits)
                    continue
                piece = piece_of(message.data)
                if piece.number != number:
                    raise StoreSilent(reason="a part of the answer was lost")
                number += 1
                yield piece
                if isinstance(piece, End):
                    return
        finally:
            if not self._nc.is_closed:
                await subscription.unsubscribe()

    async def _again(self, query: Query, inbox: str, waits: Iterator[float]) -> None:
        """Ask once more after a moment: log-sink may just be starting. `StoreSilent` when there was enough of that."""
        wait_s = next(waits, None)
        if wait_s is None:
            raise StoreSilent(reason="nobody listens")
        await asyncio.sleep(wait_s * random.uniform(0.7, 1.0))
        await self._nc.publish(SUBJECT, msgspec.json.encode(query), reply=inbox)


def local_query(
    path: Path,
    sql: str,
    params: Sequence[Any] = (),
    *,
    settings: "StoreSettings | None" = None,
    as_of: int | None = None,
    rows_max: int = 0,
) -> Table:
    """Return the answer of the file *path*, which no other process may have open.

    Raises `StoreMissing`, `StoreLocked`, `StoreDamaged`, `QueryRefused`, `QueryFailed`. It blocks: call it from a
    thread where an event loop runs.
    """
    from obra.shared.config import StoreSettings  # noqa: PLC0415 - pydantic
    from obra.shared.store import opened  # noqa: PLC0415 - DuckDB
    from obra.shared.store.answer import answered  # noqa: PLC0415 - DuckDB

    if not path.exists():
        raise StoreMissing(path=path)
    settings = settings or StoreSettings()
    query = Query(sql=sql, params=list(params), as_of=as_of, rows_max=rows_max)
    db = opened(path, read_only=True)
    try:
        return gathered(answered(db, query, settings))
    except QueryUnstoppable:
        from obra.shared.store.apart import Apart  # noqa: PLC0415 - rarely needed

        return gathered(Apart(path, query, settings).pieces())
    finally:
        db.close()


def gathered(pieces: Iterator[Piece]) -> Table:
    """Return the table that *pieces* make up."""
    head, rows, truncated, position = Head(0, [], []), list[tuple[Any, ...]](), False, 0
    for piece in pieces:
        match piece:
            case Head():
                head = piece
            case Rows():
                rows += map(tuple, piece.rows)
            case End():
                truncated, position = piece.truncated, piece.position
    return Table(tuple(head.columns), tuple(head.types), tuple(rows), truncated, position)


async def local_query_async(path: Path, sql: str, params: Sequence[Any] = (), **wishes: Any) -> Table:
    """Do what `local_query` does without blocking the event loop."""
    return await asyncio.to_thread(lambda: local_query(path, sql, params, **wishes))
