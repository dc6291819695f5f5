"""Follows one task on the screen, from the moment before it is submitted to its end."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import click
import msgspec

from obra.events import Output, ServiceDegraded, TaskLabelled
from obra.events.subjects import Scope
from obra.services.console.render.line import said
from obra.services.console.render.screen import Screen
from obra.services.console.render.summary import summary
from obra.services.console.render.words import lines
from obra.shared.client import Orchestrator
from obra.shared.envelope import Recorded
from obra.shared.outcome import exit_code, result
from obra.shared.story import Story

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


@contextlib.asynccontextmanager
async def overheard(obra: Orchestrator, scope: Scope, screen: Screen) -> AsyncIterator[None]:
    """Show the live output of the task's agent while the block runs."""
    ears = asyncio.create_task(_hear(obra, scope, screen))
    await asyncio.sleep(0)  # it subscribes before whatever the block publishes
    try:
        yield
    finally:
        ears.cancel()
        await asyncio.gather(ears, return_exceptions=True)


async def _hear(obra: Orchestrator, scope: Scope, screen: Screen) -> None:
    workspace = f"{obra.home.task(scope) / 'workspace'}/"
    async for _, data in obra.joined.bus.hear(scope):
        for line in data.splitlines():
            with contextlib.suppress(msgspec.MsgspecError):  # not ours to judge here: it is shown, not acted on
                output = msgspec.json.decode(line, type=Output)
                for shown in said(msgspec.structs.replace(output, text=output.text.replace(workspace, ""))):
                    screen.show(shown)


async def follow(
    obra: Orchestrator, scope: Scope, screen: Screen, *, after: int = 0, extra: Extra | None = None
) -> Story:
    """Show every event of the task after position *after* until it is over or waits for a person."""
    story = await obra.client.story(scope)
    async for recorded, story in obra.watch(scope, after):
        for line in lines(recorded.event):
            if not line.detail:
                screen.show(line)
        if extra:
            await extra(recorded)
        screen.doing(f"{scope.task}: {DOING.get(story.status, story.status)}")
    return story


async def hidden_checks_done(obra: Orchestrator, scope: Scope, screen: Screen) -> None:
    """Wait until the hidden checks of accepted work have spoken, or can't; its result stands already."""
    screen.doing(f"{scope.task}: accepted; hidden checks run")
    async with contextlib.aclosing(obra.events(0, [scope.everything])) as raws:
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
        for line in summary(story):
            click.echo(line)
    return exit_code(story.status)
