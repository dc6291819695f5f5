"""Holds the columns that SQL reads against the message's own bytes beside them."""

from typing import TYPE_CHECKING, Any

from obra.shared.archive.fault import Fault
from obra.shared.bus import Raw
from obra.shared.bus.message import raw_of
from obra.shared.envelope import decode, type_of
from obra.shared.errors import Undecodable
from obra.shared.store.row import Row, row_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUSPECTS = """
SELECT position FROM (
    SELECT *, from_json(TRY_CAST(TRY(decode(raw)) AS JSON), '{
        "id": "UUID", "project": "VARCHAR", "task": "VARCHAR", "at": "TIMESTAMPTZ", "cause": "UUID",
        "correlation": "UUID", "service": "VARCHAR", "event": "JSON"
    }') AS said FROM event WHERE position > ? AND position <= ?
) WHERE problem IS NOT NULL OR said IS NULL OR id IS DISTINCT FROM said.id
    OR project IS DISTINCT FROM said.project OR task IS DISTINCT FROM said.task
    OR type IS DISTINCT FROM (said.event->>'type') OR happened_at IS DISTINCT FROM said."at"
    OR cause IS DISTINCT FROM said.cause OR correlation IS DISTINCT FROM said.correlation
    OR service IS DISTINCT FROM coalesce(said.service, '') OR body_json IS DISTINCT FROM said.event::VARCHAR
ORDER BY position
"""
"""Rows that a plain reading of their bytes does not explain: foreign messages, redacted ones, altered ones."""

STORED = """
SELECT project, task, type, raw, epoch_us(stored_at), id::VARCHAR, epoch_us(happened_at), cause::VARCHAR,
    correlation::VARCHAR, service, problem IS NULL,
    body_json IS NOT DISTINCT FROM $1
    OR coalesce(to_json(body)::VARCHAR = to_json(TRY_CAST($1 AS JSON)::VARIANT)::VARCHAR, false)
FROM event WHERE position = $2
"""


def first_that_differs(db: "DuckDBPyConnection", low: int, high: int) -> Fault | None:
    """Return the first row above *low* up to *high* with a column that its message does not say."""
    for (position,) in db.execute(SUSPECTS, [low, high]).fetchall():
        if wrong := differing(db, position):
            named = db.execute(
                "SELECT coalesce(id::VARCHAR, ''), coalesce(type, '') FROM event WHERE position = ?", [position]
            ).fetchone()
            return Fault("altered", position, f"{wrong} is not that of its message", *(named or ("", "")))
    return None


def differing(db: "DuckDBPyConnection", position: int) -> str:
    """Return the column of the row at *position* that its message does not say, or nothing."""
    row = row_at(db, position)
    if row is None:
        return "problem" if _holds(db, position) else ""
    body = row.body.decode() if row.body is not None else None
    stored = db.execute(STORED, [body, position]).fetchone()
    assert stored
    return next((name for name, same in _compared(row, stored) if not same), "")


def row_at(db: "DuckDBPyConnection", position: int) -> Row | None:
    """Return the row that the message at *position* makes; None where it is none, or claims to be an event."""
    place = db.execute("SELECT project, task, type, raw, problem FROM event WHERE position = ?", [position]).fetchone()
    if place is None:
        return None
    project, task, kind, raw, problem = place
    if problem is None:  # the columns are what is in doubt: an event says by itself where it belongs
        try:
            envelope = decode(raw)
        except Undecodable:
            return None
        project, task, kind = envelope.project, envelope.task, type_of(envelope)
    return row_of(message(position, project, task, kind, raw))


def _holds(db: "DuckDBPyConnection", position: int) -> bool:
    return db.execute("SELECT 1 FROM event WHERE position = ?", [position]).fetchone() is not None


def _compared(row: Row, stored: tuple[Any, ...]) -> list[tuple[str, bool]]:
    project, task, kind, _, _, id_, happened_us, cause, correlation, service, readable, body = stored
    return [
        ("problem", readable == (row.problem is None)),
        ("id", id_ == row.id), ("project", project == row.project), ("task", task == row.task),
        ("type", kind == row.type), ("happened_at", happened_us == row.happened_us), ("cause", cause == row.cause),
        ("correlation", correlation == row.correlation), ("service", service == row.service),
        ("body", body),
    ]  # fmt: skip


def message(position: int, project: str | None, task: str | None, kind: str, raw: bytes, stored_us: int = 0) -> Raw:
    """Return a stored row as the message that it was."""
    subject = f"obra.{kind}" if project is None else f"obra.{project}.{task}.{kind}"
    return raw_of(position, subject, raw, stored_us * 1_000)
