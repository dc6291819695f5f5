"""`obra prompt show`: what an agent was told."""

import asyncio

import click

from obra.events import AttemptRequested
from obra.services.console.options import Place, in_project, placed
from obra.services.console.reading import reading
from obra.shared.errors import BadUsage


@click.group(short_help="Show the prompts that were sent to agents.")
def prompt() -> None:
    """Show the prompts that were sent to agents."""


@prompt.command()
@click.argument("task")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="[default: the newest]")
@in_project
@placed
def show(place: Place, task: str, attempt: int | None, project: str | None) -> int:
    """Print the prompt that was sent to the agent of TASK, exactly."""
    click.echo(asyncio.run(_prompt(place, task, attempt, project)))
    return 0


async def _prompt(place: Place, task: str, attempt: int | None, project: str | None) -> str:
    async with reading(place) as reader:
        past = await reader.past(place.scope(task, project))
        sent = [r.event for r in past if isinstance(r.event, AttemptRequested)]
        wanted = [event for event in sent if attempt in (None, event.attempt)]
        if wanted:
            return await reader.text(wanted[-1].prompt)
    if not sent:
        raise BadUsage(problem=f"nothing was sent to the agent of {task} yet: `obra show {task}` says where it is")
    raise BadUsage(problem=f"task {task} has no attempt {attempt}; its newest is {sent[-1].attempt}")
