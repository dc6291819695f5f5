"""`obra take-over`: go on with a task by hand."""

import asyncio
import json

import click

from obra.events import WorkspaceHandedOver
from obra.events.subjects import Scope
from obra.services.console.awaited import awaited
from obra.services.console.named import named
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.render.text import page

WAIT_S = 60.0


@click.command(name="take-over", short_help="Go on with a task by hand: its work so far becomes a branch.")
@click.argument("task", metavar="ID")
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes on record.")
@in_project
@as_json()
@placed
def takeover(place: Place, task: str, reason: str, project: str | None, json_: bool) -> int:
    """Go on with the task ID by hand.

    Its agent is stopped, the task ends as cancelled, and its work so far arrives as the branch obra/ID-wip.
    """
    scope, handed = asyncio.run(_taken(place, task, project, reason))
    if json_:
        fields = {"path": handed.path, "branch": handed.branch, "commit": handed.commit, "problem": handed.problem}
        click.echo(json.dumps({"task": scope.task, "project": scope.project, **fields}))
        return 0
    page(told(scope, handed))
    return 0


async def _taken(place: Place, task: str, project: str | None, reason: str) -> tuple[Scope, WorkspaceHandedOver]:
    scope = (await named(place, task, project)).scope
    async with place.obra() as obra:
        position = await obra.cancel(scope, reason, taken_over=True)
        otherwise = (
            f"task {scope.task!r} is yours, but no runner has handed it over within {WAIT_S:.0f} s: "
            f"`obra show {scope.task}` says when one does"
        )
        return scope, await awaited(obra, scope, position, WorkspaceHandedOver, WAIT_S, otherwise=otherwise)


def told(scope: Scope, handed: WorkspaceHandedOver) -> list[str]:
    """Return what a person reads."""
    lines = [f"task {scope.task} is yours"]
    if handed.branch:
        lines += [f"  branch    {handed.branch} at {handed.commit[:10]}", f"  go on     git switch {handed.branch}"]
    if handed.problem:
        lines.append(f"  no branch {handed.problem}")
    if handed.path:
        lines.append(f"  workspace {handed.path}")
    return lines
