"""`obra up`: keep Obra running, and tell what comes of the work."""

import asyncio
import contextlib
import os
import signal
import stat
import sys

import click

from obra.events import (
    BreakpointRaised,
    Event,
    GoalCompleted,
    GoalFailed,
    ProjectPaused,
    ProjectResumed,
    QuestionAsked,
    ServiceDegraded,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
)
from obra.events.subjects import PROJECT_LEVEL, heard
from obra.services.console.options import Place, placed
from obra.services.console.render.text import clean
from obra.services.console.render.words import lines
from obra.shared.bus import Raw
from obra.shared.client import ObraGone, Orchestrator
from obra.shared.errors import BadUsage
from obra.shared.home import HomeFull

TOLD: tuple[type[Event], ...] = (
    TaskReadied, TaskCompleted, TaskFailed, TaskRejected, TaskCancelled, BreakpointRaised, QuestionAsked, GoalCompleted,
    GoalFailed, ProjectPaused, ProjectResumed, ServiceDegraded,
)  # fmt: skip
"""What somebody wants to see who looks at it now and then; `obra events --follow` shows everything."""


@click.command(short_help="Keep Obra running in the foreground until Ctrl-C.")
@placed
def up(place: Place) -> int:
    """Keep Obra running in the foreground until Ctrl-C, and tell what begins, ends, or waits for a person.

    Unfinished tasks go on, detached ones are worked on, and other commands join what runs here.
    """
    if place.settings.nats.url:
        raise BadUsage(problem=f"tasks go to {place.settings.nats.url}, where `obra service NAME` runs each service")
    return asyncio.run(_up(place))


async def _up(place: Place) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with place.obra() as obra:
        after = await obra.joined.bus.last_position()
        click.echo(f"Obra runs on {place.home.root} ({obra.joined.url}). Ctrl-C stops it.")
        waits = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(obra.joined.lost())}
        telling = asyncio.ensure_future(_tell(obra, after) if _read() else stop.wait())
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in (*waits, telling):
            wait.cancel()
        await asyncio.gather(*waits, telling, return_exceptions=True)
        if not stop.is_set():
            said = f"Obra was stopped by another command, or failed: {place.home.logs / 'host.log'} says which"
            click.echo(f"obra: {said}", err=True)
            return 4
    click.echo("Obra stopped; unfinished tasks go on when it runs again.")
    return 0


def _read() -> bool:
    """Return whether what is told can't hold this up: a pipe that nobody empties would."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return stat.S_ISCHR(mode) or stat.S_ISREG(mode)


async def _tell(obra: Orchestrator, after: int) -> None:
    """Say what happens from position *after* on, a line each, until Obra ends or nobody can be told any more."""
    with contextlib.suppress(ObraGone, HomeFull, OSError):
        async with contextlib.aclosing(obra.events(after, heard(TOLD))) as raws:
            async for raw in raws:
                if line := _line(raw):
                    click.echo(line)


def _line(raw: Raw) -> str:
    """Return *raw* on one line; nothing where it does not concern a person."""
    if raw.envelope is None:
        return ""
    event, scope = raw.envelope.event, raw.envelope.scope
    if isinstance(event, QuestionAsked) and event.to != "person":
        return ""
    first, *reasons = [line.text for line in lines(event)] or [""]
    said = ": ".join([first, *(reason.strip(" -") for reason in reasons[:1])])
    who = f"project {scope.project}" if scope.task == PROJECT_LEVEL else scope.task
    return clean(f"{raw.envelope.at.astimezone():%H:%M:%S}  {who:<28}  {said}")
