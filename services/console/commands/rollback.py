"""`obra rollback`: return tasks to an earlier point."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import click

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import known
from obra.services.console.render.summary import obra_command
from obra.services.console.render.text import count, one_line, page
from obra.shared.rollback import Plan
from obra.shared.rollback import as_json as plan_as_json
from obra.shared.timeline import RolledBack


@click.command(short_help="Return a task, or a whole project, to an earlier point.")
@click.argument("task", required=False)
@click.option(
    "--to", required=True, metavar="POINT", help="A position, attempt:N (its end; 0: before the first), a time."
)
@click.option("--milestone", default="", metavar="NAME", help="All tasks of this milestone, or none.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes on record.")
@click.option("--cancel", is_flag=True, help="Stop what is in hand first.")
@click.option("--revert", is_flag=True, help="Make a branch that takes back what was delivered.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and do nothing.")
@in_project
@as_json()
@placed
def rollback(place: Place, task: str | None, project: str | None, milestone: str, json_: bool, **wishes: Any) -> int:
    """Return TASK to an earlier point: its state, its workspace, what its agent remembers.

    Without TASK, --project NAME or --milestone NAME returns all tasks there, or none. Nothing is deleted: what is
    undone stays on record, and a rollback can be rolled back. Then the task rests; `obra retry TASK` goes on.
    """
    if task and milestone:
        raise click.UsageError("give a TASK or a --milestone, not both")
    if not (task or milestone or project):
        raise click.UsageError("give a TASK, or --project NAME or --milestone NAME for all tasks there")
    done = asyncio.run(_roll_back(place, task, project, milestone, wishes))
    if json_:
        click.echo(json.dumps(_object(done, one=bool(task), dry_run=wishes["dry_run"])))
        return 0
    page(told(done, dry_run=wishes["dry_run"], revert=wishes["revert"]))
    return 0


async def _roll_back(
    place: Place, task: str | None, project: str | None, milestone: str, wishes: dict[str, Any]
) -> RolledBack:
    async with place.obra() as obra:
        if task:
            await known(obra, obra.scope(task, project))
        return await obra.rollback(task, project=project, milestone=milestone, **wishes)


def _object(done: RolledBack, *, one: bool, dry_run: bool) -> dict[str, Any]:
    plans = [plan_as_json(made) for made in done.plans]
    told = {
        "dry_run": dry_run, "position": done.position, "reverts": list(done.reverts), "problems": list(done.problems),
    }  # fmt: skip
    return (plans[0] if one else {"tasks": plans}) | told


def told(done: RolledBack, *, dry_run: bool, revert: bool) -> Iterator[str]:
    """Yield what a person reads."""
    for made in done.plans:
        yield from _plan(made, dry_run=dry_run)
        if made.branches and not revert:
            yield from _offer(made)
    for branch in done.reverts:
        yield f"branch {branch} takes it back: merge it where the work was merged"
    yield from done.problems
    if dry_run:
        yield "nothing was done: this was a dry run"
    elif len(done.plans) == 1 and not done.plans[0].gone:
        yield _next(done.plans[0])


def _plan(made: Plan, *, dry_run: bool) -> Iterator[str]:
    verb = "would return" if dry_run else "returned"
    if made.gone:
        yield f"{made.scope.task} {verb} to position {made.to}, before it was submitted: gone until that is undone"
        return
    was = made.now.status if made.now.submitted_at else "gone"
    yield f"{made.scope.task} {verb} to position {made.to}: it was {was}, and {made.then.status} then"
    undone = ", ".join(f"attempt {number}" for number in made.attempts)
    if made.undone:
        yield f"  undone: {count(len(made.undone), 'event')}" + (f", with {undone}" if undone else "")
    if made.restored:
        yield f"  counting again: {count(len(made.restored), 'event')} that an earlier rollback had undone"
    if made.worked:
        yield f"  workspace: as {f'checkpoint {made.commit[:10]}' if made.commit else 'the task found it'}"


def _offer(made: Plan) -> Iterator[str]:
    for one in {branch.branch: branch for branch in made.branches}.values():
        yield f"  branch {one.branch} stays at {one.commit[:10]} in {one_line(made.now.repo)}; where it was merged,"
        yield f"    `git revert {one.commit[:10]}` takes it back (or --revert makes a branch that does)"


def _next(made: Plan) -> str:
    if made.then.over:
        return f"it is {made.then.status} again"
    obra = obra_command()
    return f"it rests: `{obra} retry {made.scope.task} --note TEXT` goes on from there, `approve` takes what is there"
