"""Runs one query on a connection and yields its answer piece by piece."""

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from obra.shared.store.confine import checked
from obra.shared.store.errors import QueryFailed
from obra.shared.store.query import ANSWER_BYTES_MAX, MESSAGE_BYTES_MAX, End, Head, Piece, Query, Rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from obra.shared.config import StoreSettings

FETCH_ROWS = 500
VALUE_BYTES_MAX = 8 * 1024**2
PLAIN = frozenset({
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "VARCHAR",
    "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE",
})  # fmt: skip
BROAD = frozenset({"HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE"})
INT_MIN, INT_MAX = -(2**63), 2**64 - 1


def answered(db: "DuckDBPyConnection", query: Query, settings: "StoreSettings") -> Iterator[Piece]:
    """Yield the pieces of the answer to *query*, all but the numbering of a message that failed to be sent.

    Raises `QueryRefused` or `QueryFailed`, also in the middle. The query is interrupted after its time.
    """
    timeout_s = min(query.timeout_s or settings.query_timeout_s, settings.query_timeout_s)
    rows_max = min(query.rows_max or settings.query_rows_max, settings.query_rows_max)
    reader = db.cursor()
    try:
        text, wraps = checked(reader, query.sql)
        with _clock(reader, timeout_s) as expired:
            try:
                position = _as_of(reader, query.as_of)
                reader.execute("BEGIN TRANSACTION READ ONLY")
                yield from _pieces(reader, text, wraps, query.params, rows_max, position)
            except duckdb.Error as error:
                if expired():
                    raise QueryFailed(reason=f"it took longer than {timeout_s:g} s") from error
                raise QueryFailed(reason=str(error).partition("\n\nLINE")[0]) from error
    finally:
        reader.close()


def _as_of(reader: "DuckDBPyConnection", as_of: int | None) -> int:
    """Make *as_of* the end of everything that the query sees, and return how far the store has come."""
    if as_of is not None:
        at = min(max(as_of, 0), INT_MAX)
        reader.execute(f"SET VARIABLE as_of = {at}::UBIGINT")
        reader.execute(f"CREATE TEMP VIEW event AS SELECT * FROM main.event WHERE position <= {at}")
    row = reader.execute("SELECT max(watermark) FROM sink").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


@contextmanager
def _clock(reader: "DuckDBPyConnection", timeout_s: float) -> Iterator[Callable[[], bool]]:
    """Interrupt *reader* after *timeout_s*; yield whether that has happened."""
    rung = threading.Event()

    def ring() -> None:
        rung.set()
        reader.interrupt()

    timer = threading.Timer(timeout_s, ring)
    timer.daemon = True
    timer.start()
    try:
        yield rung.is_set
    finally:
        timer.cancel()


def _pieces(
    reader: "DuckDBPyConnection", text: str, wraps: bool, params: Sequence[Any], rows_max: int, position: int
) -> Iterator[Piece]:
    columns, types = _shape(reader, text, params, wraps)
    number, count, size, truncated = 1, 0, 0, False
    yield Head(0, columns, types)
    reader.execute(_projected(text, types) if wraps else text, list(params))
    broad = [index for index, kind in enumerate(types) if kind in BROAD]
    nested = [index for index, kind in enumerate(types) if _is_nested(kind)]
    waiting, waiting_bytes = list[list[Any]](), 0
    while not truncated and (batch := reader.fetchmany(FETCH_ROWS)):
        for values in batch:
            row = _clean(list(values), broad, nested)
            row_bytes = len(msgspec.json.encode(row))
            if count == rows_max or size + row_bytes > ANSWER_BYTES_MAX:
                truncated = True
                break
            if row_bytes > MESSAGE_BYTES_MAX - 1_000:
                raise QueryFailed(reason=f"row {count + 1} is larger than {MESSAGE_BYTES_MAX // 1024} KiB; select less of it")
            if waiting and waiting_bytes + row_bytes > MESSAGE_BYTES_MAX - 1_000:
                yield Rows(number, waiting)
                number, waiting, waiting_bytes = number + 1, [], 0
            waiting.append(row)
            waiting_bytes += row_bytes + 1
            count, size = count + 1, size + row_bytes
    if waiting:
        yield Rows(number, waiting)
        number += 1
    yield End(number, rows=count, truncated=truncated, position=position)


def _shape(
    reader: "DuckDBPyConnection", text: str, params: Sequence[Any], wraps: bool
) -> tuple[list[str], list[str]]:
    """Return the columns' names and DuckDB types, without running the query."""
    if not wraps:
        return ["explain_key", "explain_value"], ["VARCHAR", "VARCHAR"]
    described = reader.execute(f"SELECT * FROM (\n{text}\n) LIMIT 0", list(params)).description or []
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
    for index in nested:
        if row[index] is not None:
            row[index] = json.loads(row[index])
    return row
