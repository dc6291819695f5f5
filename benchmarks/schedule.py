"""How long one decision of the planner takes, by how many tasks are in line. `python benchmarks/schedule.py`"""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from obra.events import Policy, TaskCompleted, TaskReadied, TaskSubmitted
from obra.events.subjects import Scope
from obra.services.planner.decide import planner
from obra.shared.envelope import fresh
from obra.shared.manager import Told
from obra.shared.managing import Managing
from tests.rig import SERVICE, nats_rig

DONE = TaskCompleted(attempt=1, branch="b", commit="c")


def alone(count: int) -> tuple[float, float]:
    """Return the median of folding one submission and of one decision, ms, with *count* tasks queued; no bus."""
    manager = planner(Policy(tasks_max=1))
    state, folds, decisions = manager.initial, list[float](), list[float]()
    for number in range(count):
        told = Told(Scope("shop", f"t{number}"), TaskSubmitted(text="add a flag", repo="/r"), position=number + 1)
        began = time.perf_counter()
        state = manager.evolve(state, told)
        folds.append(time.perf_counter() - began)
        while due := next(iter(manager.decide(state, told)), None):
            state = manager.evolve(state, Told(*due, position=count + number))
    running = Scope("shop", "t0")
    for _ in range(min(count - 1, 2_000)):
        told = Told(running, DONE)
        began = time.perf_counter()
        state = manager.evolve(state, told)
        running, readied = next(iter(manager.decide(state, told)))
        state = manager.evolve(state, Told(running, readied))
        decisions.append(time.perf_counter() - began)
    return median(folds) * 1e3, median(decisions) * 1e3


async def on_the_bus(count: int, ends: int) -> tuple[float, float]:
    """Return ms a task until *count* are in line, and from a task's end to the next one's start, on JetStream."""
    with tempfile.TemporaryDirectory() as folder:
        rig = await nats_rig(Path(folder))
        service = Managing(replace(planner(Policy(tasks_max=1)), name=SERVICE))
        await rig.provide(service.consumer)
        stop = asyncio.Event()
        running = asyncio.create_task(service.run(rig.bus, stop))
        admin = await rig.nats.login("admin")
        began = time.perf_counter()
        for start in range(0, count, 200):
            scopes = [Scope("shop", f"t{number}") for number in range(start, min(count, start + 200))]
            task = TaskSubmitted(text="add a flag", repo="/r")
            await asyncio.gather(*(admin.append([fresh(scope, task, "edge")]) for scope in scopes))
        held = admin.follow(0, ["obra.*.*.task.held"])
        for _ in range(count - 1):
            await anext(held)
        await held.aclose()
        lined_up = (time.perf_counter() - began) / count * 1e3
        readied, took = admin.follow(0, ["obra.*.*.task.readied"]), []
        raw = await anext(readied)
        for _ in range(ends):
            assert raw.envelope
            assert isinstance(raw.envelope.event, TaskReadied)
            await admin.append([fresh(raw.envelope.scope, DONE, "t")])
            began = time.perf_counter()
            raw = await anext(readied)
            took.append(time.perf_counter() - began)
        await readied.aclose()
        stop.set()
        await running
        await admin.close()
        await rig.close()
        return lined_up, median(took) * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, nargs="*", default=[100, 1_000, 10_000])
    parser.add_argument("--bus", type=int, nargs="*", default=[100, 10_000], help="tasks in line, on JetStream")
    asked = parser.parse_args()
    print("| tasks in line | fold a submission | end of one, start of the next | the same on JetStream, sync always |")
    print("|---|---|---|---|")
    for count in sorted({*asked.tasks, *asked.bus}):
        fold, decision = alone(count)
        bus = "not measured"
        if count in asked.bus:
            lined_up, ms = asyncio.run(on_the_bus(count, min(count - 1, 300)))
            bus = f"{ms:.2f} ms ({lined_up:.2f} ms a task to line up)"
        print(f"| {count:,} | {fold:.3f} ms | {decision:.3f} ms | {bus} |")


if __name__ == "__main__":
    main()
