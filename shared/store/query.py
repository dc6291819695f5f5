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

from obra.shared.store.errors import QueryFailed, QueryRefused, StoreBehind, StoreFailed, StoreMissing, StoreSilent

if TYPE_CHECKING:
    from nats.aio.client import Client

    from obra.shared.config import StoreSettings

SUBJECT = "obra-query"
MESSAGE_BYTES_MAX = 512 * 1024
ANSWER_BYTES_MAX = 256 * 1024**2
INTERRUPT_EVERY_S = 0.1
"""An interrupt between two statements is lost, so it is said again until it is heard."""
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


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question. ``as_of``: as things stood at that position. ``wait_position``: not before the store is there.

    ``rows_max`` and ``timeout_s`` can only lower what the settings allow; 0 is what they allow. ``snapshot``: the
    answer is one row with the path of a copy of the store, on log-sink's machine, to be removed by whoever asked.
    """

    sql: str
    snapshot: bool = False
    params: list[str | int | float | bool | None] = []
    as_of: int | None = None
    rows_max: int = 0
    timeout_s: float = 0.0
    wait_position: int = 0


class Head(msgspec.Struct, frozen=True, tag="head"):
    """What the rows will look like."""

    number: int
    columns: list[str]
    types: list[str]


class Rows(msgspec.Struct, frozen=True, tag="rows"):
    """Some rows."""

    number: int
    rows: list[list[Any]]


class End(msgspec.Struct, frozen=True, tag="end", omit_defaults=True):
    """No more comes. ``error`` names the class of what went wrong, ``fields`` are its fields."""

    number: int
    rows: int = 0
    truncated: bool = False
    position: int = 0
    error: str = ""
    fields: dict[str, Any] = {}


Piece = Head | Rows | End
_pieces = msgspec.json.Decoder(Piece)
ERRORS = {kind.__name__: kind for kind in (QueryFailed, QueryRefused, StoreBehind, StoreFailed, StoreSilent)}


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
                        raise ERRORS.get(piece.error, QueryFailed)(**piece.fields)
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
                piece = _pieces.decode(message.data)
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
    db = opened(path, read_only=True)
    try:
        query = Query(sql=sql, params=list(params), as_of=as_of, rows_max=rows_max)
        return gathered(answered(db, query, settings))
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
