"""How well Obra judges: labelled attempts at small real tasks, through the real pipeline.

Evidence alone first, then evidence with a reviewer. The reviewers here are scripted, unless a model is named with
``BENCH_LLM=ollama/MODEL`` (or ``openai/MODEL``) and answers: they show what becomes of decisions when a reviewer is
always kind, never content, obedient to whatever it reads, or wrong one time in five. They say nothing of any model.
"""

import os
from pathlib import Path

from benchmarks.supervision.cases import FIFTH, FOURTH, SEVENTH, SIXTH, Case, load
from benchmarks.supervision.play import play
from benchmarks.supervision.report import show, show_base, write
from benchmarks.supervision.reviewers import REVIEWERS
from benchmarks.supervision.truth import Truth

BASE_CHECKS = "[decision]\nbase_checks = true\n"
ROWS = Path(__file__).parent / "rows.jsonl"
LATER = {"fourth": FOURTH, "fifth": FIFTH, "sixth": SIXTH, "seventh": SEVENTH}
UNPROBED = "[decision]\nprobe = false\n"


async def main() -> None:
    cases, truth = load(), Truth()
    rows = await play(cases, "none", truth)
    show("evidence alone", rows)
    write(ROWS, rows)
    for name, folder in LATER.items():
        await _later(name, load(folder), truth)
    looked_at = [case for case in cases if case.task.checks and (case.good or case.beyond)]
    rows += (based := await play(looked_at, "none", truth, settings=BASE_CHECKS, name="none, base_checks"))
    show_base(based)
    if model := os.environ.get("BENCH_LLM"):
        rows += (judged := await play(cases, model, truth))
        show(f"evidence and the model {model}", judged)
    else:
        for name in REVIEWERS:
            rows += (judged := await play(cases, f"scripted: {name}", truth))
            write(ROWS, rows)
            show(f"evidence and a scripted reviewer that {REVIEWERS[name].behaviour} (no model)", judged)
    write(ROWS, rows)


async def _later(name: str, cases: list[Case], truth: Truth) -> None:
    """Judge the attempts of a later sight, with the probe and without."""
    probed = await play(cases, "none", truth)
    show(f"evidence alone, {name} sight", probed)
    unprobed = await play(cases, "none", truth, settings=UNPROBED, name="none, no probe")
    show(f"evidence alone without the probe, {name} sight", unprobed)
    write(ROWS.with_name(f"rows-{name}-sight.jsonl"), [*probed, *unprobed])
