"""`obra take-over`: go on with a task by hand."""

import asyncio
import contextlib
import json

import click

from obra.events import WorkspaceHandedOver
from obra.events.subjects import Scope
from obra.services.console.named import named
from obra.services.console.options import Place, as_json, in_project, placed
from obra.shared.client import Orchestrator
from obra.shared.errors import EnvironmentLacks

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
    for line in told(scope, handed):
        click.echo(line)
    return 0


async def _taken(place: Place, task: str, project: str | None, reason: str) -> tuple[Scope, WorkspaceHandedOver]:
    async with place.obra() as obra:
        scope = (await named(obra, task, project)).scope
        position = await obra.cancel(scope, reason, taken_over=True)
        try:
            async with asyncio.timeout(WAIT_S):
                return scope, await _handed(obra, scope, position)
        except TimeoutError as error:
            raise EnvironmentLacks(
                problem=f"task {scope.task!r} is yours, but no runner has handed it over within {WAIT_S:.0f} s: "
                f"`obra show {scope.task}` says when one does"
            ) from error


async def _handed(obra: Orchestrator, scope: Scope, after: int) -> WorkspaceHandedOver:
    async with contextlib.aclosing(obra.events(after, [scope.everything])) as raws:
        async for raw in raws:
            if raw.envelope and isinstance(raw.envelope.event, WorkspaceHandedOver):
                return raw.envelope.event
    raise AssertionError("events do not end")  # pragma: no cover


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
