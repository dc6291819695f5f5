"""Follows one task on the screen, from the moment before it is submitted to its end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

import click
import msgspec

from obra.events import JUDGED, AttemptFinished, Output, PromptPrepared, ServiceDegraded, TaskLabelled, TaskSubmitted
from obra.events.subjects import Scope
from obra.services.console.reading import known
from obra.services.console.render.line import Line, said
from obra.services.console.render.screen import Screen
from obra.services.console.render.summary import summary
from obra.services.console.render.text import page
from obra.services.console.render.words import lines
from obra.shared.client import Orchestrator
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage
from obra.shared.outcome import exit_code, result
from obra.shared.story import Story, fold

HIDDEN_SLACK_S = 60.0
"""How much longer than their own limits hidden checks are waited for."""

DOING = {
    "submitted": "waiting for the planner",
    "queued": "waits for its turn",
    "ready": "preparing the workspace",
    "running": "the agent works",
    "checking": "checks run",
    "reviewing": "the work is judged",
    "waiting": "waits for a person",
    "rolled_back": "rolled back, waits for a person",
}
Extra = Callable[[Recorded], Awaitable[None]]


class Ears:
    """Show the live output of the agents of some tasks, each from when it is named, while the block runs."""

    def __init__(self, obra: Orchestrator, screen: Screen) -> None:
        self._obra, self._screen = obra, screen
        self._hearing: dict[Scope, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        """Hear nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        for ear in self._hearing.values():
            ear.cancel()
        await asyncio.gather(*self._hearing.values(), return_exceptions=True)

    async def at(self, scope: Scope, mark: str = "") -> None:
        """Show what the agent of *scope* says from now on, each line behind *mark*; once is enough."""
        if scope not in self._hearing:
            self._hearing[scope] = asyncio.create_task(self._hear(scope, mark))
            await asyncio.sleep(0)  # it subscribes before whatever is published next

    async def _hear(self, scope: Scope, mark: str) -> None:
        workspace = f"{self._obra.home.task(scope) / 'workspace'}/"
        async for _, data in self._obra.joined.bus.hear(scope):
            for line in data.splitlines():
                with contextlib.suppress(msgspec.MsgspecError):  # not ours to judge here: it is shown, not acted on
                    output = msgspec.json.decode(line, type=Output)
                    for shown in said(msgspec.structs.replace(output, text=output.text.replace(workspace, ""))):
                        self._screen.show(Line(f"{mark}{shown.text}", shown.tone))


@contextlib.asynccontextmanager
async def overheard(obra: Orchestrator, scope: Scope, screen: Screen) -> AsyncIterator[Ears]:
    """Show the live output of the task's agent while the block runs."""
    async with Ears(obra, screen) as ears:
        await ears.at(scope)
        yield ears


async def follow(
    obra: Orchestrator, scope: Scope, screen: Screen, *, after: int = 0, extra: Extra | None = None
) -> Story:
    """Show every event of the task after position *after* until it is over or waits for a person.

    Of accepted work hidden checks are waited for too; its result stands already.
    """
    past = await obra.client.past(scope)
    story = fold(past)
    async for recorded, story in obra.watch(scope, after):
        for line in lines(recorded.event):
            if not line.detail:
                screen.show(line)
        if extra:
            await extra(recorded)
        screen.doing(f"{scope.task}: {_doing(story, recorded)}")
    if story.status == "completed":
        await _hidden_checks_done(obra, scope, past, screen)
    return story


def _doing(story: Story, newest: Recorded) -> str:
    """Return what goes on after the *newest* event: a model may take minutes, and nothing else shows meanwhile."""
    if story.llm not in ("", "none"):
        match newest.event:
            case PromptPrepared():
                return f"{story.llm} is asked for advice"
            case AttemptFinished(ending=ending) if ending in JUDGED:
                return f"{story.llm} reviews the work"
    return DOING.get(story.status, story.status)


async def story_of(obra: Orchestrator, scope: Scope) -> Story:
    """Return the task as it stands; `BadUsage` with what comes close if there is none, or if it is a goal."""
    story = fold(await known(obra, scope))
    if story.goal:
        raise BadUsage(problem=f"{scope.task!r} is a goal: `obra goal --resume {scope.task}` follows it")
    return story


async def _hidden_checks_done(
    obra: Orchestrator, scope: Scope, past: Sequence[Recorded], screen: Screen
) -> None:  # fmt: skip
    """Wait until the task's hidden checks, if it has any, have spoken or can't; no longer than they may take."""
    task = next((recorded.event for recorded in past if isinstance(recorded.event, TaskSubmitted)), None)
    if task is None or not task.hidden_checks:
        return
    screen.doing(f"{scope.task}: accepted; hidden checks run")
    longest_s = len(task.hidden_checks) * task.check_timeout_s + HIDDEN_SLACK_S
    try:
        async with asyncio.timeout(longest_s):
            await _hidden_checks(obra, scope, past[0].position - 1, screen)
    except TimeoutError:
        said = (
            f"the hidden checks have not ended within {longest_s:,.0f} s; `obra show {scope.task}` tells what they say"
        )
        screen.show(Line(said, "warning"))


async def _hidden_checks(obra: Orchestrator, scope: Scope, after: int, screen: Screen) -> None:
    async with contextlib.aclosing(obra.events(after, [scope.everything])) as raws:
        async for raw in raws:
            match raw.envelope and raw.envelope.event:
                case TaskLabelled(source="hidden_check") | ServiceDegraded(lacking="hidden checks") as event:
                    for line in lines(event):
                        screen.show(line)
                    return


def conclude(story: Story, *, json_: bool) -> int:
    """Print the result and return the exit code."""
    if json_:
        click.echo(json.dumps(result(story)))
    else:
        page(summary(story))
    return exit_code(story.status)
