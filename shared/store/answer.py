"""Runs one query on a connection and yields its answer piece by piece."""

import json
import math
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from obra.shared.store.confine import bound
from obra.shared.store.errors import QueryFailed, StoreSilent
from obra.shared.store.syntax import checked
from obra.shared.store.wire import (
    ANSWER_BYTES_MAX,
    INTERRUPT_EVERY_S,
    MESSAGE_BYTES_MAX,
    End,
    Head,
    Limits,
    Piece,
    Query,
    Rows,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from obra.shared.config import StoreSettings

FETCH_ROWS = 500
FRAME_BYTES = 1_000
ROW_BYTES_MAX = 6 * 1024**2
"""A row that no message of `MESSAGE_BYTES_MAX` can carry gets one of its own, up to this."""
PLAIN = frozenset({
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "VARCHAR",
    "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE",
})  # fmt: skip
BROAD = frozenset({"HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE"})
INT_MIN, INT_MAX = -(2**63), 2**64 - 1


def answered(
    reader: "DuckDBPyConnection", query: Query, settings: "StoreSettings | Limits", *, alone: bool = False
) -> Generator[Piece, None, None]:
    """Yield the pieces of the answer to *query*; *reader* is a connection that nothing else uses, to be closed after.

    Raises `QueryRefused` or `QueryFailed`, also in the middle. The query is interrupted after its time; one that DuckDB
    would not hear that in raises `QueryUnstoppable` at once, unless *alone*: it runs in a process that can be killed.
    """
    timeout_s = min(query.timeout_s or settings.query_timeout_s, settings.query_timeout_s)
    rows_max = min(query.rows_max or settings.query_rows_max, settings.query_rows_max)
    with _clock(reader, timeout_s) as expired:
        try:
            bound(reader, settings.query_memory)
            text, wraps = checked(reader, query.sql, alone=alone)
            position = _as_of(reader, query.as_of)
            reader.execute("BEGIN TRANSACTION READ ONLY")
            yield from _pieces(reader, text, wraps, query.params, rows_max, position)
        except duckdb.Error as error:
            if expired():
                raise QueryFailed(reason=f"it took longer than {timeout_s:g} s") from error
            if isinstance(error, duckdb.InterruptException):
                raise StoreSilent(reason="the store is being closed") from error
            raise QueryFailed(reason=str(error).partition("\n\nLINE")[0]) from error


def _as_of(reader: "DuckDBPyConnection", as_of: int | None) -> int:
    """Make *as_of* the end of everything that the query sees, and return how far the store has come."""
    if as_of is not None:
        at = min(max(as_of, 0), INT_MAX)
        reader.execute(f"SET VARIABLE as_of = {at}::UBIGINT")
        row = reader.execute("SELECT current_database()").fetchone()
        main = '"' + str(row[0] if row else "").replace('"', '""') + '".main'
        for table in ("event", "typed"):
            reader.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {main}.{table} WHERE position <= {at}")
    row = reader.execute("SELECT max(watermark) FROM sink").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


@contextmanager
def _clock(reader: "DuckDBPyConnection", timeout_s: float) -> Iterator[Callable[[], bool]]:
    """Interrupt *reader* after *timeout_s*; yield whether that has happened."""
    rung, over = threading.Event(), threading.Event()

    def watch() -> None:
        if over.wait(timeout_s):
            return
        rung.set()
        while not over.is_set():
            reader.interrupt()
            over.wait(INTERRUPT_EVERY_S)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield rung.is_set
    finally:
        over.set()
        watcher.join()


def _pieces(
    reader: "DuckDBPyConnection", text: str, wraps: bool, params: Sequence[Any], rows_max: int, position: int
) -> Iterator[Piece]:
    columns, types = _shape(reader, text, params, wraps)
    yield Head(0, columns, types)
    reader.execute(_projected(text, types) if wraps else text, list(params))
    packed = Packed(number=1)
    for row in _rows(reader, types):
        if not packed.takes(row, rows_max):
            break
        if packed.full:
            yield packed.piece()
        packed.put(row)
    if packed.rows:
        yield packed.piece()
    yield End(packed.number, rows=packed.count, truncated=packed.truncated, position=position)


def _rows(reader: "DuckDBPyConnection", types: Sequence[str]) -> Iterator[list[Any]]:
    broad = [index for index, kind in enumerate(types) if kind in BROAD]
    nested = [index for index, kind in enumerate(types) if _is_nested(kind)]
    while batch := reader.fetchmany(FETCH_ROWS):
        for values in batch:
            yield _clean(list(values), broad, nested)


@dataclass
class Packed:
    """Rows on their way into messages."""

    number: int
    rows: list[list[Any]] = field(default_factory=list)
    bytes_waiting: int = 0
    bytes_next: int = 0
    bytes_sent: int = 0
    count: int = 0
    truncated: bool = False

    def takes(self, row: list[Any], rows_max: int) -> bool:
        """Return whether *row* belongs to the answer still; if not, the answer is `truncated`."""
        self.bytes_next = len(msgspec.json.encode(row)) + 1
        if self.bytes_next > ROW_BYTES_MAX:
            raise QueryFailed(reason=f"row {self.count + 1} is larger than {ROW_BYTES_MAX:,} bytes; select less of it")
        self.truncated = self.count >= rows_max or self.bytes_sent + self.bytes_next > ANSWER_BYTES_MAX
        return not self.truncated

    @property
    def full(self) -> bool:
        """Return whether what waits has to go before the row that `takes` looked at can follow."""
        return bool(self.rows) and self.bytes_waiting + self.bytes_next > MESSAGE_BYTES_MAX - FRAME_BYTES

    def put(self, row: list[Any]) -> None:
        """Let *row* wait for its message."""
        self.rows.append(row)
        self.count += 1
        self.bytes_waiting += self.bytes_next
        self.bytes_sent += self.bytes_next

    def piece(self) -> Rows:
        """Return what waits as a message."""
        piece = Rows(self.number, self.rows)
        self.number, self.rows, self.bytes_waiting = self.number + 1, [], 0
        return piece


def _shape(reader: "DuckDBPyConnection", text: str, params: Sequence[Any], wraps: bool) -> tuple[list[str], list[str]]:
    """Return the columns' names and DuckDB types, without running the query."""
    if not wraps:
        return ["explain_key", "explain_value"], ["VARCHAR", "VARCHAR"]
    described = reader.execute(f"DESCRIBE SELECT * FROM (\n{text}\n)", list(params)).fetchall()  # plans nothing
    return [str(column[0]) for column in described], [str(column[1]) for column in described]


def _projected(text: str, types: Sequence[str]) -> str:
    """Return the query with every column in a form that Python and JSON share."""
    names = [f"c{index}" for index in range(len(types))]
    forms = ", ".join(_form(name, kind) for name, kind in zip(names, types, strict=True))
    return f"SELECT {forms} FROM (\n{text}\n) AS q({', '.join(names)})"


def _form(name: str, kind: str) -> str:
    if kind in PLAIN:
        return name
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime(make_timestamp(epoch_us({name})), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind == "BLOB":
        return f"lower(hex({name}))"
    if kind.startswith("DECIMAL") and not kind.endswith("]"):
        return f"{name}::DOUBLE"
    if _is_nested(kind):
        return f"to_json({name})::VARCHAR"
    return f"{name}::VARCHAR"


def _is_nested(kind: str) -> bool:
    return kind in ("VARIANT", "JSON") or kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))


def _clean(row: list[Any], broad: Sequence[int], nested: Sequence[int]) -> list[Any]:
    """Return *row* with numbers that JSON lacks as texts, and nested values as such."""
    for index in broad:
        value = row[index]
        if (isinstance(value, float) and not math.isfinite(value)) or (
            isinstance(value, int) and not INT_MIN <= value <= INT_MAX
        ):
            row[index] = str(value)
    try:
        for index in nested:
            if row[index] is not None:
                row[index] = json.loads(row[index])
    except RecursionError as error:
        raise QueryFailed(reason="a value is nested too deep; cast it to VARCHAR") from error
    return row
