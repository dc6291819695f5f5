"""A grid of policies over many recorded tasks, beside trying each candidate alone."""

import time
from collections.abc import Sequence

from benchmarks.table import show
from obra.events import Policy, TaskReadied
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded
from obra.shared.services import decider
from obra.shared.tuning import apply
from obra.shared.whatif.candidates import Candidates, product
from obra.shared.whatif.redecide import Judges, redecide
from obra.shared.whatif.report import Comparison
from tests.recorded import played
from tests.simulation.world import World

TASKS, HISTORIES, ALONE_TASKS = 10_000, 200, 40
GRID = {
    "accept_confidence": [0.5 + n / 20 for n in range(10)],
    "accept_quality": [0.5 + n / 20 for n in range(10)],
    "passed_prior": [0.5 + n / 20 for n in range(10)],
}


async def main() -> None:
    judges = Judges(decider("scorer"), decider("decider"))
    histories = [played(World(seed), Scope("bench", "t")) for seed in range(HISTORIES)]
    tried = product({}, GRID)
    comparison = Comparison(Candidates(tried), judges)
    start = time.perf_counter()
    for number in range(TASKS):
        comparison.take(Scope("bench", str(number)), histories[number % HISTORIES])
    report = comparison.report()
    grid_s = time.perf_counter() - start
    start = time.perf_counter()
    for one in histories[:ALONE_TASKS]:
        for candidate in tried[::100]:
            redecide(one, judges, apply(policy_of(one), candidate))
    alone_s = (time.perf_counter() - start) / (ALONE_TASKS * len(tried[::100]))
    events = sum(len(histories[n % HISTORIES]) for n in range(TASKS))
    show(
        f"{len(tried):,} policies over {report.tasks:,} tasks ({events:,} events)",
        ["", "seconds", "decisions per second"],
        [
            ["together", f"{grid_s:.1f}", f"{len(tried) * report.tasks / grid_s:,.0f}"],
            ["each alone (estimated)", f"{alone_s * len(tried) * report.tasks:,.0f}", f"{1 / alone_s:,.0f}"],
        ],
    )  # fmt: skip


def policy_of(past: Sequence[Recorded]) -> Policy:
    return next((r.event.policy for r in past if isinstance(r.event, TaskReadied)), Policy())
