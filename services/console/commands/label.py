"""`obra label`: ground truth, from a person."""

import asyncio
import json
from typing import Literal

import click

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import reading
from obra.services.console.render.summary import obra_command
from obra.services.console.whoever import speaking


@click.command(short_help="Say whether accepted or refused work was good in the end.")
@click.argument("task")
@click.argument("verdict", type=click.Choice(["good", "bad"]))
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Which one. [default: the accepted, or last]")
@click.option("--note", default="", metavar="TEXT", help="Why.")
@in_project
@as_json()
@placed
def label(
    place: Place, task: str, verdict: Literal["good", "bad"], attempt: int | None, note: str, project: str | None,
    json_: bool,
) -> int:  # fmt: skip
    """Say whether the work of TASK was good in the end.

    Labels are what the confidence is calibrated by and `obra calibration` measures. A task may be labelled at any
    time, also long after its end; a later label of yours replaces an earlier one.
    """
    position, number = asyncio.run(_label(place, task, attempt, project, note, good=verdict == "good"))
    if json_:
        click.echo(json.dumps({"task": task, "attempt": number, "good": verdict == "good", "position": position}))
    else:
        click.echo(f"attempt {number} of {task} is labelled {verdict}; `{obra_command()} calibration` counts it")
    return 0


async def _label(
    place: Place, task: str, attempt: int | None, project: str | None, note: str, *, good: bool
) -> tuple[int, int]:
    scope = place.scope(task, project)
    async with reading(place) as reader:
        await reader.past(scope)
    async with speaking(place) as client:
        return await client.label(scope, good=good, attempt=attempt or 0, note=note)
