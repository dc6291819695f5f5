"""The answer to a query as a Parquet file, each column of the type that it had in the store."""

import json
from itertools import chain, count
from pathlib import Path
from typing import Any

from obra.shared.archive.database import literal, workbench
from obra.shared.store.query import Table

BATCH_ROWS = 10_000
TEXTS = ("VARIANT", "JSON", "UNION", "ENUM", "BIT", "INTERVAL", "NULL", "TIME WITH", "BIGNUM", "GEOMETRY")
"""Types that Parquet has no form for, or that JSON lost: their columns are text."""


def write_parquet(table: Table, path: Path) -> None:
    """Write *table* to the file *path*. The values come as JSON has them, so each is cast back by DuckDB.

    What has no form in Parquet (VARIANT, JSON, UNION, ENUM, intervals) is written as text, nested values of it as JSON.
    Columns of one name are numbered, since a file can't have two. Raises `ArchiveFailed`, for a full disk say.
    """
    texts, forms = (
        [f"c{n}" for n in range(len(table.columns))],
        [_cast(f"c{n}", kind) for n, kind in enumerate(table.types)],
    )
    columns = ", ".join(
        f"{form} AS {_quoted(name)}" for form, name in zip(forms, _distinct(table.columns), strict=True)
    )
    with workbench() as db:
        db.execute(f"CREATE TABLE answer ({', '.join(f'{name} VARCHAR' for name in texts)})")
        taken = db.query_appender("INSERT INTO answer FROM appender_data", dict.fromkeys(texts, "VARCHAR"))
        for begin in range(0, len(table.rows), BATCH_ROWS):
            taken.append_rows([tuple(map(_text, row)) for row in table.rows[begin : begin + BATCH_ROWS]])
            taken.flush()
        db.execute(f"COPY (SELECT {columns} FROM answer) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)")


def _cast(column: str, kind: str) -> str:
    if any(text in kind for text in TEXTS):
        return column
    if kind == "BLOB":
        return f"unhex({column})"
    nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    return f"CAST({f'{column}::JSON' if nested else column} AS {kind})"


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _distinct(names: tuple[str, ...]) -> list[str]:
    """Return *names*, those that were there before with a number behind them; DuckDB doesn't tell capitals apart."""
    made, seen = list[str](), set[str]()
    for name in names:
        unique = next(one for one in chain([name], (f"{name}_{n}" for n in count(2))) if one.casefold() not in seen)
        seen.add(unique.casefold())
        made.append(unique)
    return made
