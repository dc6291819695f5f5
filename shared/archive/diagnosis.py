"""Says what happened to the row at which a chain of hashes breaks, from what stands around it."""

from typing import TYPE_CHECKING

from obra.shared.archive.columns import differing
from obra.shared.archive.fault import Fault
from obra.shared.store.chain import link

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FETCH_ROWS = 1_000


def diagnosed(db: "DuckDBPyConnection", previous: bytes, after: int, row: tuple[int, bytes, bytes]) -> Fault:
    """Return the fault of *row* (position, bytes, hash), the first that does not follow from *previous* at *after*.

    A hash can't tell by itself whether the row was altered or one before it removed; its columns, its neighbours
    and the gap in the positions do.
    """
    position, _, stored = row
    id_, kind = _named(db, position)
    following = _following(db, position)
    if position <= after:
        return Fault("inserted", position, "two events hold this position", id_, kind)
    if following and link(previous, following[0], following[1]) == following[2]:
        detail = f"without it the chain goes on from {after:,} to {following[0]:,}"
        return Fault("inserted", position, detail, id_, kind)
    if other := _belongs(db, previous, position, stored):
        return Fault("reordered", position, f"the event that belongs here stands at position {other:,}", id_, kind)
    if wrong := differing(db, position):
        return Fault("altered", position, f"{wrong} is not that of its message", id_, kind)
    if position > after + 1 and (not following or link(stored, following[0], following[1]) == following[2]):
        span = f"position {after + 1:,}" if position == after + 2 else f"positions {after + 1:,} to {position - 1:,}"
        detail = f"at least one event is gone from {span}, or this event's bytes and columns were changed together"
        return Fault("missing", position, detail, id_, kind)
    return Fault("altered", position, "its hash does not follow from its message and the one before it", id_, kind)


def _named(db: "DuckDBPyConnection", position: int) -> tuple[str, str]:
    found = db.execute(
        "SELECT coalesce(id::VARCHAR, ''), coalesce(type, '') FROM event WHERE position = ?", [position]
    ).fetchone()
    return (str(found[0]), str(found[1])) if found else ("", "")


def _following(db: "DuckDBPyConnection", position: int) -> tuple[int, bytes, bytes] | None:
    return db.execute(
        "SELECT position, raw, hash FROM event WHERE position > ? ORDER BY position LIMIT 1", [position]
    ).fetchone()


def _belongs(db: "DuckDBPyConnection", previous: bytes, position: int, stored: bytes) -> int:
    """Return the position of the row that would carry on the chain at *position*, 0 if there is none."""
    rows = db.execute("SELECT position, raw, hash FROM event WHERE position <> ? ORDER BY position", [position])
    while batch := rows.fetchmany(FETCH_ROWS):
        for other, raw, hashed in batch:
            if link(previous, position, raw) in (hashed, stored):
                return int(other)
    return 0
