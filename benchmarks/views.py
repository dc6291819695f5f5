"""How fast questions to a large store are answered, now and as of a position: every view, each column read.

``just bench views=10000000`` asks a store of ten million events. Such a store is grown inside DuckDB: one recorded
past that has something for every view, copied with other positions, ids and tasks; what is derived of it is then made
by the store itself, as after an update. Its chain of hashes is none, and nothing here reads it.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from zlib import crc32

from msgspec.structs import replace

from benchmarks.table import show
from obra.events import (
    Complexity,
    DecisionMade,
    DecisionShadowed,
    Event,
    GoalCompleted,
    GoalSubmitted,
    MilestoneReached,
    PlanAccepted,
    PlannedTask,
    ProjectPaused,
    ProjectResumed,
    TaskCompleted,
    TaskHeld,
    TaskLabelled,
    TaskReadied,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.shared.envelope import Envelope
from obra.shared.store import Store
from obra.shared.store.chain import link
from obra.shared.store.query import local_query
from obra.shared.store.row import row_of
from obra.shared.store.schema import views
from tests.recorded import envelopes, messages, moved
from tests.simulation.world import World

SIZE = 1_000_000
WORLDS = 700
GOAL_TASKS = 7
JITTER_US = 20_000
ROUNDS = 5
BATCH = 4_000
QUESTIONS = {
    "count(*): the floor": "SELECT count(*) FROM event",
    "events by type": "SELECT type, count(*) FROM event GROUP BY type",
    "the newest 20 events": "SELECT position, type, task FROM event ORDER BY position DESC LIMIT 20",
    "one task's past": "SELECT position, type, body FROM event WHERE task = 't7' ORDER BY position",
    "sum over a field of body": "SELECT sum(body.cost_usd::DOUBLE) FROM event WHERE type = 'agent.exited'",
    "view task, one task": "FROM task WHERE task = 't7'",
}
COPY = """
INSERT INTO event (
    position, id, project, task, type, happened_at, cause, correlation, service, body_json, raw, hash, problem,
    stored_at
) SELECT position + {shift}, md5(id::VARCHAR || '{copy}')::UUID, project, 'c{copy}-' || task, type,
    happened_at, md5(cause::VARCHAR || '{copy}')::UUID, md5(correlation::VARCHAR || '{copy}')::UUID, service,
    CASE WHEN type = 'task.rolled_back' OR body_json LIKE '%"goal":"g%'
    THEN json_merge_patch(body_json, json_object(
        'to', (body_json->>'to')::BIGINT + {shift}, 'goal', 'c{copy}-' || (body_json->>'goal')
    ))::VARCHAR ELSE body_json END,
    raw, hash, problem, stored_at
FROM event WHERE position <= {shift_each} AND position + {shift} <= {size}
"""


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def past() -> list[list[Event]]:
    """Return the pasts of some scopes that have, together, something for every view."""
    pasts: list[list[Event]] = []
    for seed in range(WORLDS):
        if seed % GOAL_TASKS == 0:
            pasts.append(_goal(f"g{seed}", [f"t{seed + n}" for n in range(GOAL_TASKS)]))
        pasts.append([told for event in World(seed).play() for told in _richer(event, f"g{seed - seed % GOAL_TASKS}")])
    return pasts


def _goal(goal: str, tasks: list[str]) -> list[Event]:
    plan = tuple(PlannedTask(task=task, text="x", milestone="m1") for task in tasks)
    return [
        GoalSubmitted(text="a command line", repo="/r"),
        PlanAccepted(tasks=plan),
        MilestoneReached(milestone="m1", tasks=tuple(tasks)),
        GoalCompleted(tasks=tuple(tasks)),
    ]


def _richer(event: Event, goal: str) -> list[Event]:
    match event:
        case TaskSubmitted():
            return [replace(event, goal=goal, milestone="m1"), TaskHeld(waits_for="slot", reason="4 are in work")]
        case TaskReadied():
            return [replace(event, complexity=Complexity(total=30))]
        case DecisionMade():
            shadow = DecisionShadowed(action="retry", attempt=event.attempt, run=event.run, was=event.action)
            return [event, replace(shadow, differs=event.action != "retry", numbers={"confidence": 0.7})]
        case TaskCompleted():
            return [event, TaskLabelled(good=True, source="hidden_check")]
        case _:
            return [event]


def seeded(path: Path) -> int:
    """Write the past into the file *path* as messages and return how many there are."""
    told = envelopes(Scope("shop", "-"), [ProjectPaused(reason="lunch"), ProjectResumed()])
    for number, events in enumerate(past()):
        name = events[0].__class__ is GoalSubmitted
        seed = number - number // (GOAL_TASKS + 1) - 1
        scope = Scope("shop", f"g{seed + 1}" if name else f"t{seed}")
        told += envelopes(scope, [moved(event, len(told)) for event in events])
    raws = messages(*map(_unsteady, told))
    store = Store(path)
    for begin in range(0, len(raws), BATCH):
        store.append([row_of(raw) for raw in raws[begin : begin + BATCH]])
    store.close()
    return len(raws)


def _unsteady(one: Envelope) -> Envelope:
    """Return an event that came some time after the one before, and not always the same."""
    return replace(one, at=one.at + timedelta(microseconds=crc32(one.id.bytes) % JITTER_US))


def grown(path: Path, size: int) -> None:
    """Fill the file *path* with a store of *size* events."""
    each = seeded(path)
    store = Store(path)
    for copy in range(1, -(-size // each)):
        store.db.execute(COPY.format(copy=copy, shift=copy * each, shift_each=each, size=size))
    ends = store.db.execute("SELECT position, raw, hash FROM event ORDER BY position DESC LIMIT 2").fetchall()
    newest, head = ends[0][0], link(ends[1][2], ends[0][0], ends[0][1])
    store.db.execute("UPDATE event SET hash = ? WHERE position = ?", [head, newest])
    store.db.execute("UPDATE sink SET watermark = ?, views = ''", [newest])
    store.db.execute("DROP TABLE typed")
    store.close()
    Store(path).close()


def asking(path: Path, count: int) -> None:
    """Measure questions to the file *path*, which holds *count* events."""

    def asked(sql: str) -> float:
        return median(timed(lambda: local_query(path, sql)) for _ in range(ROUNDS)) * 1_000

    floor, lines = asked(next(iter(QUESTIONS.values()))), list[tuple[str, ...]]()
    lines += [(name, f"{(ms := asked(sql)):,.1f}", f"{ms - floor:,.1f}", "") for name, sql in QUESTIONS.items()]
    for view in views():
        whole = f"SELECT count({'*' if view == 'history' else 'COLUMNS(*)'}) FROM {view}"
        now = asked(whole)
        then = max(asked(f"{whole}(as_of := {at})") for at in (count // 2, count - 1))
        lines.append((f"view {view}, all columns", f"{now:,.1f}", f"{now - floor:,.1f}", f"{then / now:.1f}"))
    head = ("question", "ms", "less the opening of the file, ms", "as of a position, times as long")
    show(f"Asked of the file: {count:,} events", head, lines)


def main(size: int = SIZE) -> None:
    root = Path(tempfile.mkdtemp(prefix="obra-bench-"))
    try:
        took = timed(lambda: grown(root / "store.duckdb", size))
        sys.stdout.write(f"a store of {size:,} events grown in {took:.0f} s\n")
        asking(root / "store.duckdb", size)
    finally:
        shutil.rmtree(root)
