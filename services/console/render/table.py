"""Rows of a query as a table for people, or as JSON or CSV for programs."""

import csv
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click

from obra.services.console.render.text import clean, page
from obra.shared.store.query import Table

CELL_CHARS_MAX = 60
Row = Callable[[dict[str, Any]], Sequence[Any]]


def write(table: Table, form: str, stream: TextIO) -> None:
    """Write *table* as `table`, `json` (an array of objects) or `csv` to *stream*."""
    if form == "json":
        stream.write(json.dumps(table.records, default=_plain, ensure_ascii=False) + "\n")
    elif form == "csv":
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows([_cell(value) for value in row] for row in table.rows)
    else:
        for line in grid(table.columns, table.rows):
            stream.write(line + "\n")
        if getattr(table, "truncated", False):
            sys.stderr.write(f"obra: only the first {len(table.rows):,} rows; store.query_rows_max allows more\n")
    stream.flush()


def listed(found: Sequence[dict[str, Any]], columns: Sequence[str], cells: Row, *, none: str, json_: bool) -> int:
    """Print what was *found*, whole as JSON or as a table of *cells*; *none* where there is nothing. Return 0."""
    if json_:
        click.echo(json.dumps(found, default=str))
        return 0
    page(grid(columns, [cells(each) for each in found]) if found else [none])
    return 0


def grid(columns: Sequence[str], rows: Sequence[Sequence[Any]], wide: int | None = None) -> list[str]:
    """Return columns and rows, aligned, numbers to the right; a cell that is too long is cut and ends with `…`."""
    room = max(CELL_CHARS_MAX, (wide or shutil.get_terminal_size((160, 24)).columns) // max(1, len(columns)))
    cells = [[_short(_cell(value), room) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    right = [all(isinstance(row[i], int | float) or row[i] is None for row in rows) for i in range(len(columns))]

    def line(texts: Sequence[str], numbers: Sequence[bool]) -> str:
        padded = [t.rjust(w) if n else t.ljust(w) for t, w, n in zip(texts, widths, numbers, strict=True)]
        return "  ".join(padded).rstrip()

    ruler = "  ".join("-" * width for width in widths)
    return [line(list(columns), right), ruler, *(line(row, right) for row in cells)]


def _short(text: str, chars_max: int) -> str:
    flat = clean(text).replace("\n", " ").replace("\t", " ")
    return flat if len(flat) <= chars_max else flat[: chars_max - 1] + "…"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | dict | list | tuple):
        return json.dumps(_plain(value) if isinstance(value, bytes) else value, default=_plain, ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    """Return what JSON has no form for: bytes as text, everything else as it prints."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
