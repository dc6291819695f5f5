"""Hybrid against plain prompts on the shipped inputs, in tokens: the table of docs/prompts.md and its raw rows."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.table import show
from obra.shared.config import Settings
from obra.shared.trial import Row
from obra.shared.trial.inputs import shipped
from obra.shared.trial.run import run
from obra.shared.trial.statistics import compare

ROWS = Path(__file__).parent / "rows.jsonl"


async def measured() -> list[tuple[Row, Row]]:
    return [pair async for pair in run(shipped(), "hybrid", "plain", Settings(), None)]


def lines(pairs: list[tuple[Row, Row]]) -> str:
    return "".join(json.dumps(asdict(row)) + "\n" for pair in pairs for row in pair)


def by_attempt(pairs: list[tuple[Row, Row]]) -> list[list[str]]:
    """Return the mean tokens before the first, the second and the third attempt."""
    rows = []
    for attempt in "123":
        chosen = [(a.tokens_estimated, b.tokens_estimated) for a, b in pairs if a.input.endswith(f"-{attempt}")]
        first, second = (sum(side) / len(chosen) for side in zip(*chosen, strict=True))
        rows.append([attempt, str(len(chosen)), f"{first:.1f}", f"{second:.1f}", f"{second - first:+.1f}"])
    return rows


def main() -> None:
    pairs = asyncio.run(measured())
    ROWS.write_text(lines(pairs))
    show("Tokens of a prompt, estimated", ["attempt", "inputs", "hybrid", "plain", "plain - hybrid"], by_attempt(pairs))
    (made,) = compare(pairs)
    verdict = made.winner or f"none ({made.why})"
    show(
        "All inputs, paired", ["pairs", "hybrid", "plain", "plain - hybrid", "95 % interval", "p", "better"],
        [[made.pairs, made.mean_a, made.mean_b, made.difference, f"{made.low} to {made.high}", made.p, verdict]],
    )  # fmt: skip
