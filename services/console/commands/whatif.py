"""`obra whatif`: recorded history decided again under another policy."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from obra.events import PromptEnhanced, PromptPrepared
from obra.events.subjects import Scope
from obra.services.console.options import Place, as_json, placed
from obra.services.console.reading import reading
from obra.services.console.render.table import grid as table
from obra.services.console.render.text import count, money, one_line, page
from obra.services.console.selection import Bound, Selection, bound, happened
from obra.shared.bus import Raw
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage
from obra.shared.services import decider

if TYPE_CHECKING:
    from obra.shared.whatif.report import Comparison, Report, Verdict

TOLD_TO_AGENTS = (PromptPrepared, PromptEnhanced)
"""Large, and nobody judges by them."""

SHOWN_MAX, SOME = 20, 3
HONEST = (
    "Each task is followed to its first decision that differs. What an agent would have done after that is not known, "
    "and nothing is made up about it."
)


@click.command(short_help="Decide recorded history again under another policy.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Such as decision.accept_confidence=0.9.")
@click.option("--grid", "grids", multiple=True, metavar="KEY=V1,V2", help="Try every combination of these. Repeatable.")
@click.option(
    "--since", metavar="WHEN", help="Tasks submitted from this position or time on: 42, 2026-01-31, 7d (ago)."
)
@click.option("--project", default="", metavar="NAME", help="Only of this project. [default: all]")
@as_json()
@placed
def whatif(
    place: Place, sets: tuple[str, ...], grids: tuple[str, ...], since: str | None, project: str, json_: bool
) -> int:
    """Decide recorded history again under another policy, with the very same rules and without any tokens.

    Says which decisions change, what attempts and costs that saves or adds as far as it is known, and how many false
    accepts and false escalations there would have been, by the ground truth that is known.
    """
    if not sets and not grids:
        raise BadUsage(problem="say what to change: `obra whatif --set decision.accept_confidence=0.9`, or --grid")
    comparison = _comparison(sets, grids)
    asyncio.run(_compare(place, comparison, bound(since, datetime.now(UTC), "--since"), project))
    report = comparison.report()
    if json_:
        click.echo(json.dumps(as_object(report)))
        return 0
    if not report.tasks:
        click.echo("no task was readied there, so there is nothing to decide again")
        return 0
    page(_single(report) if len(report.verdicts) == 1 else _many(report))
    return 0


def _comparison(sets: tuple[str, ...], grids: tuple[str, ...]) -> "Comparison":
    from obra.shared import tuning  # noqa: PLC0415 - only here
    from obra.shared.whatif import candidates  # noqa: PLC0415
    from obra.shared.whatif.redecide import Judges  # noqa: PLC0415
    from obra.shared.whatif.report import Comparison  # noqa: PLC0415

    tried = candidates.product(tuning.changes(sets), candidates.grid(grids))
    judges = Judges(decider("scorer"), decider("decider"))
    return Comparison(candidates.Candidates(tried), judges, details=len(tried) == 1)


async def _compare(place: Place, comparison: "Comparison", since: Bound, project: str) -> None:
    pasts: dict[Scope, list[Recorded]] = {}
    early: set[Scope] = set()
    async with reading(place) as reader, contextlib.aclosing(reader.events(Selection(project=project))) as raws:
        async for raw in raws:
            if raw.envelope is None or isinstance(raw.envelope.event, TOLD_TO_AGENTS):
                continue
            scope = raw.envelope.scope
            if scope not in pasts and _before(raw, since):
                early.add(scope)
            if scope not in early:
                pasts.setdefault(scope, []).append(Recorded(raw.position, raw.envelope))
    for scope, past in pasts.items():
        comparison.take(scope, past)


def _before(raw: Raw, since: Bound) -> bool:
    if isinstance(since, datetime):
        return happened(raw) < since
    return since is not None and raw.position < since


def as_object(report: "Report") -> dict[str, Any]:
    """Return the object that --json prints."""
    return {
        "tasks": report.tasks, "unrepeatable": [".".join(scope) for scope in report.unrepeatable],
        "labelled": report.labelled,
        "recorded": {
            "attempts": report.attempts, "cost_usd": round(report.cost_usd, 6),
            "false_accepts": report.false_accepts, "false_escalations": report.false_escalations,
        },
        "candidates": [_candidate(verdict) for verdict in report.verdicts],
        "divergences": [
            {
                "project": scope.project, "task": scope.task, "position": found.position, "attempt": found.attempt,
                "was": found.change[0], "would_be": found.change[1], "reasons": list(found.reasons),
            }
            for scope, found in report.divergences
        ],
    }  # fmt: skip


def _candidate(verdict: "Verdict") -> dict[str, Any]:
    return {
        "set": {f"decision.{key}": value for key, value in verdict.changed.items()},
        "tasks_changed": verdict.tasks_changed,
        "changes": [{"was": was, "would_be": now, "tasks": n} for (was, now), n in sorted(verdict.changes.items())],
        "attempts_saved": verdict.attempts_saved, "cost_saved_usd": round(verdict.cost_saved_usd, 6),
        "attempts_added_at_least": verdict.attempts_added, "accepts_of_unknown_truth": verdict.accepts_unknown,
        "false_accepts": verdict.false_accepts, "false_escalations": verdict.false_escalations,
    }  # fmt: skip


def _head(report: "Report") -> Iterator[str]:
    yield f"{count(report.tasks, 'task')} decided again, {report.labelled:,} of them with ground truth"
    if report.unrepeatable:
        some = ", ".join(scope.task for scope in report.unrepeatable[:SOME])
        left_out = count(len(report.unrepeatable), "task")
        yield f"left out: {left_out} whose own decisions this version does not repeat, such as {some}"


def _single(report: "Report") -> Iterator[str]:
    """Yield what a person reads about one candidate."""
    yield from _head(report)
    (verdict,) = report.verdicts
    yield f"\nwith {_settings(verdict)}:"
    yield f"  decisions that change   {verdict.tasks_changed} ({_changes(verdict) or 'none'})"
    yield f"  attempts saved          {verdict.attempts_saved}, {money(verdict.cost_saved_usd)}"
    yield f"  attempts added          at least {verdict.attempts_added}; what they would cost is not known"
    yield f"  false accepts           {report.false_accepts} → {_plus(verdict)}"
    yield f"  false escalations       {report.false_escalations} → {verdict.false_escalations}"
    if report.divergences:
        rows = [
            [scope.task, found.position, found.attempt, *found.change, one_line("; ".join(found.reasons), 80)]
            for scope, found in report.divergences[:SHOWN_MAX]
        ]
        yield ""
        yield from table(["task", "position", "attempt", "was", "would be", "because"], rows)
        if len(report.divergences) > SHOWN_MAX:
            yield f"… and {len(report.divergences) - SHOWN_MAX:,} more; --json has them all"
    yield f"\n{HONEST}"


def _many(report: "Report") -> Iterator[str]:
    """Yield what a person reads about a grid, the most promising first."""
    yield from _head(report)
    best = sorted(
        report.verdicts,
        key=lambda v: (v.false_accepts + v.accepts_unknown, v.false_escalations, v.attempts_added - v.attempts_saved),
    )
    rows = [
        [
            _settings(v), v.tasks_changed, v.attempts_saved, f"{v.cost_saved_usd:.2f}", v.attempts_added,
            _plus(v), v.false_escalations,
        ]
        for v in best[:SHOWN_MAX]
    ]  # fmt: skip
    escalations = count(report.false_escalations, "false escalation")
    yield f"recorded: {count(report.false_accepts, 'false accept')}, {escalations}\n"
    columns = ["policy", "changed", "saved", "USD", "added ≥", "false accepts", "false escalations"]
    yield from table(columns, rows)
    if len(best) > SHOWN_MAX:
        yield f"… and {len(best) - SHOWN_MAX:,} more; --json has them all"
    yield f"\n{HONEST}"


def _settings(verdict: "Verdict") -> str:
    return " ".join(f"{key}={json.dumps(value)}" for key, value in verdict.changed.items())


def _changes(verdict: "Verdict") -> str:
    return ", ".join(f"{was} → {now}: {n}" for (was, now), n in verdict.changes.most_common())


def _plus(verdict: "Verdict") -> str:
    unknown = f" + {verdict.accepts_unknown} nobody knows about" if verdict.accepts_unknown else ""
    return f"{verdict.false_accepts}{unknown}"
