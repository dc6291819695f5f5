"""`obra approve`, `reject`, `retry` and `cancel`: what a person says to a task."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import click

from obra.services.console.following import conclude, follow, overheard
from obra.services.console.goals import Board, concluded, follow_goal
from obra.services.console.named import Named, named
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.render.screen import Screen, on_screen
from obra.services.console.whoever import speaking
from obra.shared.client import Orchestrator
from obra.shared.story import Story

Verb = Literal["approve", "reject", "retry"]
Say = Callable[[Orchestrator, Named], Awaitable[int]]


def _command(verb: Verb, help: str) -> click.Command:
    @click.command(name=verb, help=help, short_help=help.partition("\n")[0])
    @click.argument("task", metavar="ID")
    @click.option("--note", default="", metavar="TEXT", help="Why; the agent reads it if it tries again.")
    @in_project
    @as_json("Print the result as one JSON object; progress goes to stderr.")
    @placed
    def command(place: Place, task: str, note: str, project: str | None, json_: bool) -> int:
        return _resolve(place, verb, task, project, note, json_=json_)

    return command


approve = _command("approve", "Accept the work of a task that waits for a person.\n\nFollows it to its end.")
reject = _command("reject", "Refuse the work of a task that waits for a person.\n\nThe task ends as not accepted.")
retry = _command("retry", "Let the agent try again, on a task that waits for a person.\n\nFollows the task to its end.")


@click.command(short_help="Take a task back; its running agent is stopped.")
@click.argument("task", metavar="ID")
@click.option("--reason", default="", metavar="TEXT", help="Why; it goes on record.")
@in_project
@as_json()
@placed
def cancel(place: Place, task: str, reason: str, project: str | None, json_: bool) -> int:
    """Take TASK back; its running agent is stopped. What was done so far is kept."""

    async def take_back() -> Story:
        scope = (await named(place, task, project)).scope
        async with speaking(place) as client:
            await client.cancel(scope, reason)
            return await client.story(scope)

    conclude(asyncio.run(take_back()), json_=json_)
    return 0


def _resolve(place: Place, verb: Verb, task: str, project: str | None, note: str, *, json_: bool) -> int:
    return spoken(place, task, project, lambda obra, it: obra.resolve(it.scope, verb, note, it.item), json_=json_)


def spoken(place: Place, id: str, project: str | None, say: Say, *, json_: bool) -> int:
    """Say something about what *id* means, follow the task to its end or to where it waits again, and conclude."""
    kept = "nothing is lost. `obra status` tells how it stands, and the next command goes on with it"
    found = on_screen(lambda lines: _spoken(place, id, project, say, lines), json_=json_, kept=kept)
    return concluded(found, json_=json_) if isinstance(found, Board) else conclude(found, json_=json_)


async def _spoken(place: Place, id: str, project: str | None, say: Say, lines: Screen) -> Story | Board:
    it = await named(place, id, project)
    async with place.obra() as obra:
        goal = (await obra.client.story(it.scope)).goal
        async with overheard(obra, it.scope, lines) as ears:
            position = await say(obra, it)
            if goal:
                return await follow_goal(obra, it.scope, lines, ears, position - 1)
            return await follow(obra, it.scope, lines, after=position - 1)
