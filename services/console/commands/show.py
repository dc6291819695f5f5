"""`obra show`: the whole story of a task."""

import asyncio
import json

import click

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import reading
from obra.services.console.render.summary import summary
from obra.services.console.render.words import lines
from obra.shared.envelope import Recorded
from obra.shared.story import fold, result


@click.command(short_help="Tell the whole story of a task.")
@click.argument("task")
@in_project
@as_json("Print what `obra run --json` prints, with the task's text, and every event's words.")
@placed
def show(place: Place, task: str, project: str | None, json_: bool) -> int:
    """Tell the whole story of TASK: everything that happened, in words, and what it came to."""
    past = asyncio.run(_past(place, task, project))
    story = fold(past)
    if json_:
        told = [
            {"position": r.position, "at": r.envelope.at.isoformat(), "text": line.text}
            for r in past
            for line in lines(r.event)
        ]
        click.echo(json.dumps(result(story) | {"text": story.text, "repo": story.repo, "story": told}))
        return 0
    for recorded in past:
        at = recorded.envelope.at.astimezone().strftime("%H:%M:%S")
        for line in lines(recorded.event):
            click.echo(f"{at}  {line.text}")
    for text in summary(story):
        click.echo(text)
    return 0


async def _past(place: Place, task: str, project: str | None) -> tuple[Recorded, ...]:
    async with reading(place) as reader:
        return await reader.past(place.scope(task, project))
