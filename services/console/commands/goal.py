"""`obra goal`: state an outcome, have it planned, and follow its tasks to the end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from obra.events.subjects import Scope
from obra.services.console.commands.run import CONTEXT, run
from obra.services.console.goals import Board, board, concluded, follow_goal
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.render.line import Line
from obra.services.console.render.screen import Screen, on_screen
from obra.services.console.render.table import listed
from obra.services.console.render.text import one_line
from obra.shared.goals import COMMON, draft, prepare_goal, read_plan
from obra.shared.submission import Submission

GOALS = "SELECT project, goal, status, tasks, completed, text FROM goal ORDER BY position DESC LIMIT 200"


class Goals(click.Group):
    """A group whose first command may be left out: `obra goal TEXT` submits."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `submit` in front, unless another command or help is asked for."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["submit", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Goals, context_settings=CONTEXT, short_help="Have a goal planned and reached, task by task.")
def goal() -> None:
    """Have a goal planned and reached, task by task: `obra goal "TEXT" --repo DIR`.

    The LLM drafts a plan (or give one with --plan); each task is then done as `obra run` does it.
    """


def of_tasks(command: click.Command) -> click.Command:
    """Add the options of `obra run` that hold for every task of a goal."""
    command.params[1:1] = [one for one in run.params if one.name in COMMON - {"text"}]
    return command


@goal.command(short_help="State a goal and follow it to its end.")
@click.argument("text", metavar="GOAL", required=False)
@click.option("--plan", type=click.Path(path_type=Path), help="A plan in TOML; no LLM is needed then.")
@click.option("--review", is_flag=True, help="Hold the plan until you approve it.")
@click.option("--goal-id", metavar="ID", help="Name of the goal; its tasks are ID-1, ID-2, … [default: from the text]")
@click.option("--resume", metavar="GOAL", help="Follow a goal that exists already.")
@click.option("--detach", is_flag=True, help="Submit and return; needs a running `obra up`.")
@in_project
@as_json("Print the result as one JSON object; progress goes to stderr.")
@placed
def submit(
    place: Place,
    text: str | None,
    plan: Path | None,
    resume: str | None,
    project: str | None,
    goal_id: str | None,
    detach: bool,
    json_: bool,
    **wishes: Any,
) -> int:
    """State a GOAL and follow it to its end. Exit codes as `obra run`: 0 only if every task was accepted."""
    if resume and (text or plan):
        raise click.UsageError("--resume follows a goal that exists: give neither a GOAL nor a plan with it")
    if resume:
        return _followed(place, place.scope(resume, project), json_=json_)
    if not text and not plan:
        raise click.UsageError("give a GOAL in words, or a plan with --plan FILE")
    what = prepare_goal(text, plan=plan, goal=goal_id, settings=place.settings, project=project, **wishes)
    return _detached(place, what, json_=json_) if detach else _followed(place, what, json_=json_)


of_tasks(submit)


def _followed(place: Place, what: Submission | Scope, *, json_: bool) -> int:
    scope = what.scope if isinstance(what, Submission) else what
    shown = on_screen(lambda lines: _follow(place, what, lines), json_=json_, kept=_kept(scope))
    return concluded(shown, json_=json_)


def _kept(scope: Scope) -> str:
    return f"the goal is kept. `obra goal --resume {scope.task}` goes on with it"


async def _follow(place: Place, what: Submission | Scope, shown: Screen) -> Board:
    async with place.obra() as obra:
        if isinstance(what, Submission):
            shown.show(Line(f"goal {what.scope.task}, agent {what.event.agent.partition(':')[0]}, {what.event.repo}"))
            for notice in what.notices:
                shown.show(Line(f"note: {notice}", "warning"))
            await obra.client.submit(what)
            return await follow_goal(obra, what.scope, shown, after=0)
        found = await board(obra, what)
        if found.settled:
            return found
        shown.show(Line(f"going on with goal {what.task}, which is {found.status}"))
        return await follow_goal(obra, what, shown, after=found.result()["position"])


def _detached(place: Place, what: Submission, *, json_: bool) -> int:
    async def publish() -> Board:
        async with place.obra(start=False) as obra:
            await obra.client.submit(what)
            return await board(obra, what.scope)

    found = asyncio.run(publish())
    name = what.scope.task
    line = f"{name} is submitted: `obra goal --resume {name}` follows it, `obra goal show {name}` tells about it"
    click.echo(json.dumps(found.result()) if json_ else line)
    return 0


@goal.command(short_help="Give a goal that has no plan yet another one.")
@click.argument("name", metavar="GOAL")
@click.option("--plan", type=click.Path(path_type=Path), required=True, help="The plan, in TOML.")
@in_project
@as_json("Print the result as one JSON object; progress goes to stderr.")
@placed
def edit(place: Place, name: str, plan: Path, project: str | None, json_: bool) -> int:
    """Give GOAL, which waits for a plan or for your approval of one, the plan in FILE, and follow it."""
    tasks, scope = read_plan(plan).checked, place.scope(name, project)

    async def give(shown: Screen) -> Board:
        async with place.obra() as obra:
            position = await draft(obra.client, scope, tasks)
            return await follow_goal(obra, scope, shown, after=position - 1)

    return concluded(on_screen(give, json_=json_, kept=_kept(scope)), json_=json_)


@goal.command(short_help="Tell how a goal and its tasks stand.")
@click.argument("name", metavar="GOAL")
@in_project
@as_json()
@placed
def show(place: Place, name: str, project: str | None, json_: bool) -> int:
    """Tell how GOAL and its tasks stand."""
    from obra.services.console.reading import reading  # noqa: PLC0415 - only what looks needs it

    async def look() -> Board:
        found = Board(place.scope(name, project))
        async with reading(place) as reader:
            for recorded in await reader.past(found.scope):
                found.take(recorded)
            for task in tuple(found.tasks):
                for recorded in await reader.past(Scope(found.scope.project, task)):
                    found.take(recorded)
        return found

    concluded(asyncio.run(look()), json_=json_)
    return 0


@goal.command(name="list", short_help="List goals, the newest first.")
@as_json("Print a list of JSON objects.")
@placed
def list_(place: Place, json_: bool) -> int:
    """List goals, the newest first."""
    from obra.services.console.reading import rows  # noqa: PLC0415

    found = asyncio.run(rows(place, GOALS))
    return listed(found, ["goal", "status", "done", "text"], _row, none="no goals yet", json_=json_)


def _row(goal: dict[str, Any]) -> list[str]:
    done = f"{goal['completed']}/{goal['tasks']}"
    return [goal["goal"], goal["status"], done, one_line(goal["text"], 60)]
