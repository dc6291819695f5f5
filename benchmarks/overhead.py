"""What Obra adds to a task: from task.submitted to task.completed, less the agent's and the checks' own time."""

import os
from itertools import pairwise

from benchmarks.place import place
from benchmarks.table import percentile, show
from obra.events import AgentExited, ChecksRan, TaskCompleted
from obra.events.subjects import name
from obra.shared.client import Orchestrator
from obra.shared.envelope import Recorded, type_of

TASKS, WARM = 40, 5


async def main() -> None:
    totals: list[float] = []
    hops: dict[str, list[float]] = {}
    with place() as at:
        async with Orchestrator(at.home) as obra:
            for number in range(TASKS + WARM):
                result = await obra.run(
                    f"write a file {number}", repo=at.repo, checks=["true"], agent=f"scripted:{at.script}", llm="none",
                    sandbox=os.environ.get("BENCH_SANDBOX", "none"),
                )  # fmt: skip
                past = (await obra.joined.bus.past(obra.scope(result["task"]))).events
                if number >= WARM:
                    totals.append(overhead_ms(past))
                    for before, after in pairwise(story(past)):
                        hops.setdefault(type_of(after.envelope), []).append(span_ms(before, after))
    show(
        f"overhead of Obra in a task, {TASKS} tasks one after another, durable writes",
        ["", "least ms", "p50 ms", "p95 ms"],
        [row("all", totals)] + [row(f"… until {kind}", ms) for kind, ms in hops.items()],
    )


def row(what: str, ms: list[float]) -> list[str]:
    return [what, f"{min(ms):.1f}", f"{percentile(ms, 50):.1f}", f"{percentile(ms, 95):.1f}"]


def story(past: tuple[Recorded, ...]) -> list[Recorded]:
    end = next(i for i, recorded in enumerate(past) if isinstance(recorded.event, TaskCompleted))
    return list(past[: end + 1])


def span_ms(before: Recorded, after: Recorded) -> float:
    """From one event to the next, less the time of the agent or the checks in between."""
    return (after.envelope.at - before.envelope.at).total_seconds() * 1e3 - own_ms(after)


def own_ms(recorded: Recorded) -> float:
    match recorded.event:
        case AgentExited(duration_ms=ms):
            return ms
        case ChecksRan(checks=checks):
            return sum(check.duration_ms for check in checks)
    return 0.0


def overhead_ms(past: tuple[Recorded, ...]) -> float:
    events = story(past)
    assert name(events[0].event) == "task.submitted"
    whole = (events[-1].envelope.at - events[0].envelope.at).total_seconds() * 1e3
    return whole - sum(own_ms(recorded) for recorded in events)
