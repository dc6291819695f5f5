"""`obra demo`: the whole loop, with nothing but the agent's brain made up."""

import os
import shlex

import click

from obra.events import AttemptRequested
from obra.services.console.demo.sample import TEXT, Sample, make
from obra.services.console.following import conclude, follow, overheard
from obra.services.console.options import Place, as_json, placed
from obra.services.console.render.line import Line
from obra.services.console.render.screen import Screen, on_screen
from obra.services.console.render.summary import obra_command
from obra.services.console.render.text import one_line
from obra.shared.envelope import Recorded
from obra.shared.story import Story
from obra.shared.submission import Submission, prepare, task_id

INTRODUCTION = (
    "This is real: the NATS server, the seven services, git, the sandbox where there is one, the checks, the store.",
    "This is not: the agent's brain. Its two attempts are scripted, so no account and no model is needed.",
    "",
)


@click.command(short_help="Show the whole loop on a sample repository; needs no account.")
@as_json("Print the result as one JSON object; progress goes to stderr.")
@placed
def demo(place: Place, json_: bool) -> int:
    """Show the whole loop on a sample repository: no account, no model.

    A first attempt says that it is done and is not; the checks say so, their output goes into the next prompt, and
    the second attempt is accepted as a branch. Everything is written below OBRA_HOME.
    """
    task = task_id("order summary")
    sample = make(place.home.demo / task, os.environ.get("PATH", os.defpath))
    submission = prepare(
        TEXT, repo=sample.repo, settings=place.settings, task=task, agent=f"scripted:{sample.script}", llm="none",
        checks=sample.checks, environ={"PATH": sample.path},
    )  # fmt: skip
    kept = "`obra demo` starts a new one"
    story = on_screen(lambda lines: _play(place, submission, lines), json_=json_, kept=kept)
    code = conclude(story, json_=json_)
    if not json_:
        _what_next(sample, story)
    return code


async def _play(place: Place, submission: Submission, lines: Screen) -> Story:
    for sentence in INTRODUCTION:
        lines.show(Line(sentence))
    async with place.obra() as obra:

        async def feedback(recorded: Recorded) -> None:
            event = recorded.event
            if isinstance(event, AttemptRequested) and event.attempt > 1:
                prompt = await obra.joined.bus.text(event.prompt)
                for line in told(prompt):
                    lines.show(Line(f"  prompt {event.attempt} says: {line}", "quiet"))

        async with overheard(obra, submission.scope, lines):
            await obra.client.submit(submission)
            return await follow(obra, submission.scope, lines, extra=feedback)


def told(prompt: str) -> list[str]:
    """Return what *prompt* tells of each failed check: how it ended, and the last line of its output."""
    found: list[str] = []
    before, open_ = "", False
    for line in prompt.splitlines():
        if line.startswith("The check `"):
            found.append(one_line(line, 120))
            open_ = True
        elif open_ and line.endswith(" data>>>"):
            found.append("  " + one_line(before, 120))
            open_ = False
        before = line
    return found


def _what_next(sample: Sample, story: Story) -> None:
    obra = obra_command()
    repo = shlex.quote(str(sample.repo))
    click.echo("\nTry next:")
    if story.branch:
        click.echo(f"  git -C {repo} show {story.branch}")
    click.echo(f"  {obra} show {story.task}")
    click.echo(f'  {obra} sql "SELECT service, count(*) AS events FROM event GROUP BY ALL ORDER BY events DESC"')
