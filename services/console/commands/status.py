"""`obra status`: what runs, what waits for a person, what is lacking."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from obra.services.console.options import Place, as_json, as_of, placed
from obra.services.console.reading import LAST, OVER, Reader, answered, newest, reading
from obra.services.console.render.paused import PAUSED, paused
from obra.services.console.render.summary import obra_command
from obra.services.console.render.table import grid
from obra.services.console.render.text import count, one_line, page
from obra.shared.client import Orchestrator
from obra.shared.moment import point_of
from obra.shared.services import NAMES
from obra.shared.story import RESTING

COUNTS = "SELECT status, count(*) AS tasks FROM task(as_of := {at}) GROUP BY status"
OPEN = """
    SELECT project, task, status, attempts, text FROM task(as_of := {at})
    WHERE status NOT IN {over} ORDER BY position DESC LIMIT 200
"""
GOALS = """
    SELECT project, goal, status, tasks, completed, text FROM goal(as_of := {at})
    WHERE ended_at IS NULL ORDER BY position DESC LIMIT 50
"""
LACKING = """
    SELECT position, project, task, happened_at, what, reason FROM error(as_of := {at})
    WHERE type IN ('service.degraded', 'message.rejected', 'message.dead_lettered')
        AND happened_at > {now} - INTERVAL 1 DAY ORDER BY position DESC LIMIT 10
"""
MOMENT = "SELECT coalesce(max(happened_at), now()) FROM event WHERE position <= {at}"
BY_THEN = "SELECT coalesce(max(position), 0) AS position FROM event WHERE happened_at <= '{moment}'::TIMESTAMPTZ"


@click.command(short_help="Say what runs, what waits for a person and what is lacking.")
@as_of("The tasks as they were at a position or a time (2026-01-31T14:00, 10m for ago).")
@as_json()
@placed
def status(place: Place, as_of: str | None, json_: bool) -> int:
    """Say what runs, what waits for a person and what is lacking."""
    found = asyncio.run(_status(place, as_of))
    if json_:
        click.echo(json.dumps(found, default=str))
        return 0
    page(told(found, str(place.home.root)))
    return 0


async def _status(place: Place, as_of: str | None) -> dict[str, Any]:
    async with reading(place) as reader:
        live = reader.live if reader.live and not reader.live.joined.started else None  # not one that we ourselves keep
        at = None if as_of is None else await _position(reader, as_of)
        fill = {"at": LAST, "now": "now()"} if at is None else {"at": at, "now": f"({MOMENT.format(at=at)})"}
        return {
            "running": live is not None,
            "url": live.joined.url if live else "",
            "services": await _services(live) if live else [],
            "as_of": at,
            "tasks": {row["status"]: row["tasks"] for row in await answered(reader, COUNTS.format_map(fill))},
            "open": await answered(reader, OPEN.format_map({**fill, "over": OVER})),
            "goals": await answered(reader, GOALS.format_map(fill)),
            "paused": await answered(reader, PAUSED.format_map(fill)),
            "lacking": await answered(reader, LACKING.format_map(fill)),
        }


async def _position(reader: Reader, text: str) -> int:
    """Return the position that *text* names for everything together; `BadUsage` says what would do."""
    point = point_of(text, await newest(reader), datetime.now(UTC), "--as-of")
    if isinstance(point, int):
        return point
    rows = await answered(reader, BY_THEN.format(moment=point.isoformat()))
    return int(rows[0]["position"]) if rows else 0


async def _services(live: Orchestrator) -> list[dict[str, Any]]:
    from obra.shared.presence import present  # noqa: PLC0415 - nats-py, there already where something runs

    found = await present(live.joined.bus)
    return [{"service": p.service, "version": p.version, "host": p.host, "pid": p.pid} for p in found]


def told(found: dict[str, Any], home: str) -> Iterator[str]:
    """Yield what a person reads."""
    yield f"Obra runs on {home} ({found['url']})" if found["running"] else f"Obra does not run on {home}"
    if found["running"]:
        there = Counter(service["service"] for service in found["services"])
        yield "services: " + ", ".join(f"{n} {name}" if n > 1 else name for name, n in sorted(there.items()))
        if missing := [name for name in NAMES if name not in there]:
            yield f"not there: {', '.join(missing)}"
    if found["as_of"] is not None:
        yield f"as of position {found['as_of']:,}:"
    counts = ", ".join(f"{n:,} {status}" for status, n in sorted(found["tasks"].items()))
    yield f"tasks: {counts or 'none yet; `' + obra_command() + ' demo` shows one'}"
    yield from paused(found["paused"])
    waiting = [task for task in found["open"] if task["status"] in RESTING]
    going = [task for task in found["open"] if task["status"] not in RESTING]
    if going:
        yield _open(found)
        rows = [[t["task"], t["status"], t["attempts"], one_line(t["text"], 60)] for t in going]
        yield from grid(["task", "status", "attempts", "text"], rows)
    if waiting:
        yield f"\n{count(len(waiting), 'task')} waiting for a person (`{obra_command()} inbox` says what for):"
        for task in waiting:
            yield f"  {task['task']}  {one_line(task['text'], 60)}"
    yield from _goals(found["goals"])
    if found["lacking"]:
        yield "\nlacking in the last day:"
        yield from _lacking(found["lacking"])


def _lacking(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what was lacking, each thing once, with the newest of the tasks that lacked it."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        tasks.setdefault((row["what"], one_line(str(row["reason"]), 160)), []).append(row["task"])
    for (what, reason), named in tasks.items():
        others = f" and {count(len(named) - 1, 'other')}" if len(named) > 1 else ""
        yield f"  {named[0]}{others}: {what}: {reason}"


def _goals(goals: list[dict[str, Any]]) -> Iterator[str]:
    if goals:
        yield "\ngoals:"
        cells = [[g["goal"], g["status"], f"{g['completed']}/{g['tasks']}", one_line(g["text"], 60)] for g in goals]
        yield from grid(["goal", "status", "done", "text"], cells)


def _open(found: dict[str, Any]) -> str:
    if found["as_of"] is not None:
        return "\nopen then:"
    if found["running"]:
        return "\nopen:"
    return "\nopen (they go on when Obra runs: `obra up`, or `obra run --resume TASK`):"
