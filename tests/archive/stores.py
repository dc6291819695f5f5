"""Stores to tamper with, and a hand that tampers."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from obra.shared.archive.audit import Audit, audited
from obra.shared.bus import Raw
from obra.shared.store import Store, opened
from obra.shared.store.row import row_of
from tests.recorded import message, simulated

SEEDS = range(4)


def spaced(raws: Sequence[Raw]) -> list[Raw]:
    """Return *raws* with a gap of one position before each, as timers leave them."""
    return [message(2 * raw.position, raw.subject, raw.data) for raw in raws]


def made(path: Path, raws: Sequence[Raw] | None = None) -> list[Raw]:
    """Make the store *path* of *raws*, else of some simulated tasks, and return them."""
    raws = simulated(SEEDS) if raws is None else list(raws)
    store = Store(path)
    if raws:
        store.append([row_of(raw) for raw in raws])
    store.close()
    return list(raws)


def tamper(path: Path, *statements: str) -> None:
    """Run SQL on the file, as somebody with access to it and no scruples does."""
    db = duckdb.connect(path)
    for statement in statements:
        db.execute(statement)
    db.close()


def audit(path: Path) -> Audit:
    db = opened(path, read_only=True)
    try:
        return audited(db)
    finally:
        db.close()


def rewritten(path: Path, position: int, old: str, new: str) -> None:
    """Change a message and recompute every hash from there on, columns included: the chain is whole again."""
    store = opened(path)
    rows = store.execute("SELECT position, project, task, type, raw FROM event ORDER BY position").fetchall()
    store.close()
    raws = [
        message(at, f"obra.{project}.{task}.{kind}", raw.replace(old.encode(), new.encode()) if at == position else raw)
        for at, project, task, kind, raw in rows
    ]
    path.unlink()
    made(path, raws)
