"""`obra inbox`: what waits for a person."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import rows
from obra.services.console.render.summary import obra_command
from obra.services.console.render.text import count, duration, one_line

REASONS_SHOWN = 6
QUESTION_LINES_SHOWN = 12


@click.command(short_help="List what waits for a person.")
@in_project
@as_json()
@placed
def inbox(place: Place, project: str | None, json_: bool) -> int:
    """List what waits for a person, the most severe first, and of those the oldest."""
    items = [row for row in asyncio.run(rows(place, "SELECT * FROM inbox")) if not project or row["project"] == project]
    if json_:
        click.echo(json.dumps({"waiting": items}, default=str))
        return 0
    for line in told(items, datetime.now(UTC)):
        click.echo(line)
    return 0


def told(items: list[dict[str, Any]], now: datetime) -> Iterator[str]:
    """Yield what a person reads; *now* is what ages are counted to."""
    if not items:
        yield "nothing waits for a person"
        return
    yield f"{count(len(items), 'thing')} waiting for a person:"
    for item in items:
        age_ms = (now - datetime.fromisoformat(item["since"])).total_seconds() * 1_000
        attempt = f", attempt {item['attempt']}" if item["attempt"] else ""
        yield ""
        yield f"{item['id'][:8]}  {item['task']}  {item['name']} ({item['severity']}, {duration(age_ms)} ago{attempt})"
        if item["text"]:
            yield f"  {one_line(item['text'], 100)}"
        for line in item["question"].splitlines()[:QUESTION_LINES_SHOWN]:
            yield f"  ? {one_line(line)}"
        for reason in item["reasons"][:REASONS_SHOWN]:
            yield f"  - {one_line(reason)}"
        yield f"  {how(item)}"


def how(item: dict[str, Any]) -> str:
    """Return the commands that resolve *item*."""
    obra = obra_command()
    if item["kind"] == "question":
        return f"{obra} answer {item['task']} 'TEXT'   (or say, approve, reject, retry, take-over)"
    return f"{obra} approve|reject|retry|take-over {item['task']}"
