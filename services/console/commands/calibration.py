"""`obra calibration`: how far confidences can be believed, and where decisions were wrong."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from obra.services.console.options import Place, as_json, placed
from obra.services.console.reading import answered, reading
from obra.services.console.render.plot import reliability
from obra.services.console.render.summary import obra_command
from obra.services.console.render.table import grid
from obra.services.console.render.text import count, page
from obra.shared.calibration_measure import Judged, bins, brier, calibration_error
from obra.shared.edge import NothingToLabel
from obra.shared.reverts import Delivered, reverted

LABELLED = "SELECT agent, model, llm, raw, confidence, good, source, outcome FROM calibration ORDER BY position"
FITTED = """
    SELECT coalesce(body.calibration.method::VARCHAR, 'identity') AS method,
        coalesce(TRY_CAST(body.calibration.outcomes AS BIGINT), 0) AS outcomes,
        coalesce(TRY_CAST(body.brier_before AS DOUBLE), 0) AS brier_before,
        coalesce(TRY_CAST(body.brier_after AS DOUBLE), 0) AS brier_after, coalesce(body.reason::VARCHAR, '') AS reason
    FROM history WHERE type = 'calibration.fitted' ORDER BY position DESC LIMIT 1
"""
DELIVERED = """
    SELECT t.project, t.task, t.repo, d.body.commit::VARCHAR AS commit, coalesce(d.body.base::VARCHAR, '') AS base,
        TRY_CAST(d.body.attempt AS BIGINT) AS attempt
    FROM history d JOIN task t USING (project, task)
    WHERE d.type = 'branch.delivered' AND t.status = 'completed' AND NOT EXISTS (
        FROM history l WHERE l.project = t.project AND l.task = t.task AND l.type = 'task.labelled'
            AND l.body.source::VARCHAR = 'reverted'
    ) ORDER BY d.position
"""
WRONG = ("false accept", "false escalation", "false refusal")


@click.command(short_help="Measure how far confidences can be believed, on labelled work.")
@click.option("--plot", is_flag=True, help="Draw the reliability diagram.")
@click.option("--scan", is_flag=True, help="First look whether delivered work was reverted, and label it.")
@as_json()
@placed
def calibration(place: Place, plot: bool, scan: bool, json_: bool) -> int:
    """Measure how far confidences can be believed, on labelled work.

    Labels come from `obra label`, from hidden checks (`obra run --hidden-check`), and with --scan from reverts in
    your repositories, which are only read.
    """
    found = asyncio.run(_measured(place, scan=scan))
    if json_:
        click.echo(json.dumps(found))
    else:
        page(told(found, plot=plot))
    return 0


async def _measured(place: Place, *, scan: bool) -> dict[str, Any]:
    scanned = await _scan(place) if scan else []
    async with reading(place) as reader:
        rows, fitted = await answered(reader, LABELLED), await answered(reader, FITTED)
    groups = {
        by: {name: _numbers([row for row in rows if row[by] == name]) for name in sorted({row[by] for row in rows})}
        for by in ("agent", "model", "llm")
    }
    return {
        **_numbers(rows), "sources": dict(Counter(row["source"] for row in rows)), "by": groups,
        "bins": [asdict(each) for each in bins(_judged(rows, "confidence"))],
        "map": fitted[0] if fitted else {"method": "identity", "outcomes": 0, "reason": ""},
        "outcomes_min": place.settings.policy().calibration_outcomes_min, "reverted": scanned,
    }  # fmt: skip


def _judged(rows: Sequence[dict[str, Any]], column: str) -> list[Judged]:
    return [Judged(row[column], bool(row["good"])) for row in rows]


def _numbers(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the measures of *rows*."""
    judged, outcomes = _judged(rows, "confidence"), Counter(row["outcome"] for row in rows)
    return {
        "labelled": len(rows), "good": sum(each.good for each in judged), "brier": round(brier(judged), 4),
        "brier_raw": round(brier(_judged(rows, "raw")), 4), "calibration_error": round(calibration_error(judged), 4),
        **{name.replace(" ", "_") + "s": outcomes[name] for name in WRONG},
        "accepted": outcomes["true accept"] + outcomes["false accept"],
        "escalated": outcomes["true escalation"] + outcomes["false escalation"],
    }  # fmt: skip


async def _scan(place: Place) -> list[dict[str, str]]:
    """Label delivered work that was reverted since; return what was found."""
    async with place.obra() as obra:
        table = await obra.sql(DELIVERED)
        found = []
        for project, task, repo, commit, base, attempt in table.rows:
            why = await asyncio.to_thread(reverted, Path(repo), Delivered(commit, base))
            if not why:
                continue
            with contextlib.suppress(NothingToLabel):  # a person accepted it unscored: there was no confidence
                await obra.client.label(
                    obra.scope(task, project), good=False, attempt=attempt, note=why, source="reverted"
                )
                found.append({"project": project, "task": task, "why": why})
        return found


def told(found: dict[str, Any], *, plot: bool) -> Iterator[str]:
    """Yield what a person reads."""
    for each in found["reverted"]:
        yield f"{each['task']} was reverted: {each['why']}"
    if not found["labelled"]:
        yield f"no attempt is labelled yet: `{obra_command()} label TASK good|bad`, or `run --hidden-check CMD`"
        return
    yield (
        f"{count(found['labelled'], 'labelled attempt')}, {found['good']} good "
        f"({', '.join(f'{n} by {source}' for source, n in sorted(found['sources'].items()))})"
    )
    yield f"Brier score {found['brier']:.4f} (raw {found['brier_raw']:.4f}; 0 is perfect)"
    yield f"expected calibration error {found['calibration_error']:.4f}"
    yield (
        f"false accepts {found['false_accepts']} of {found['accepted']}, "
        f"false escalations {found['false_escalations']} of {found['escalated']}, refused though good "
        f"{found['false_refusals']}"
    )
    yield _of_the_map(found)
    for by, groups in found["by"].items():
        yield ""
        columns = [by, "labelled", "good", "Brier", "calibration error", *(f"{name}s" for name in WRONG)]
        yield from grid(columns, [_row(name or "(unknown)", numbers) for name, numbers in groups.items()])
    if plot:
        yield ""
        yield from reliability(found["bins"])


def _row(name: str, numbers: dict[str, Any]) -> list[Any]:
    wrong = [numbers[each.replace(" ", "_") + "s"] for each in WRONG]
    return [name, numbers["labelled"], numbers["good"], numbers["brier"], numbers["calibration_error"], *wrong]


def _of_the_map(found: dict[str, Any]) -> str:
    fitted, least = found["map"], found["outcomes_min"]
    if fitted["outcomes"]:
        why = f": {fitted['reason']}" if fitted["reason"] else ""
        return f"the map in force is {fitted['method']}, from {count(fitted['outcomes'], 'outcome')}{why}"
    return f"no map is fitted before {count(least, 'outcome')}: until then the stated priors hold"
