"""What the store derives from the rows of `event`, in the same file.

That is typed fields, what rollbacks undid, and rows of views that are settled. All can be thrown away and made anew.
The first two move with the rows, in their transaction; the settled rows follow in long steps, since a view works out by
itself what was not settled yet. See docs/decisions/ for why and what it brings.
"""

from typing import TYPE_CHECKING

from obra.shared.store.incoming import BATCH

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SETTLE_EVERY = 4_000
"""Events: until they are settled, each question folds the tasks that they belong to, which costs it 1 ms for each 500.
To settle costs 0.2 s of processor time, of few events as of many."""
SETTLE_BEHIND = 1_000_000
"""The same while the store is far behind the stream: to settle takes long, however few there are."""
SETTLE_PART = 250
"""Of a longer log as much as one part in so many is unsettled: settling costs the same an event at any length."""
POSITION_MAX = 2**64 - 1
REBUILD_EVENTS = 1_000_000
RECENT = 20_000
"""Positions back in which nearly every event that is answered lies; the others are looked for in the whole log."""
SETTLED = ("task", "attempt", "wait", "prompt", "session", "goal", "calibration")
"""What keeps its rows: each has a macro `NAME_anew` and a table `NAME_settled`."""

_TYPE = """
INSERT INTO typed WITH answered AS (
    SELECT id, min(position) AS position, arg_min(type, position) AS type, arg_min(happened_at, position) AS at_first
    FROM event WHERE position > ? AND id IN (SELECT cause FROM {source} WHERE cause IS NOT NULL) GROUP BY id
)
SELECT b.position, b.project, b.task, b.type, b.happened_at, b.service, a.type,
    epoch_us(b.happened_at) - epoch_us(a.at_first), typed_body(b.body_json)
FROM {source} b LEFT JOIN answered a ON a.id = b.cause AND a.position < b.position
WHERE b.problem IS NULL
"""
_ROLLED = "type = 'task.rolled_back' AND position > ? AND position <= ?"
_FAR = f"""
SELECT 1 FROM {BATCH} b ANTI JOIN (SELECT id FROM event WHERE position > ?) c ON c.id = b.cause
WHERE b.cause IS NOT NULL LIMIT 1
"""


def type_batch(db: "DuckDBPyConnection", watermark: int) -> None:
    """Add to `typed` what was let in and was added to `event`; *watermark* is the last position before it."""
    recent = max(0, watermark - RECENT)
    far = db.execute(_FAR, [recent]).fetchall()
    db.execute(_TYPE.format(source=BATCH), [0 if far else recent])


def type_all(db: "DuckDBPyConnection") -> None:
    """Fill an empty `typed` from `event`."""
    for low, high in _steps(db, 0):
        source = f"(FROM event WHERE position > {low} AND position <= {high})"
        db.execute(_TYPE.format(source=source), [0])


def take_back_all(db: "DuckDBPyConnection") -> None:
    """Fill an empty `taken_back` from `typed`."""
    for low, high in _steps(db, 0):
        take_back(db, low, high)


def take_back(db: "DuckDBPyConnection", since: int, upto: int = POSITION_MAX) -> None:
    """Keep what is undone, and as of when, in the tasks that were rolled back between two positions."""
    rolled = f"SELECT DISTINCT project, task FROM typed WHERE {_ROLLED}"
    if db.execute(f"{rolled} LIMIT 1", [since, upto]).fetchall():
        db.execute(f"DELETE FROM taken_back USING ({rolled}) m WHERE {_same('taken_back')}", [since, upto])
        db.execute(f"INSERT INTO taken_back FROM undone_anew({upto}, {since})")


def unsettled(db: "DuckDBPyConnection", watermark: int, events_min: int) -> bool:
    """Return whether *events_min* events up to *watermark*, or that part of a long log, are not settled."""
    return watermark - _settled(db) >= max(events_min, watermark // SETTLE_PART)


def settle(db: "DuckDBPyConnection") -> None:
    """Keep the rows of the views in `SETTLED` as of the newest position; in a transaction of the caller's."""
    for since, upto in _steps(db, _settled(db)):
        _settle(db, since, upto)


def _settled(db: "DuckDBPyConnection") -> int:
    """Return the position up to which rows are settled."""
    ((position,),) = db.execute("SELECT position FROM settling").fetchall()
    return int(position)


def _settle(db: "DuckDBPyConnection", since: int, upto: int) -> None:
    """Put the rows of all tasks that moved between two positions in the place of those kept before."""
    db.execute(f"""
        CREATE OR REPLACE TEMP TABLE moves AS
        SELECT project, task, min(position) AS first, max(position) AS newest FROM moved({upto}, {since}) GROUP BY ALL
    """)
    for view in SETTLED:
        rows = f"SELECT r.*, m.newest FROM {view}_anew({upto}, {since}) r JOIN moves m USING (project, task)"
        db.execute(f"CREATE OR REPLACE TEMP TABLE settles AS {rows}")
        db.execute(f"DELETE FROM {view}_settled USING moves m WHERE {_same(f'{view}_settled')}")
        db.execute(f"INSERT INTO {view}_settled FROM settles")
    db.execute(f"DELETE FROM settled USING moves m WHERE {_same('settled')}")
    db.execute("INSERT INTO settled FROM moves")
    db.execute("DROP TABLE moves")
    db.execute("DROP TABLE settles")
    db.execute("UPDATE settling SET position = ?", [upto])


def _same(table: str) -> str:
    return f"{table}.project = m.project AND {table}.task = m.task"


def _steps(db: "DuckDBPyConnection", since: int) -> list[tuple[int, int]]:
    """Return the ranges of positions behind *since* that are worked through one after the other."""
    ((first, last),) = db.execute(
        "SELECT min(position), max(position) FROM event WHERE position > ?", [since]
    ).fetchall()
    if first is None:
        return []
    return [(low, min(low + REBUILD_EVENTS, last)) for low in range(first - 1, last, REBUILD_EVENTS)]
