"""Proves that two stores are the same: every row, every view, and the stories folded from the events."""

from pathlib import Path
from typing import TYPE_CHECKING

from obra.shared.archive.audit import spans
from obra.shared.archive.columns import message
from obra.shared.archive.database import workbench
from obra.shared.envelope import Recorded
from obra.shared.store import opened
from obra.shared.store.schema import views
from obra.shared.story import Story, fold

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COLUMNS = (
    "position", "id", "project", "task", "type", "happened_at", "cause", "correlation", "service", "body", "raw",
    "hash", "problem", "stored_at",
)  # fmt: skip
VALUES = {name: name for name in COLUMNS} | {"body": "to_json(body)::VARCHAR"}
FETCH_ROWS = 5_000
MEANT = "to_json(to_json(v)::VARIANT)::VARCHAR"
"""A row such that JSON inside it compares by what it means, and not by how it is spelt."""
NOT_COMPARED = frozenset({"history"})
"""Rows of `event` that count; they are compared as rows."""


def difference(fresh: Path, live: Path, through: int) -> str:
    """Return the first thing in which the two stores differ as of position *through*, or nothing."""
    return _of_rows(fresh, live, through) or _of_views(fresh, live, through) or _of_stories(fresh, live, through)


def _of_rows(fresh: Path, live: Path, through: int) -> str:
    with workbench(fresh=fresh, live=live) as db:
        both = ("fresh", "live")
        bounds = [*dict.fromkeys(high for name in both for _, high in _spans(db, name)), through]
        low = 0
        for high in sorted({min(bound, through) for bound in bounds}):
            sums = [db.execute(_digest(name, low, high)).fetchone() for name in both]
            if sums[0] != sums[1]:
                return _first(db, low, high)
            low = high
    return ""


def _spans(db: "DuckDBPyConnection", name: str) -> list[tuple[int, int]]:
    db.execute(f"USE {name}")
    found = list(spans(db))
    db.execute("USE memory")
    return found


def _digest(name: str, low: int, high: int) -> str:
    values = ", ".join(f"coalesce({value}::VARCHAR, '')" for value in VALUES.values() if value not in ("raw", "hash"))
    return (
        f"SELECT count(*), bit_xor(hash(concat_ws(chr(0), {values}))), bit_xor(hash(raw)), bit_xor(hash(hash)) "
        f"FROM {name}.event WHERE position > {low} AND position <= {high}"
    )


def _first(db: "DuckDBPyConnection", low: int, high: int) -> str:
    rows = " UNION ALL ".join(
        f"SELECT '{name}' AS side, {', '.join(f'{value} AS {key}' for key, value in VALUES.items())} "
        f"FROM {name}.event WHERE position > {low} AND position <= {high}"
        for name in ("fresh", "live")
    )
    unequal = " OR ".join(f"count(DISTINCT {key}) + count(*) FILTER ({key} IS NULL) // 2 <> 1" for key in COLUMNS[1:])
    found = db.execute(
        f"SELECT position, count(*), any_value(side), "
        f"[{', '.join(f'count(DISTINCT {key})' for key in COLUMNS)}] FROM ({rows}) GROUP BY position "
        f"HAVING count(*) <> 2 OR {unequal} ORDER BY position LIMIT 1"
    ).fetchone()
    if found is None:
        return f"rows behind position {low:,} up to {high:,} differ"
    position, count, side, distinct = found
    if count == 1:
        return f"position {position:,} is only in the {'rebuilt' if side == 'fresh' else 'live'} store"
    column = next((name for name, number in zip(COLUMNS, distinct, strict=True) if number > 1), "a column")
    return f"position {position:,} differs in {column}"


def _of_views(fresh: Path, live: Path, through: int) -> str:
    sums = [_views(path, through) for path in (fresh, live)]
    different = [name for name in sums[0] if sums[0][name] != sums[1].get(name)]
    return f"the view {different[0]} differs" if different else ""


def _views(path: Path, through: int) -> dict[str, object]:
    db = opened(path, read_only=True)
    try:
        return {
            name: db.execute(f"SELECT count(*), bit_xor(hash({MEANT})) FROM {name}(as_of := {through}) v").fetchone()
            for name in views()
            if name not in NOT_COMPARED
        }
    finally:
        db.close()


def _of_stories(fresh: Path, live: Path, through: int) -> str:
    told, known = stories(fresh, through), stories(live, through)
    for scope in sorted({*told, *known}):
        if told.get(scope) != known.get(scope):
            return f"the story of {'.'.join(scope)} differs"
    return ""


def stories(path: Path, through: int) -> dict[tuple[str, str], Story]:
    """Return the story of every task in the store *path* as of position *through*."""
    db = opened(path, read_only=True)
    found: dict[tuple[str, str], Story] = {}
    try:
        rows = db.execute(
            "SELECT position, project, task, type, raw FROM event WHERE position <= ? AND problem IS NULL "
            "ORDER BY position",
            [through],
        )
        while batch := rows.fetchmany(FETCH_ROWS):
            for row in batch:
                raw = message(*row)
                if raw.envelope:
                    scope = (raw.envelope.project, raw.envelope.task)
                    found[scope] = fold([Recorded(raw.position, raw.envelope)], found.get(scope))
    finally:
        db.close()
    return found
