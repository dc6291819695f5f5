"""`obra milestone`: groups of tasks, and how far they are."""

import asyncio
from typing import Any

import click

from obra.services.console.commands.run import CONTEXT
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import rows
from obra.services.console.render.table import listed
from obra.services.console.render.text import one_line
from obra.shared.errors import BadUsage
from obra.shared.submission import token

ALL = """
    SELECT project, goal, milestone, tasks, completed, open, reached_at FROM milestone ORDER BY position DESC LIMIT 200
"""
ONE = """
    SELECT l.task, l.status, l.goal, t.branch, t.text FROM line l JOIN task t USING (project, task)
    WHERE l.project = '{project}' AND l.milestone = '{milestone}' ORDER BY l.position
"""


@click.group(context_settings=CONTEXT, short_help="List milestones, and show the tasks of one.")
def milestone() -> None:
    """List milestones, and show the tasks of one. A plan names them; so does `obra run --milestone NAME`."""


@milestone.command(name="list", short_help="List milestones, the newest first.")
@as_json("Print a list of JSON objects.")
@placed
def list_(place: Place, json_: bool) -> int:
    """List milestones, the newest first."""
    found = asyncio.run(rows(place, ALL))
    return listed(found, ["milestone", "goal", "done", "reached"], _row, none="no milestones yet", json_=json_)


def _row(milestone: dict[str, Any]) -> list[Any]:
    done = f"{milestone['completed']}/{milestone['tasks']}"
    return [milestone["milestone"], milestone["goal"], done, milestone["reached_at"]]


@milestone.command(short_help="Show the tasks of a milestone.")
@click.argument("name", metavar="MILESTONE")
@in_project
@as_json("Print a list of JSON objects.")
@placed
def show(place: Place, name: str, project: str | None, json_: bool) -> int:
    """Show the tasks of MILESTONE."""
    where = {"project": token(project or place.settings.project, "project"), "milestone": token(name, "milestone")}
    found = asyncio.run(rows(place, ONE.format_map(where)))
    if not found:
        raise BadUsage(
            problem=f"project {where['project']!r} has no milestone {name!r}; `obra milestone list` names them"
        )
    return listed(found, ["task", "status", "goal", "branch", "text"], _task, none="", json_=json_)


def _task(task: dict[str, Any]) -> list[str]:
    return [task["task"], task["status"], task["goal"], task["branch"], one_line(task["text"], 60)]
