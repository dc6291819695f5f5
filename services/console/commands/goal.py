"""`obra goal`: state an outcome, have it planned, and follow its tasks to the end."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import click

from obra.events.subjects import Scope
from obra.services.console.commands.run import CONTEXT, run
from obra.services.console.following import Ears
from obra.services.console.goals import Board, concluded, follow_goal
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.render.screen import Screen, on_screen
from obra.services.console.render.table import listed
from obra.services.console.render.text import one_line
from obra.services.console.way import GOAL, detached, followed
from obra.shared.goals import COMMON, NoGoal, draft, prepare_goal, read_plan

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
        return followed(place, place.scope(resume, project), GOAL, json_=json_)
    if not text and not plan:
        raise click.UsageError("give a GOAL in words, or a plan with --plan FILE")
    what = prepare_goal(text, plan=plan, goal=goal_id, settings=place.settings, project=project, **wishes)
    return (detached if detach else followed)(place, what, GOAL, json_=json_)


of_tasks(submit)


@goal.command(short_help="Give a goal that has no plan yet another one.")
@click.argument("name", metavar="GOAL")
@click.option("--plan", type=click.Path(path_type=Path), required=True, help="The plan, in TOML.")
@in_project
@as_json("Print the result as one JSON object; progress goes to stderr.")
@placed
def edit(place: Place, name: str, plan: Path, project: str | None, json_: bool) -> int:
    """Give GOAL, which waits for a plan or for your approval of one, the plan in FILE, and follow it."""
    tasks, scope = read_plan(plan).checked, place.scope(name, project)

    async def give(lines: Screen) -> Board:
        async with place.obra() as obra, Ears(obra, lines) as ears:
            position = await draft(obra.client, scope, tasks)
            return await follow_goal(obra, scope, lines, ears, position - 1)

    return concluded(on_screen(give, json_=json_, kept=GOAL.kept(name)), json_=json_)


@goal.command(short_help="Tell how a goal and its tasks stand.")
@click.argument("name", metavar="GOAL")
@in_project
@as_json()
@placed
def show(place: Place, name: str, project: str | None, json_: bool) -> int:
    """Tell how GOAL and its tasks stand."""
    from obra.services.console.reading import NoTask, reading  # noqa: PLC0415 - only what looks needs it

    async def look() -> Board:
        found = Board(place.scope(name, project))
        async with reading(place) as reader:
            with contextlib.suppress(NoTask):
                for recorded in await reader.past(found.scope):
                    found.take(recorded)
            if not found.story.goal:
                raise NoGoal(goal=name, project=found.scope.project)
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
