"""`obra inbox`: what waits for a person."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import LAST, answered, reading
from obra.services.console.render.paused import PAUSED, paused
from obra.services.console.render.summary import obra_command
from obra.services.console.render.text import count, duration, one_line, page

REASONS_SHOWN = 6
QUESTION_LINES_SHOWN = 12
OF_PLANS = {"plan_review": "approve|reject|retry", "plan_needed": "reject|retry"}
"""What of a goal waits with its plan, and the words that settle it."""


@click.command(short_help="List what waits for a person.")
@in_project
@as_json()
@placed
def inbox(place: Place, project: str | None, json_: bool) -> int:
    """List what waits for a person, the most severe first, and of those the oldest."""
    items, projects = asyncio.run(_found(place, project))
    if json_:
        click.echo(json.dumps({"waiting": items}, default=str))
        return 0
    if items or not projects:
        page(told(items, datetime.now(UTC), place.settings.project))
    page(paused(projects))
    return 0


async def _found(place: Place, project: str | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what waits, and the projects that are paused."""
    async with reading(place) as reader:
        found = [await answered(reader, query) for query in ("FROM inbox", PAUSED.format(at=LAST))]
    items, projects = ([row for row in rows if project in (None, row["project"])] for rows in found)
    return items, projects


def told(items: list[dict[str, Any]], now: datetime, project: str) -> Iterator[str]:
    """Yield what a person reads; *now* is what ages are counted to, *project* the one that need not be named."""
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
        where = "" if item["project"] == project else f" --project {item['project']}"
        yield from (f"  {obra_command()} {command}" for command in how(item, where))


def how(item: dict[str, Any], where: str) -> Iterator[str]:
    """Yield what to say to `obra` to see the work that *item* is about, and to settle it."""
    task = item["task"] + where
    if item["name"] == "milestone":
        yield f"approve|reject {item['id'][:8]}{where}"
    elif item["name"] in OF_PLANS:
        yield f"goal edit {task} --plan FILE"
        yield f"{OF_PLANS[item['name']]} {task}"
    else:
        if item["attempt"]:
            yield f"diff {task} --from attempt:0"
        answer = f"answer {task} 'TEXT'   (or say, approve, reject, retry, take-over)"
        yield answer if item["kind"] == "question" else f"approve|reject|retry|take-over {task}"
