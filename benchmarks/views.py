"""How fast questions to a large store are answered: every view, each column read, and the twenty examples.

Each is asked now, as of a position, and just before the store settles: with as many events behind what is settled as
there ever are while they come one by one.

``just bench views=10000000`` asks a store of ten million events. Such a store is grown inside DuckDB: one recorded
past that has something for every view, copied with other positions, ids and tasks; what is derived of it is then made
by the store itself, as after an update. Its chain of hashes is none, and nothing here reads it. The events that are not
settled are told by other tasks, and taken in by the store as log-sink has it do.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
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
from obra.shared.bus import Raw
from obra.shared.envelope import Envelope
from obra.shared.store import Store
from obra.shared.store.chain import link
from obra.shared.store.derived import SETTLE_EVERY, SETTLE_PART, settle, unsettled
from obra.shared.store.examples import examples
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
FLOOR = "count(*): the floor"
QUESTIONS = {
    FLOOR: "SELECT count(*) FROM event",
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


def past(seeds: range) -> list[list[Event]]:
    """Return the pasts of some scopes that have, together, something for every view."""
    pasts: list[list[Event]] = []
    for seed in seeds:
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


def told(seeds: range, after: int) -> list[Raw]:
    """Return the past of *seeds*, the first of a goal among them, as messages behind position *after*."""
    made = envelopes(Scope("shop", "-"), [ProjectPaused(reason="lunch"), ProjectResumed()])
    for number, events in enumerate(past(seeds)):
        name = events[0].__class__ is GoalSubmitted
        seed = seeds[0] + number - number // (GOAL_TASKS + 1) - 1
        scope = Scope("shop", f"g{seed + 1}" if name else f"t{seed}")
        made += envelopes(scope, [moved(event, after + len(made)) for event in events])
    return messages(*map(_unsteady, made), after=after)


def stored(path: Path, raws: list[Raw]) -> None:
    """Add *raws* to the store *path*, batch by batch."""
    store = Store(path)
    for begin in range(0, len(raws), BATCH):
        store.append([row_of(raw) for raw in raws[begin : begin + BATCH]])
    store.close()


def _unsteady(one: Envelope) -> Envelope:
    """Return an event that came some time after the one before, and not always the same."""
    return replace(one, at=one.at + timedelta(microseconds=crc32(one.id.bytes) % JITTER_US))


def grown(path: Path, size: int) -> None:
    """Fill the file *path* with a store of *size* events, all of them settled but the newest."""
    raws = told(range(WORLDS), after=0)
    stored(path, raws)
    behind = max(SETTLE_EVERY, size // SETTLE_PART) - 1
    multiplied(path, len(raws), size - behind)
    copies = -(-behind // len(raws))
    stored(path, told(range(WORLDS, (copies + 1) * WORLDS), after=size - behind)[:behind])
    store = Store(path)
    assert (store.watermark, unsettled(store.db, size, behind)) == (size, True)
    store.close()


def multiplied(path: Path, each: int, size: int) -> None:
    """Fill the store *path*, which holds *each* events, with copies of them up to *size*; all of it is settled."""
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
    wholes = {view: f"SELECT count({'*' if view == 'history' else 'COLUMNS(*)'}) FROM {view}" for view in views()}
    questions = QUESTIONS | {f"view {view}, all columns": whole for view, whole in wholes.items()}
    questions |= {example.question: example.sql for example in examples()}
    earlier = {
        f"view {view}, all columns": [f"{whole}(as_of := {at})" for at in (count // 10, count // 2, count - 1)]
        for view, whole in wholes.items()
    }
    fresh = {name: fastest(path, sql) for name, sql in questions.items()}
    store = Store(path)
    settle(store.db)
    store.close()
    floor, lines = fastest(path, QUESTIONS[FLOOR]), list[tuple[str, ...]]()
    for name, sql in questions.items():
        now, then = fastest(path, sql), [fastest(path, one) for one in earlier.get(name, [])]
        ratio = f"{max(then) / now:.1f}" if then else ""
        lines.append((name, f"{now:,.1f}", f"{now - floor:,.1f}", f"{fresh[name] - floor:,.1f}", ratio))
    head = ("question", "ms", "less the opening, ms", "just before settling, ms", "as of a position, times as long")
    show(f"Asked of the file: {count:,} events, the fastest of {ROUNDS}", head, lines)


def fastest(path: Path, sql: str) -> float:
    """Return the shortest time of some in which the file *path* answers, milliseconds."""
    return min(timed(lambda: local_query(path, sql)) for _ in range(ROUNDS)) * 1_000


def main(size: int = SIZE) -> None:
    root = Path(tempfile.mkdtemp(prefix="obra-bench-"))
    try:
        took = timed(lambda: grown(root / "store.duckdb", size))
        sys.stdout.write(f"a store of {size:,} events grown in {took:.0f} s\n")
        asking(root / "store.duckdb", size)
    finally:
        shutil.rmtree(root)
