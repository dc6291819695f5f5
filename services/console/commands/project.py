"""`obra project`: what there is, how it stands, and whether anything starts in it."""

import asyncio
import json
from typing import Any

import click

from obra.events import Event, ProjectPaused, ProjectResumed
from obra.events.subjects import PROJECT_LEVEL, Scope
from obra.services.console.commands.run import CONTEXT
from obra.services.console.options import Place, as_json, placed
from obra.services.console.reading import OVER, rows
from obra.services.console.render.table import grid, listed
from obra.services.console.render.text import count, one_line, page
from obra.services.console.whoever import speaking
from obra.shared.edge import EDGE, person
from obra.shared.envelope import fresh
from obra.shared.errors import BadUsage
from obra.shared.submission import token
from obra.shared.variables import replace_variables, variables

COLUMNS = ("project", "state", "tasks", "queued", "working", "waiting", "completed", "lost")
ALL = "SELECT * FROM project ORDER BY project"
LINE = """
    SELECT task, status, priority, deadline, waits_for, reasons FROM line
    WHERE project = '{project}' AND status NOT IN {over}
    ORDER BY position LIMIT 200
"""


@click.group(context_settings=CONTEXT, short_help="List projects; pause one, and let it go on.")
def project() -> None:
    """List projects, show one, pause one and let it go on. A project exists as soon as a task names it."""


@project.command(name="list", short_help="List projects with their tasks by status.")
@as_json("Print a list of JSON objects.")
@placed
def list_(place: Place, json_: bool) -> int:
    """List projects with their tasks by status."""
    found = asyncio.run(rows(place, ALL))
    return listed(found, COLUMNS, _row, none="no projects yet; a task brings its project with it", json_=json_)


def _row(project: dict[str, Any]) -> list[Any]:
    shown = {**project, "state": "paused" if project["paused"] else "open"}
    return [shown[column] for column in COLUMNS]


@project.command(short_help="Show a project: its tasks that are open, and what they wait for.")
@click.argument("name", required=False)
@as_json()
@placed
def show(place: Place, name: str | None, json_: bool) -> int:
    """Show project NAME (the configured one by default): its tasks that are open, and what they wait for."""
    wanted = token(name or place.settings.project, "project")
    found = [row for row in asyncio.run(rows(place, ALL)) if row["project"] == wanted]
    if not found:
        raise BadUsage(problem=f"there is no project {wanted!r}; `obra project list` names those there are")
    tasks = asyncio.run(rows(place, LINE.format(project=wanted, over=OVER)))
    if json_:
        click.echo(json.dumps(found[0] | {"open": tasks}, default=str))
        return 0
    page(grid(COLUMNS, [_row(found[0])]))
    if found[0]["paused"]:
        why = f": {one_line(found[0]['reason'])}" if found[0]["reason"] else ""
        click.echo(f"\npaused{why}; `obra project resume {wanted}`")
    if tasks:
        click.echo("")
        cells = [
            [t["task"], t["status"], t["priority"], t["deadline"], one_line("; ".join(t["reasons"]), 80)] for t in tasks
        ]
        page(grid(["task", "status", "priority", "deadline", "waits"], cells))
    return 0


@project.command(short_help="Start nothing more in a project.")
@click.argument("name", required=False)
@click.option("--reason", default="", metavar="TEXT", help="Why; those who wait read it.")
@placed
def pause(place: Place, name: str | None, reason: str) -> int:
    """Start nothing more in project NAME. Tasks in work go on to their end; new ones wait."""
    wanted = _say(place, name, ProjectPaused(reason=reason, by=person()))
    click.echo(f"project {wanted} is paused: tasks in work go on, others wait; `obra project resume {wanted}`")
    return 0


@project.command(short_help="Let a paused project go on.")
@click.argument("name", required=False)
@click.option(
    "--agent-env", multiple=True, metavar="NAME[=VALUE]", help="New value for the tasks that were given NAME; yours."
)
@placed
def resume(place: Place, name: str | None, agent_env: tuple[str, ...]) -> int:
    """Let project NAME go on: those that wait start in their order.

    Where they failed for want of a key that has been replaced since, --agent-env gives the others the new one.
    """
    if agent_env:
        project, values = token(name or place.settings.project, "project"), variables(agent_env)
        named = asyncio.run(replace_variables(place.home, project, values))
        click.echo(f"{count(named, 'open task')} of project {project} got another {', '.join(values)}")
    wanted = _say(place, name, ProjectResumed(by=person()))
    click.echo(f"project {wanted} goes on")
    return 0


def _say(place: Place, name: str | None, event: Event) -> str:
    wanted = token(name or place.settings.project, "project")

    async def publish() -> None:
        async with speaking(place) as client:
            await client.bus.append([fresh(Scope(wanted, PROJECT_LEVEL), event, EDGE)])

    asyncio.run(publish())
    return wanted
