"""The one way from a submission to its end, for a task and for a goal: submit or resume, follow, conclude."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import click

from obra.events.subjects import Scope
from obra.services.console import following, goals
from obra.services.console.following import Ears
from obra.services.console.goals import Board
from obra.services.console.options import Place
from obra.services.console.render.line import Line
from obra.services.console.render.screen import Screen, on_screen
from obra.shared.client import Orchestrator
from obra.shared.edge import settled
from obra.shared.story import Story
from obra.shared.submission import Submission


class Found(Protocol):
    """How something stands that is followed."""

    @property
    def status(self) -> str:
        """Return it in a word."""
        ...

    @property
    def position(self) -> int:
        """Return the position of the newest event that it is known by."""
        ...


What = TypeVar("What", bound=Found)


@dataclass(frozen=True, slots=True)
class Way(Generic[What]):
    """What differs between a task and a goal. ``again`` and ``show`` are the commands that go on with one."""

    noun: str
    again: str
    show: str
    known: Callable[[Orchestrator, Scope], Awaitable[What]]
    settled: Callable[[What], bool]
    follow: Callable[[Orchestrator, Scope, Screen, Ears, int], Awaitable[What]]
    conclude: Callable[[What, bool], int]

    def kept(self, name: str) -> str:
        """Return what is said where nobody follows *name* any more."""
        return f"the {self.noun} is kept. `{self.again} {name}` goes on with it"


async def _task(obra: Orchestrator, scope: Scope, screen: Screen, ears: Ears, after: int) -> Story:
    await ears.at(scope)
    return await following.follow(obra, scope, screen, after=after)


TASK: Way[Story] = Way(
    "task", "obra run --resume", "obra show", following.story_of, settled, _task,
    lambda story, json_: following.conclude(story, json_=json_),
)  # fmt: skip
GOAL: Way[Board] = Way(
    "goal", "obra goal --resume", "obra goal show", goals.board, lambda board: board.settled, goals.follow_goal,
    lambda board, json_: goals.concluded(board, json_=json_),
)  # fmt: skip


def followed(place: Place, what: Submission | Scope, way: Way[What], *, json_: bool) -> int:
    """Submit or resume, follow to the end, print the result; Ctrl-C leaves everything as it is."""
    name = (what.scope if isinstance(what, Submission) else what).task

    async def go(lines: Screen) -> What:
        async with place.obra() as obra:
            return await _to_the_end(obra, what, way, lines)

    return way.conclude(on_screen(go, json_=json_, kept=way.kept(name)), json_)


async def _to_the_end(obra: Orchestrator, what: Submission | Scope, way: Way[What], lines: Screen) -> What:
    async with Ears(obra, lines) as ears:
        if isinstance(what, Submission):
            event: Any = what.event
            lines.show(Line(f"{way.noun} {what.scope.task}, agent {event.agent.partition(':')[0]}, {event.repo}"))
            for notice in what.notices:
                lines.show(Line(f"note: {notice}", "warning"))
            await ears.at(what.scope)
            await obra.client.submit(what)
            return await way.follow(obra, what.scope, lines, ears, 0)
        found = await way.known(obra, what)
        if way.settled(found):
            return found
        lines.show(Line(f"going on with {way.noun} {what.task}, which is {found.status}"))
        return await way.follow(obra, what, lines, ears, found.position)


def detached(place: Place, submission: Submission, way: Way[What], *, json_: bool) -> int:
    """Submit to an Obra that runs already, and return."""
    name = submission.scope.task

    async def submit() -> What:
        async with place.obra(start=False) as obra:
            await obra.client.submit(submission)
            return await way.known(obra, submission.scope)

    found = asyncio.run(submit())
    if json_:
        way.conclude(found, True)
    else:
        click.echo(f"{name} is submitted: `{way.again} {name}` follows it, `{way.show} {name}` tells about it")
    return 0
