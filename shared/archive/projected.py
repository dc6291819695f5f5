"""Holds what the store derives from its events (typed fields, settled rows of views) against the events themselves."""

from typing import TYPE_CHECKING

from obra.shared.archive.columns import row_at
from obra.shared.archive.fault import Fault
from obra.shared.store.derived import POSITION_MAX, SETTLED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUSPECTS = """
SELECT coalesce(e.position, t.position), coalesce(e.id::VARCHAR, ''), coalesce(e.type, t.type),
    e.position IS NULL OR t.position IS NULL OR t.project IS DISTINCT FROM e.project
    OR t.task IS DISTINCT FROM e.task OR t.type IS DISTINCT FROM e.type OR t.service IS DISTINCT FROM e.service
    OR t.happened_at IS DISTINCT FROM e.happened_at
FROM (SELECT *, typed_body(body_json) AS said FROM event
    WHERE position > $1 AND position <= $2 AND problem IS NULL) e
FULL JOIN (FROM typed WHERE position > $1 AND position <= $2) t ON t.position = e.position
WHERE e.position IS NULL OR t.position IS NULL OR t.project IS DISTINCT FROM e.project
    OR t.task IS DISTINCT FROM e.task OR t.type IS DISTINCT FROM e.type OR t.service IS DISTINCT FROM e.service
    OR t.happened_at IS DISTINCT FROM e.happened_at OR CASE WHEN t.body IS NOT DISTINCT FROM e.said THEN false
    ELSE t.body IS DISTINCT FROM typed_body((TRY_CAST(TRY(decode(e.raw)) AS JSON)->'event')::VARCHAR) END
ORDER BY 1
"""
"""Rows of `typed` that their events do not say, spelt as the store spells JSON or as they came; some were redacted."""


def first_of_typed(db: "DuckDBPyConnection", low: int, high: int) -> Fault | None:
    """Return the first event above *low* up to *high* whose typed fields, which views read, are not its own."""
    for position, id_, kind, certain in db.execute(SUSPECTS, [low, high]).fetchall():
        if certain or not _as_it_came(db, position):
            detail = "the fields that views read are not its own; `obra replay` mends it"
            return Fault("altered", position, detail, id_, kind)
    return None


def _as_it_came(db: "DuckDBPyConnection", position: int) -> bool:
    """Return whether the typed fields at *position* are those of its message."""
    row = row_at(db, position)
    body = row.body.decode() if row and row.body is not None else None
    found = db.execute(
        "SELECT body IS NOT DISTINCT FROM typed_body(?) FROM typed WHERE position = ?", [body, position]
    ).fetchone()
    return found == (True,)


def first_of_settled(db: "DuckDBPyConnection") -> Fault | None:
    """Return a row of a view that was kept and is not what its events add up to."""
    upto = db.execute("SELECT max(position) FROM settling").fetchall()[0][0]
    kept = {view: (f"(SELECT * EXCLUDE (newest) FROM {view}_settled)", upto) for view in SETTLED}
    for view, (rows, end) in {"undone": ("taken_back", POSITION_MAX), **kept}.items():
        anew = f"SELECT to_json(v)::VARCHAR AS row, v.position FROM {view}_anew({end}, 0) v"
        stored = f"SELECT to_json(v)::VARCHAR AS row, v.position FROM {rows} v"
        found = db.execute(
            f"SELECT min(position) FROM ((({stored}) EXCEPT ({anew})) UNION ALL (({anew}) EXCEPT ({stored})))"
        ).fetchone()
        if found and found[0] is not None:
            detail = f"what is kept of it for the view {view} is not what the events say; `obra replay` mends it"
            return Fault("altered", int(found[0]), detail)
    return None
