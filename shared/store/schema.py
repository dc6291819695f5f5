"""The table and the views over it: SQL files beside this module, one a view."""

import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = 1
TABLES = "000_event.sql"


@cache
def scripts() -> dict[str, str]:
    """Return every SQL script by its file name, in order."""
    folder = resources.files("obra.shared.store").joinpath("sql")
    return {
        file.name: file.read_text() for file in sorted(folder.iterdir(), key=str) if file.name.endswith(".sql")
    }  # fmt: skip


def views() -> list[str]:
    """Return the names of the views, each of which is a table macro with the parameter `as_of` too."""
    return [name[4:].removesuffix(".sql") for name in scripts() if name != TABLES]


def digest() -> str:
    """Return what tells one set of views from another."""
    return hashlib.sha256("\0".join(scripts().values()).encode()).hexdigest()


def prepare(db: "DuckDBPyConnection") -> None:
    """Make the tables where they are missing, and the views where they are not those of this version."""
    db.execute(scripts()[TABLES])
    known = db.execute("SELECT views FROM sink").fetchone()
    if known == (digest(),):
        return
    db.begin()
    for script in scripts().values():
        db.execute(script)
    if known is None:
        db.execute("INSERT INTO sink VALUES (0, ?, ?)", [SCHEMA, digest()])
    else:
        db.execute("UPDATE sink SET views = ?", [digest()])
    db.commit()
