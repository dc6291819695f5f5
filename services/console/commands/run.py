"""`obra run`: submit a task, show what happens, end with its result."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.way import TASK, detached, followed
from obra.shared.rules.kind import KINDS
from obra.shared.submission import prepare

OF_RESUME = frozenset({"--resume", "--project", "--json", "--config", "--detach"})
CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True}


@click.command(context_settings=CONTEXT, short_help="Have a task done on a git repository, and follow it to its end.")
@click.argument("text", metavar="TASK", required=False)
@click.option("--repo", type=click.Path(path_type=Path), default=".", help="The git repository.")
@click.option("--check", "checks", multiple=True, metavar="CMD", help="Shell command that must exit 0. Repeatable.")
@click.option(
    "--hidden-check",
    "hidden_checks",
    multiple=True,
    metavar="CMD",
    help="Run on accepted work, as ground truth. Repeatable.",
)
@click.option("--agent", default="claude", metavar="AGENT", help="`claude`, or `scripted:FILE`.")
@click.option("--model", metavar="NAME", help="The agent's model. [default: the agent's own]")
@click.option("--llm", default="auto", metavar="LLM", help="`auto`, `none`, `ollama/MODEL` or `openai/MODEL`.")
@click.option("--attempts", "attempts_max", type=int, default=3, metavar="N", help="Attempts before the task fails.")
@click.option(
    "--turns", "turns_max", type=int, metavar="N", help="Agent turns in one attempt. [default: by complexity and kind]"
)
@click.option("--kind", type=click.Choice(KINDS), help="Of work: rules and turns go by it. [default: by its words]")
@click.option("--milestone", metavar="NAME", help="Tasks of one milestone share a session: each is told of the others.")
@click.option("--template", type=click.Choice(["hybrid", "plain"]), help="Of its prompts. [default: as configured]")
@click.option(
    "--budget", "budget_usd", type=float, metavar="USD", help="For all attempts together. [default: no limit]"
)
@click.option(
    "--timeout",
    "timeout_s",
    type=float,
    default=7200.0,
    metavar="SECONDS",
    help="For one attempt; then the agent is stopped.",
)
@click.option(
    "--silence",
    "silence_s",
    type=float,
    default=900.0,
    metavar="SECONDS",
    help="Without any output; then it is stopped.",
)
@click.option("--check-timeout", "check_timeout_s", type=float, default=900.0, metavar="SECONDS", help="For one check.")
@click.option("--base", metavar="REF", help="Commit, branch or tag to start from. [default: HEAD]")
@click.option(
    "--sandbox", type=click.Choice(["auto", "bwrap", "none"]), default="auto", help="`auto`: bubblewrap where it works."
)
@click.option("--agent-env", multiple=True, metavar="NAME[=VALUE]", help="Variable the agent gets. Repeatable.")
@click.option("--after", multiple=True, metavar="TASK", help="Task that must be accepted first. Repeatable.")
@click.option("--priority", type=click.IntRange(1, 10), default=5, help="10 is the most urgent.")
@click.option("--deadline", metavar="TIME", help="ISO 8601; a task that has not started by then never does.")
@click.option("--acceptance", multiple=True, metavar="TEXT", help="Criterion that the work must meet. Repeatable.")
@click.option(
    "--set", "policy", multiple=True, metavar="KEY=VALUE", help="Policy of this task, like decision.accept_quality=0.9."
)
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
        _say_what_is_ignored()
        return followed(place, place.scope(resume, project), TASK, json_=json_)
    assert text is not None
    submission = prepare(text, settings=place.settings, project=project, task=wishes.pop("task_id"), **wishes)
    return (detached if detach else followed)(place, submission, TASK, json_=json_)


def _say_what_is_ignored() -> None:
    """A task that exists has its wishes already: say so of those that were given again."""
    context = click.get_current_context()
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if ignored := [option for option in given if option not in OF_RESUME]:
        click.echo(f"note: with --resume the task stays as it was submitted: {', '.join(ignored)} ignored", err=True)
