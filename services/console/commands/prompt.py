"""`obra prompt show`: what an agent was told, and what it was not."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from obra.events import (
    AgentExited,
    AttemptRequested,
    Event,
    PromptPrepared,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.services.console.options import Place, as_json, in_project, placed
from obra.services.console.reading import reading
from obra.services.console.render.text import clean
from obra.shared.errors import BadUsage


@click.group(short_help="Show the prompts that were sent to agents.")
def prompt() -> None:
    """Show the prompts that were sent to agents."""


@prompt.command()
@click.argument("task")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="[default: the newest]")
@in_project
@as_json("Print the prompt with everything that is recorded about it as one JSON object.")
@placed
def show(place: Place, task: str, attempt: int | None, project: str | None, json_: bool) -> int:
    """Print the prompt that was sent to the agent of TASK; on stderr, what it tells and what it leaves out.

    It is printed exactly, but for what would move a terminal, if it is printed on one.
    """
    told = asyncio.run(_prompt(place, task, attempt, project))
    if json_:
        click.echo(json.dumps(told))
        return 0
    click.echo(clean(told["prompt"]) if sys.stdout.isatty() else told["prompt"])
    for line in _words(told):
        click.echo(clean(line), err=True)
    return 0


async def _prompt(place: Place, task: str, attempt: int | None, project: str | None) -> dict[str, Any]:
    async with reading(place) as reader:
        past = [recorded.event for recorded in await reader.past(place.scope(task, project))]
        sent = [event for event in past if isinstance(event, AttemptRequested)]
        wanted = [event for event in sent if attempt in (None, event.attempt)]
        if wanted:
            return {"task": task, "prompt": await reader.text(wanted[-1].prompt)} | _record(place, past, wanted[-1])
    if not sent:
        raise BadUsage(problem=f"nothing was sent to the agent of {task} yet: `obra show {task}` says where it is")
    raise BadUsage(problem=f"task {task} has no attempt {attempt}; its newest is {sent[-1].attempt}")


def _record(place: Place, past: Sequence[Event], sent: AttemptRequested) -> dict[str, Any]:
    """Return what the events say of the prompt that was *sent*; numbers are labelled as estimated or reported."""
    prepared = _of(PromptPrepared, past, sent)
    exited = _of(AgentExited, past, sent)
    told = {
        "attempt": sent.attempt, "run": sent.run, "sha256": sent.prompt.sha256, "turns_max": sent.turns_max,
        "resume": sent.resume, "tokens_estimated": sent.tokens_estimated,
    }  # fmt: skip
    if prepared:
        told |= {
            "template": prepared.template, "template_sha256": prepared.template_sha256, "kind": prepared.kind,
            "tokens_by": prepared.tokens_by, "tokens_max": prepared.tokens_max, "pieces": list(prepared.pieces),
            "left_out": [
                {"piece": each.piece, "reason": each.reason, "tokens": each.tokens} for each in prepared.left_out
            ],
            "rules": list(_rules(place, past, sent, prepared)), "rules_sha256": prepared.rules_sha256,
        }  # fmt: skip
    if exited:
        tokens = exited.tokens
        told["reported"] = {
            "input": tokens.input, "output": tokens.output, "cache_read": tokens.cache_read,
            "cache_write": tokens.cache_write, "context_tokens": exited.context_tokens,
            "context_window": exited.context_window,
        }  # fmt: skip
    return told


def _rules(
    place: Place, past: Sequence[Event], sent: AttemptRequested, prepared: PromptPrepared
) -> Iterator[dict[str, str]]:
    """Yield each rule that was told, with what the evidence says of it: kept, broken, or unknown."""
    from obra.shared.rules import load  # noqa: PLC0415 - reads YAML; only this command
    from obra.shared.rules.verdict import verdict  # noqa: PLC0415

    book = load(place.settings.prompt.rules)
    tree, inspected = _of(WorkspaceCheckpointed, past, sent), _of(WorkspaceInspected, past, sent)
    for identity in prepared.rules:
        rule = book.find(identity)
        findings = inspected.findings if inspected else ()
        yield {"id": identity, "verdict": verdict(rule.check, tree, findings) if rule else "unknown"}


def _of(kind: type[Any], past: Sequence[Event], sent: AttemptRequested) -> Any:
    """Return the newest event of *kind* of the run that was *sent*; None if there is none."""
    of_kind: list[Any] = [event for event in past if isinstance(event, kind)]
    of_run = (event for event in reversed(of_kind) if (event.attempt, event.run) == (sent.attempt, sent.run))
    return next(of_run, None)


def _words(told: dict[str, Any]) -> Iterator[str]:
    """Yield what is known about the prompt beside its text."""
    if "template" not in told:
        return
    yield f"--- attempt {told['attempt']}, run {told['run']}: template {told['template']}, task of kind {told['kind']}"
    yield f"about {told['tokens_estimated']:,} tokens, estimated by {told['tokens_by']} before it was sent"
    if reported := told.get("reported"):
        yield (
            f"reported by the agent for the whole run: {reported['input']:,} input, {reported['cache_read']:,} from "
            f"and {reported['cache_write']:,} to the cache, {reported['output']:,} output"
        )
    broken = [rule["id"] for rule in told["rules"] if rule["verdict"] == "broken"]
    yield f"{len(told['rules'])} rules" + (f"; broken: {', '.join(broken)}" if broken else "")
    yield f"context told: {', '.join(told['pieces']) or 'none'}"
    yield "context left out: " + ("; ".join(f"{e['piece']} ({e['reason']})" for e in told["left_out"]) or "nothing")
