"""`obra canary`: a candidate policy beside the one in force, on live work, without any effect."""

import asyncio
import json
import re
from typing import Any

import click

from obra.events import Policy
from obra.events.policy import digest
from obra.services.console.options import Place, as_json, placed
from obra.services.console.reading import Reader, answered, reading
from obra.services.console.render.table import grid
from obra.services.console.render.text import count, page
from obra.services.console.whoever import speaking
from obra.shared.errors import BadUsage

HASH = re.compile("[0-9a-f]{64}")
PROPOSED = """
    SELECT to_json(body.policy) AS policy, coalesce(body.sha256::VARCHAR, '') AS sha256, happened_at FROM event
    WHERE type = 'policy.proposed' ORDER BY position DESC LIMIT 1
"""
CHANGES = """
    SELECT shadow.was, shadow.action AS would_be, count(*) AS decisions, count(DISTINCT (project, task)) AS tasks,
        count(*) FILTER (WHERE label.good) AS good,
        count(*) FILTER (WHERE NOT label.good) AS bad
    FROM shadow LEFT JOIN (
        SELECT project, task, arg_max(coalesce(TRY_CAST(body.good AS BOOLEAN), false), position) AS good
        FROM event WHERE type = 'task.labelled' GROUP BY ALL
    ) AS label USING (project, task)
    WHERE policy = '{sha256}' GROUP BY ALL ORDER BY decisions DESC
"""
DIFFERING = """
    SELECT position, project, task, attempt, was, action AS would_be, list_aggregate(reasons, 'string_agg', '; ') AS why
    FROM shadow WHERE differs AND policy = '{sha256}' ORDER BY position DESC LIMIT 20
"""


@click.group(invoke_without_command=True, short_help="Let a candidate policy shadow live decisions.")
@as_json()
@placed
@click.pass_context
def canary(context: click.Context, place: Place, json_: bool) -> int | None:
    """Let a candidate policy shadow live decisions: what it would decide is recorded and never acted on.

    Without a subcommand, compares what it has said so far with what was decided.
    """
    if context.invoked_subcommand is not None:
        context.obj = place
        return None
    found = asyncio.run(_report(place))
    if json_:
        click.echo(json.dumps(found, default=str))
    else:
        _say(found)
    return 0


@canary.command(short_help="Begin: tasks readied from here on are shadowed.")
@click.option("--set", "sets", multiple=True, required=True, metavar="KEY=VALUE", help="decision.accept_confidence=0.9")
@click.pass_obj
def start(place: Place, sets: tuple[str, ...]) -> int:
    """Begin to shadow: the policy in force with these changes decides too, for tasks readied from here on."""
    from obra.shared.tuning import apply, changes  # noqa: PLC0415 - only here

    candidate = apply(place.settings.policy(), changes(sets))
    if candidate == place.settings.policy():
        raise BadUsage(problem="that is the policy in force; a candidate must differ from it")
    asyncio.run(_propose(place, candidate))
    named = digest(candidate)[:10]
    click.echo(f"candidate {named} shadows tasks that are readied from here on; `obra canary` compares")
    return 0


@canary.command(short_help="End: tasks readied from here on are not shadowed.")
@click.pass_obj
def stop(place: Place) -> int:
    """End it: tasks readied from here on are not shadowed. What is on record stays."""
    asyncio.run(_propose(place, None))
    click.echo("no candidate shadows tasks that are readied from here on")
    return 0


async def _propose(place: Place, candidate: Policy | None) -> None:
    async with speaking(place) as client:
        await client.propose(candidate)


async def _report(place: Place) -> dict[str, Any]:
    async with reading(place) as reader:
        proposed = await answered(reader, PROPOSED)
        named = next((str(row["sha256"]) for row in proposed), "") or await _newest(reader)
        named = named if HASH.fullmatch(named) else ""
        return {
            "candidate": named, "active": bool(proposed and proposed[0]["sha256"]),
            "policy": proposed[0]["policy"] if proposed and proposed[0]["sha256"] else None,
            "decisions": await answered(reader, CHANGES.format(sha256=named)),
            "differing": await answered(reader, DIFFERING.format(sha256=named)),
        }  # fmt: skip


async def _newest(reader: Reader) -> str:
    """Return the candidate that shadowed last; it may have been stopped."""
    rows = await answered(reader, "SELECT policy FROM shadow ORDER BY position DESC LIMIT 1")
    return str(rows[0]["policy"]) if rows else ""


def _say(found: dict[str, Any]) -> None:
    if not found["candidate"]:
        click.echo("no candidate shadows anything; `obra canary start --set decision.accept_confidence=0.9` begins")
        return
    state = "shadows tasks that are readied" if found["active"] else "was stopped"
    click.echo(f"candidate {found['candidate'][:10]} {state}")
    if not found["decisions"]:
        click.echo("it has decided nothing yet")
        return
    total = sum(row["decisions"] for row in found["decisions"])
    other = sum(row["decisions"] for row in found["decisions"] if row["was"] != row["would_be"])
    click.echo(f"{count(total, 'decision')}, {other:,} of them with another action\n")
    columns = ["was", "would_be", "decisions", "tasks", "good", "bad"]
    rows = [[row[column] for column in columns] for row in found["decisions"]]
    page(grid(["was", "would be", "decisions", "tasks", "labelled good", "labelled bad"], rows))
    if found["differing"]:
        rows = [[r["task"], r["position"], r["attempt"], r["was"], r["would_be"], r["why"]] for r in found["differing"]]
        click.echo("\nthe newest that differ:")
        page(grid(["task", "position", "attempt", "was", "would be", "because"], rows))
