"""`obra diff`: what changed in a task between two points."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import position_in, reading
from obra.services.console.render.table import grid
from obra.services.console.render.text import clean, one_line, page
from obra.shared.difference import Difference, compare
from obra.shared.difference import as_json as difference_as_json


@click.command(short_help="Show what changed in a task between two points.")
@click.argument("task")
@click.option(
    "--from",
    "before",
    required=True,
    metavar="POINT",
    help="A position, attempt:N (its end; 0: before the first), a time.",
)
@click.option("--to", "after", metavar="POINT", help="The same. [default: now]")
@click.option("--stat", is_flag=True, help="List the files that differ, without their lines.")
@in_project
@as_json()
@placed
def diff(place: Place, task: str, before: str, after: str | None, stat: bool, project: str | None, json_: bool) -> int:
    """Show what changed in TASK between two points: its state, what was decided, and its files."""
    found = asyncio.run(_diff(place, task, project, before, after))
    if json_:
        click.echo(json.dumps(difference_as_json(found, patch=not stat)))
        return 0
    page(told(found, stat=stat))
    return 0


async def _diff(place: Place, task: str, project: str | None, before: str, after: str | None) -> Difference:
    scope, now = place.scope(task, project), datetime.now(UTC)
    async with reading(place) as reader:
        past = await reader.past(scope)
        a = await position_in(reader, past, before, now, "--from")
        b = past[-1].position if after is None else await position_in(reader, past, after, now, "--to")
        return await asyncio.to_thread(compare, place.home, scope, past, a, b)


def told(found: Difference, *, stat: bool) -> Iterator[str]:
    """Yield what a person reads; the patch as git shows it."""
    yield f"from position {found.before.position} to {found.after.position}"
    for name, (was, now) in found.state.items():
        yield f"  {name}: {_value(was)} -> {_value(now)}"
    for position, made in found.decisions:
        why = f": {one_line('; '.join(made.reasons), 200)}" if made.reasons else ""
        yield f"  {position}: {made.action} after attempt {made.attempt}{why}"
    if found.problem:
        yield f"files: {found.problem}"
    elif not found.files:
        yield "files: none differ"
    else:
        rows = [
            [file.kind, _lines(file.added, "+"), _lines(file.deleted, "-"), clean(file.path)] for file in found.files
        ]
        yield from grid(["files", "", "", "path"], rows)
        if not stat:
            yield ""
            yield clean(found.patch).rstrip("\n")


def _value(value: Any) -> str:
    text = "; ".join(value) if isinstance(value, tuple) else str(value)
    return one_line(text, 200) or "(none)"


def _lines(number: int, sign: str) -> str:
    return "binary" if number < 0 else f"{sign}{number}"
