"""`obra show`: the whole story of a task."""

import asyncio
import json
from datetime import UTC, datetime

import click

from obra.services.console.options import Place, as_json, as_of, in_project, placed
from obra.services.console.reading import position_in, reading
from obra.services.console.render.summary import obra_command, summary
from obra.services.console.render.text import page
from obra.services.console.render.words import lines
from obra.shared.envelope import Recorded
from obra.shared.history import standing, until
from obra.shared.outcome import result
from obra.shared.story import fold


@click.command(short_help="Tell the whole story of a task.")
@click.argument("task")
@as_of("As it was at a position, a time (2026-01-31T14:00, 10m for ago), or the end of attempt:N.")
@in_project
@as_json("Print what `obra run --json` prints, with the task's text, and every event's words.")
@placed
def show(place: Place, task: str, as_of: str | None, project: str | None, json_: bool) -> int:
    """Tell the whole story of TASK: everything that happened, in words, and what it came to.

    What a rollback undid is told too, and marked; it counts for nothing.
    """
    past = asyncio.run(_past(place, task, project, as_of))
    story, counts = fold(past), {recorded.position for recorded in standing(past)}
    if json_:
        told = [
            {"position": r.position, "at": r.envelope.at.isoformat(), "text": line.text}
            | ({} if r.position in counts else {"undone": True})
            for r in past
            for line in lines(r.event)
        ]
        click.echo(json.dumps(result(story) | {"text": story.text, "repo": story.repo, "story": told}))
        return 0
    for recorded in past:
        at = recorded.envelope.at.astimezone().strftime("%H:%M:%S")
        for line in lines(recorded.event):
            click.echo(f"{at}  {line.text}" if recorded.position in counts else f"{at}  (undone) {line.text}")
    goal = ["", f"`{obra_command()} goal show {task}` tells how its tasks stand"]
    page(goal if story.goal else summary(story))
    return 0


async def _past(place: Place, task: str, project: str | None, as_of: str | None) -> tuple[Recorded, ...]:
    async with reading(place) as reader:
        past = await reader.past(place.scope(task, project))
        if as_of is None:
            return past
        return until(past, await position_in(reader, past, as_of, datetime.now(UTC), "--as-of"))
