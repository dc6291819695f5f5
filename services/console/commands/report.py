"""`obra report`: what happened since yesterday evening, what it cost, what waits, and what to do now."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from obra.services.console.options import Place, as_json, placed
from obra.services.console.reading import LAST, OVER, Reader, answered, newest, reading
from obra.services.console.render.paused import PAUSED
from obra.services.console.render.report import told
from obra.services.console.render.text import page
from obra.shared.errors import ObraError
from obra.shared.moment import point_of

SINCE = "12h"

ENDED = f"""
    SELECT project, task, status, attempts, branch, repo, cost_usd, reasons, text, ended_at FROM task
    WHERE ended_at >= $since AND status IN {OVER} AND $mine ORDER BY ended_at, position
"""
OPEN = f"""
    SELECT status, count(*) AS tasks FROM task WHERE status NOT IN {OVER} AND $mine GROUP BY status ORDER BY status
"""
SPENT = """
    SELECT count(*) AS runs, coalesce(round(sum(body.cost_usd::DOUBLE), 6), 0) AS cost_usd,
        coalesce(sum(body.tokens.input::BIGINT), 0) AS tokens_input,
        coalesce(sum(body.tokens.output::BIGINT), 0) AS tokens_output,
        coalesce(round(sum(body.duration_ms::DOUBLE), 3), 0) AS agent_ms
    FROM event WHERE type = 'agent.exited' AND happened_at >= $since AND $mine
"""
WAITS = """
    SELECT count(*) AS waits, count(DISTINCT (project, task)) AS tasks, arg_max(reasons[1], position) AS reason
    FROM decision WHERE action = 'wait' AND happened_at >= $since AND $mine
"""
INBOX = "SELECT id, project, task, name, severity, since, reasons, question, text FROM inbox WHERE $mine"
LACKING = """
    SELECT what, arg_max(reason, position) AS reason, count(*) AS times, arg_max(task, position) AS task FROM error
    WHERE type IN ('service.degraded', 'message.rejected', 'message.dead_lettered', 'branch.refused')
        AND happened_at >= $since AND $mine GROUP BY what ORDER BY times DESC, what LIMIT 10
"""


@click.command(short_help="Say what happened lately, what it cost, and what to do now.")
@click.option("--since", default=SINCE, show_default=True, metavar="WHEN", help="Position, time, or 12h for ago.")
@click.option("--project", metavar="NAME", help="Only this project [default: all].")
@as_json()
@placed
def report(place: Place, since: str, project: str | None, json_: bool) -> int:
    """Say what happened lately, what it cost, what waits for a person, and what to do now.

    Branches of accepted work are tried to be merged, one after the other, without touching anything: what goes
    together, and what does not, is said before you begin.
    """
    found = asyncio.run(_found(place, since, project))
    if json_:
        click.echo(json.dumps(found, default=str))
        return 0
    page(told(found, place.settings.project))
    return 0


async def _found(place: Place, since: str, project: str | None) -> dict[str, Any]:
    async with reading(place) as reader:
        now = datetime.now(UTC)
        begin = await _moment(reader, since, now)
        mine = "true" if project is None else f"project = {_quoted(project)}"

        async def rows(sql: str) -> list[dict[str, Any]]:
            moment = f"TIMESTAMPTZ '{begin.isoformat()}'"
            return await answered(reader, sql.replace("$since", moment).replace("$mine", mine))

        spent, waits = await rows(SPENT), await rows(WAITS)
        ended = await rows(ENDED)
        found = {
            "since": begin.isoformat(timespec="seconds"),
            "until": now.isoformat(timespec="seconds"),
            "project": project,
            "running": reader.live is not None and not reader.live.joined.started,
            "spent": spent[0] if spent else {},
            "ended": ended,
            "open": {row["status"]: row["tasks"] for row in await rows(OPEN)},
            "waiting": await rows(INBOX),
            "paused": [p for p in await rows(PAUSED.format(at=LAST)) if project in (None, p["project"])],
            "outages": waits[0] if waits else {},
            "lacking": await rows(LACKING),
        }
    return {**found, "merges": await asyncio.to_thread(_merges, ended)}


async def _moment(reader: Reader, since: str, now: datetime) -> datetime:
    """Return the time that *since* means; `BadUsage` says what would do."""
    point = point_of(since, await newest(reader), now, "--since")
    if isinstance(point, datetime):
        return point
    rows = await answered(reader, f"SELECT min(happened_at) AS at FROM event WHERE position >= {point}")
    return datetime.fromisoformat(rows[0]["at"]) if rows and rows[0]["at"] else now - timedelta(hours=12)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _merges(ended: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what merging the accepted branches comes to, repository by repository, in the order of acceptance."""
    from obra.shared.prospect import prospects  # noqa: PLC0415 - git, and only where work was accepted

    branches: dict[str, list[str]] = {}
    for task in ended:
        if task["status"] == "completed" and task["branch"]:
            branches.setdefault(task["repo"], []).append(task["branch"])
    merges: list[dict[str, Any]] = []
    for repo, names in branches.items():
        try:
            found = prospects(Path(repo), list(dict.fromkeys(names)))
        except ObraError as error:
            merges.append({"repo": repo, "branch": "", "state": "untried", "reason": str(error)})
            continue
        merges += [
            {"repo": repo, "branch": p.branch, "state": p.state, "files": p.files, "other": p.other, "reason": p.reason}
            for p in found
        ]
    return merges
