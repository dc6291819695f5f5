"""`obra answer`: what a person says to a question."""

import sys

import click

from obra.services.console.commands.resolve import spoken
from obra.services.console.options import Place, as_json, in_project, placed

TEXT_CHARS_MAX = 50_000


@click.command(short_help="Answer the question that a task waits with.")
@click.argument("id", metavar="ID")
@click.argument("text", required=False)
@in_project
@as_json("Print the result as one JSON object; progress goes to stderr.")
@placed
def answer(place: Place, id: str, text: str | None, project: str | None, json_: bool) -> int:
    """Answer the question that waits under ID: a task's, or one of `obra inbox`.

    Without TEXT, or with -, the answer is read from standard input. The agent reads it in its next attempt.
    """
    said = (_read() if text in (None, "-") else str(text)).strip()
    if not said:
        raise click.UsageError("the answer is empty")
    if len(said) > TEXT_CHARS_MAX:
        raise click.UsageError(f"the answer is longer than {TEXT_CHARS_MAX:,} characters")
    return spoken(place, id, project, lambda obra, it: obra.answer(it.scope, said, it.item), json_=json_)


def _read() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("answer", err=True))
    return sys.stdin.read(TEXT_CHARS_MAX + 1)
