"""`obra events`: the event tailer."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import click

from obra.services.console.main import STARTED_NS
from obra.services.console.options import Place, placed
from obra.services.console.reading import reading
from obra.services.console.render.line import Line
from obra.services.console.render.text import clean
from obra.services.console.render.words import lines
from obra.services.console.selection import Selection, bound, happened, place
from obra.shared.bus import Raw

LOOK_BACK = 1_000


@click.command(short_help="List events, or follow them as they happen.")
@click.option("--follow", "-f", is_flag=True, help="Go on with each new event; from now on, unless --since is given.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object a line.")
@click.option("--task", default="", metavar="GLOB", help="Only of such tasks: a name, or a glob like 'shop-*'.")
@click.option("--project", default="", metavar="GLOB", help="Only of such projects. [default: all]")
@click.option("--type", "types", multiple=True, metavar="GLOB", help="Only such types, like 'attempt.*'. Repeatable.")
@click.option("--since", metavar="WHEN", help="From this position or time on: 42, 2026-01-31T14:00, 10m (ago).")
@click.option("--until", metavar="WHEN", help="Up to this position or time.")
@placed
def events(place: Place, follow: bool, json_: bool, since: str | None, until: str | None, **only: Any) -> int:
    """List events, or follow them as they happen.

    While Obra runs, they come from its stream; while nothing runs, from the store. --follow keeps Obra running.
    """
    now = datetime.now(UTC)
    selection = Selection(since=bound(since, now, "--since"), until=bound(until, now, "--until"), **only)
    try:
        asyncio.run(_print(place, selection, follow=follow, json_=json_))
    except KeyboardInterrupt:
        return 0 if follow else 130
    return 0


async def _print(place: Place, selection: Selection, *, follow: bool, json_: bool) -> None:
    show = as_json if json_ else in_words
    async with contextlib.aclosing(_follow(place, selection) if follow else _list(place, selection)) as raws:
        async for raw in raws:
            click.echo(show(raw))


async def _list(place: Place, selection: Selection) -> AsyncGenerator[Raw, None]:
    async with reading(place) as reader, contextlib.aclosing(reader.events(selection)) as raws:
        async for raw in raws:
            yield raw


async def _follow(place: Place, selection: Selection) -> AsyncGenerator[Raw, None]:
    """Yield from the wanted beginning on, which is the moment this command was called unless --since says other."""
    async with place.obra() as obra:
        after = selection.after
        if selection.since is None:
            after = max(0, await obra.joined.bus.last_position() - LOOK_BACK)
        async with contextlib.aclosing(obra.events(after, selection.subjects)) as raws:
            async for raw in raws:
                if selection.past(raw):
                    return
                called = selection.since is not None or raw.stored_at_ns >= STARTED_NS
                if called and selection.holds(raw):
                    yield raw


def as_json(raw: Raw) -> str:
    """Return *raw* as the documented object on one line; the event is as it was stored."""
    (project, task), type_ = place(raw)
    stored = json.loads(raw.data) if raw.envelope else {}
    told = {
        "position": raw.position, "id": stored.get("id"), "project": project, "task": task, "type": type_,
        "at": stored.get("at") or happened(raw).isoformat(), "cause": stored.get("cause"),
        "correlation": stored.get("correlation"), "service": stored.get("service", ""), "event": stored.get("event"),
    }  # fmt: skip
    if raw.problem:
        told["problem"] = raw.problem
    return json.dumps(told, ensure_ascii=False)


def in_words(raw: Raw) -> str:
    """Return *raw* on one line for a person."""
    (_, task), type_ = place(raw)
    at = happened(raw).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    told = lines(raw.envelope.event) if raw.envelope else [Line(f"unreadable: {raw.problem}")]
    first = next((line.text for line in told if not line.detail), told[0].text if told else "")
    return clean(f"{raw.position:>7}  {at}  {task:<28}  {type_:<24}  {first}".rstrip())
