"""The table and the views over it: SQL files beside this module, one a view."""

import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from obra.shared.store.derived import SETTLED, settle, take_back_all, type_all

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = 2
TABLES, TYPED = "000_event.sql", "005_typed.sql"
VIEWS_FROM = "100"
"""Scripts of a lower number prepare for the views; of them only `history` is one."""


@cache
def scripts() -> dict[str, str]:
    """Return every SQL script by its file name, in order."""
    folder = resources.files("obra.shared.store").joinpath("sql")
    return {
        file.name: file.read_text() for file in sorted(folder.iterdir(), key=str) if file.name.endswith(".sql")
    }  # fmt: skip


def views() -> list[str]:
    """Return the names of the views, each of which is a table macro with the parameter `as_of` too."""
    return [name[4:].removesuffix(".sql") for name in scripts() if name >= VIEWS_FROM or "history" in name]


def digest(*names: str) -> str:
    """Return what tells one set of scripts from another."""
    return hashlib.sha256("\0".join(scripts()[name] for name in names or scripts()).encode()).hexdigest()


def prepare(db: "DuckDBPyConnection") -> None:
    """Make the tables where they are missing, and what is derived of them where it is not that of this version.

    After an update of Obra that changes what views read, that takes some seconds for a million events.
    """
    db.execute(scripts()[TABLES])
    known = db.execute("SELECT views FROM sink").fetchone()
    if known == (digest(),):
        return
    db.begin()
    typed = db.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'typed'").fetchone()
    if fresh := typed != (digest(TYPED),):
        db.execute(scripts()[TYPED])
        _declare(db, "typed")
        db.execute(f"COMMENT ON TABLE typed IS '{digest(TYPED)}'")
    for name, script in scripts().items():
        if name not in (TABLES, TYPED):
            db.execute(script)
    for table in ("taken_back", *(f"{view}_settled" for view in SETTLED)):
        _declare(db, table)
    if fresh:
        type_all(db)
    take_back_all(db)
    settle(db)
    if known is None:
        db.execute("INSERT INTO sink VALUES (0, ?, ?)", [SCHEMA, digest()])
    else:
        db.execute("UPDATE sink SET views = ?", [digest()])
    db.commit()


def _declare(db: "DuckDBPyConnection", table: str) -> None:
    """Make the empty *table* anew by its columns, and no longer by a query.

    DuckDB 2.0 believes a table to be empty that a query has made and the same transaction fills in bulk: until the
    next checkpoint every filter on it finds nothing.
    """
    columns = db.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns)
    db.execute(f"CREATE OR REPLACE TABLE {table} ({listed})")
