"""`obra say`: plain words about what waits, understood by the reviewing LLM, done once the person has agreed."""

import asyncio
import json
import sys
from dataclasses import dataclass

import click

from obra.events import InputInterpreted
from obra.events.subjects import Scope
from obra.services.console.awaited import awaited
from obra.services.console.commands.resolve import spoken
from obra.services.console.named import named
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.render.text import one_line
from obra.shared.client import Orchestrator
from obra.shared.errors import BadUsage

SLACK_S = 30.0
QUESTIONS = 2
"""A reply that does not fit is asked for once more."""

WAITING_CODE = 3
COMMANDS = "`obra approve`, `reject`, `retry`, `answer` and `cancel` need nobody who understands them"


class NotUnderstood(BadUsage):
    """Nobody could tell what {text!r} is to mean: {reason}; {hint}."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What was understood, and about what."""

    scope: Scope
    item: str
    event: InputInterpreted

    @property
    def text(self) -> str:
        """Return what of it goes on: the answer, or the note."""
        return self.event.parameters.get("text", "")


@click.command(short_help="Say in plain words how something that waits goes on.")
@click.argument("id", metavar="ID")
@click.argument("text")
@click.option("--yes", is_flag=True, help="Do what was understood without asking back.")
@in_project
@as_json("Print the result as one JSON object; progress goes to stderr. Without --yes: what was understood.")
@placed
def say(place: Place, id: str, text: str, yes: bool, project: str | None, json_: bool) -> int:
    """Say TEXT, in plain words, about what waits under ID.

    The reviewing LLM finds out whether it means to approve, reject, retry, answer or cancel; then you are asked
    whether that is what you meant, and it is done.
    """
    if not text.strip():
        raise click.UsageError("there is nothing in TEXT")
    meant = asyncio.run(_understood(place, id, text.strip(), project))
    if not yes and not _agreed(meant, json_=json_):
        return WAITING_CODE
    return spoken(place, meant.scope.task, meant.scope.project, lambda obra, _: _done(obra, meant), json_=json_)


def _agreed(meant: Meant, *, json_: bool) -> bool:
    """Tell what was understood, and ask back where somebody can answer."""
    if json_:
        click.echo(json.dumps({
            "task": meant.scope.task, "project": meant.scope.project, "intent": meant.event.intent,
            "text": meant.text, "words": meant.event.parameters.get("words", ""), "done": False,
        }))  # fmt: skip
        return False
    said = f": {one_line(meant.text, 300)}" if meant.text else ""
    click.echo(f"understood: {meant.event.intent}{said}", err=True)
    if sys.stdin.isatty():
        return click.confirm("is that what you mean?", err=True)
    click.echo("nothing is done: say it again with --yes, or with the command itself", err=True)
    return False


async def _understood(place: Place, id: str, text: str, project: str | None) -> Meant:
    it = await named(place, id, project)
    async with place.obra() as obra:
        position, number, item = await obra.client.say(it.scope, text, it.item)
        longest_s = QUESTIONS * place.settings.llm.timeout_s + SLACK_S
        event = await awaited(
            obra, it.scope, position, InputInterpreted, longest_s, accept=lambda event: event.input == number,
            otherwise=f"nobody has told within {longest_s:.0f} s what that means; {COMMANDS}",
        )  # fmt: skip
    if not event.usable:
        reason = f"no LLM serves the task ({event.reason})" if event.provider == "none" else event.reason
        raise NotUnderstood(text=one_line(text, 60), reason=reason, hint=COMMANDS)
    return Meant(it.scope, item, event)


async def _done(obra: Orchestrator, meant: Meant) -> int:
    """Do as was understood, about the very thing that waited then."""
    match meant.event.intent:
        case "answer":
            return await obra.answer(meant.scope, meant.text, meant.item)
        case "cancel":
            return await obra.cancel(meant.scope, meant.text)
        case "approve" | "reject" | "retry" as verb:
            return await obra.resolve(meant.scope, verb, meant.text, meant.item)
        case unknown:
            raise NotUnderstood(text=meant.text, reason=f"{unknown!r} is nothing that can be done", hint=COMMANDS)
