"""Proves that a store is as it was written: the chain of hashes, and every column against the bytes beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from obra.shared.archive.columns import first_that_differs
from obra.shared.archive.diagnosis import diagnosed
from obra.shared.archive.fault import Fault
from obra.shared.archive.projected import first_of_settled, first_of_typed
from obra.shared.errors import BadUsage
from obra.shared.store.chain import GENESIS, link

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SPAN_ROWS = 50_000
FETCH_ROWS = 5_000

Progress = Callable[[int, int], None]
"""Told how many of how many rows are done."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found: ``events`` rows up to position ``through`` whose chain ends in ``head``, or the first fault."""

    events: int
    through: int
    head: bytes
    fault: Fault | None = None


def audited(db: "DuckDBPyConnection", progress: Progress = lambda done, total: None) -> Audit:
    """Return whether the store behind *db* is unaltered. It reads every row once, in order, in bounded memory.

    The chain alone would miss a column that disagrees with its message, which is what SQL reads: so each column is
    held against the bytes, too, and what is derived from them for views against both.
    """
    total, previous, after, done = _count(db), GENESIS, 0, 0
    for low, high in spans(db):
        columns = first_that_differs(db, low, high)
        rows = db.execute(
            "SELECT position, raw, hash FROM event WHERE position > ? AND position <= ? ORDER BY position", [low, high]
        )
        while batch := rows.fetchmany(FETCH_ROWS):
            for position, raw, stored in batch:
                if link(previous, position, raw) != stored or position <= after:
                    fault = diagnosed(db, previous, after, (position, raw, stored))
                    return Audit(done, after, previous, _earlier(columns, fault))
                if columns and columns.position == position:
                    return Audit(done, after, previous, columns)
                previous, after, done = stored, position, done + 1
        if typed := first_of_typed(db, low, high):
            return Audit(done, after, previous, typed)
        progress(done, total)
    return Audit(done, after, previous, _cut(db, after) or first_of_settled(db))


def spans(db: "DuckDBPyConnection", after: int = 0) -> Iterator[tuple[int, int]]:
    """Yield bounds (above, up to) that cut the rows behind position *after* into pieces of bounded size."""
    found = db.execute(
        """
        SELECT position FROM (
            SELECT position, row_number() OVER (ORDER BY position) AS number, count(*) OVER () AS total
            FROM event WHERE position > ?
        ) WHERE number % ? = 0 OR number = total ORDER BY position
        """,
        [after, SPAN_ROWS],
    ).fetchall()
    low = after
    for (high,) in found:
        yield low, high
        low = high


def _count(db: "DuckDBPyConnection") -> int:
    row = db.execute("SELECT count(*) FROM event").fetchone()
    return int(row[0]) if row else 0


def _earlier(one: Fault | None, other: Fault) -> Fault:
    return one if one and one.position < other.position else other


def _cut(db: "DuckDBPyConnection", last: int) -> Fault | None:
    """Return that the log ends before the position that was noted as its end."""
    row = db.execute("SELECT max(watermark) FROM sink").fetchone()
    watermark = int(row[0] or 0) if row else 0
    if watermark == last:
        return None
    detail = f"the store was written up to position {watermark:,}, but its last event stands at {last:,}"
    return Fault("cut", last, detail) if last < watermark else Fault("inserted", last, detail)


def head_of(path: Path) -> tuple[int, bytes]:
    """Return position and hash of the newest row of the store *path*; `BadUsage` where it holds nothing."""
    from obra.shared.store import opened  # noqa: PLC0415 - DuckDB

    db = opened(path, read_only=True)
    try:
        row = db.execute("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1").fetchone()
    finally:
        db.close()
    if row is None:
        raise BadUsage(problem="nothing has happened yet: the store is empty")
    return int(row[0]), bytes(row[1])
