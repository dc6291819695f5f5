"""`obra run`: submit a task, show what happens, end with its result."""

import asyncio
from pathlib import Path
from typing import Any

import click

from obra.events import TaskSubmitted
from obra.events.subjects import Scope
from obra.services.console.following import conclude, follow, hidden_checks_done, overheard
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import known
from obra.services.console.render.line import Line
from obra.services.console.render.screen import Screen, on_screen
from obra.shared.client import Orchestrator
from obra.shared.edge import settled
from obra.shared.rules.kind import KINDS
from obra.shared.story import Story, fold
from obra.shared.submission import Submission, prepare

CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True}


@click.command(context_settings=CONTEXT, short_help="Have a task done on a git repository, and follow it to its end.")
@click.argument("text", metavar="TASK", required=False)
@click.option("--repo", type=click.Path(path_type=Path), default=".", help="The git repository.")
@click.option("--check", "checks", multiple=True, metavar="CMD", help="Shell command that must exit 0. Repeatable.")
@click.option("--hidden-check", "hidden_checks", multiple=True, metavar="CMD", help="Run on accepted work. Repeatable.")
@click.option("--agent", default="claude", metavar="AGENT", help="`claude`, or `scripted:FILE`.")
@click.option("--model", metavar="NAME", help="The agent's model. [default: the agent's own]")
@click.option("--llm", default="auto", metavar="LLM", help="`auto`, `none`, `ollama/MODEL` or `openai/MODEL`.")
@click.option("--attempts", "attempts_max", type=int, default=3, metavar="N", help="Attempts before the task fails.")
@click.option("--turns", "turns_max", type=int, metavar="N", help="Agent turns in one attempt.")
@click.option("--kind", type=click.Choice(KINDS), help="Of work: rules and turns go by it. [default: by its words]")
@click.option("--milestone", metavar="NAME", help="Tasks of one milestone share a session: each is told of the others.")
@click.option("--template", type=click.Choice(["hybrid", "plain"]), help="Of its prompts. [default: as configured]")
@click.option("--budget", "budget_usd", type=float, metavar="USD", help="For all attempts together.")
@click.option("--timeout", "timeout_s", type=float, default=7200.0, metavar="SECONDS", help="For one attempt.")
@click.option("--silence", "silence_s", type=float, default=900.0, metavar="SECONDS", help="Without any output.")
@click.option("--check-timeout", "check_timeout_s", type=float, default=900.0, metavar="SECONDS", help="For one check.")
@click.option("--base", metavar="REF", help="Commit, branch or tag to start from. [default: HEAD]")
@click.option("--sandbox", type=click.Choice(["auto", "bwrap", "none"]), default="auto", help="Around the agent.")
@click.option("--agent-env", multiple=True, metavar="NAME[=VALUE]", help="Variable the agent gets. Repeatable.")
@click.option("--after", multiple=True, metavar="TASK", help="Task that must be accepted first. Repeatable.")
@click.option("--priority", type=click.IntRange(1, 10), default=5, help="10 is the most urgent.")
@click.option("--deadline", metavar="TIME", help="ISO 8601; a task that has not started by then never does.")
@click.option("--acceptance", multiple=True, metavar="TEXT", help="Criterion that the work must meet. Repeatable.")
@click.option("--task-id", metavar="ID", help="Name of the task and its branch. [default: made from the text]")
@in_project
@click.option("--resume", metavar="TASK", help="Follow a task that exists already instead of submitting one.")
@click.option("--detach", is_flag=True, help="Submit and return; needs a running `obra up`.")
@as_json("Print the result as one JSON object; progress goes to stderr.")
@placed
def run(
    place: Place, text: str | None, resume: str | None, project: str | None, detach: bool, json_: bool, **wishes: Any
) -> int:
    """Have TASK done on a git repository, and follow it to its end.

    The agent works in a clone of its own; accepted work arrives as the branch obra/TASK-ID. Your working tree is
    not touched.
    """
    if (text is None) == (resume is None):
        raise click.UsageError("give either a TASK in words or --resume TASK")
    if resume is not None:
        return followed(place, place.scope(resume, project), json_=json_)
    assert text is not None
    submission = prepare(text, settings=place.settings, project=project, task=wishes.pop("task_id"), **wishes)
    return detached(place, submission, json_=json_) if detach else followed(place, submission, json_=json_)


def followed(place: Place, what: Submission | Scope, *, json_: bool) -> int:
    """Submit or resume, follow to the end, print the result; Ctrl-C leaves the task as it is."""
    scope = what.scope if isinstance(what, Submission) else what
    kept = f"the task is kept. `obra run --resume {scope.task}` goes on with it"
    return conclude(on_screen(lambda lines: _follow(place, what, lines), json_=json_, kept=kept), json_=json_)


async def _follow(place: Place, what: Submission | Scope, lines: Screen) -> Story:
    async with place.obra() as obra:
        if not isinstance(what, Submission):
            return await resumed(obra, what, lines)
        lines.show(Line(f"task {what.scope.task}, agent {what.event.agent.partition(':')[0]}, {what.event.repo}"))
        for notice in what.notices:
            lines.show(Line(f"note: {notice}", "warning"))
        async with overheard(obra, what.scope, lines):
            await obra.client.submit(what)
            story = await follow(obra, what.scope, lines)
            if story.status == "completed" and isinstance(what.event, TaskSubmitted) and what.event.hidden_checks:
                await hidden_checks_done(obra, what.scope, lines)
            return story


async def resumed(obra: Orchestrator, scope: Scope, lines: Screen) -> Story:
    """Follow a task that exists already, from now on; return at once if it is settled."""
    async with overheard(obra, scope, lines):
        story = fold(await known(obra, scope))
        if settled(story):
            return story
        lines.show(Line(f"going on with task {scope.task}, which is {story.status}"))
        return await follow(obra, scope, lines, after=story.position)


def detached(place: Place, submission: Submission, *, json_: bool) -> int:
    """Submit to an Obra that runs already, and return."""

    async def submit() -> Story:
        async with place.obra(start=False) as obra:
            await obra.client.submit(submission)
            return await obra.client.story(submission.scope)

    story = asyncio.run(submit())
    if json_:
        conclude(story, json_=True)
    else:
        task = submission.scope.task
        click.echo(f"{task} is submitted: `obra run --resume {task}` follows it, `obra show {task}` tells about it")
    return 0
