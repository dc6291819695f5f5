"""Views that keep settled rows say at every position what they would say if nothing had been settled."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from obra.events import BreakpointRaised, BreakpointResolved, Event, ProjectPaused, ProjectResumed, TaskRolledBack
from obra.events.subjects import Scope
from obra.shared.bus import Raw
from obra.shared.store import UNCOMMITTED_MAX, Store, derived, schema
from obra.shared.store.row import row_of
from tests.recorded import envelopes, messages
from tests.simulation.world import World

TASKS, ROLLBACKS, POSITIONS = 6, 5, 6
PROJECT = [
    ProjectPaused(reason="lunch"), ProjectResumed(), BreakpointRaised(name="policy"), ProjectPaused(), ProjectResumed(),
    BreakpointResolved(resolution="approve", by="ann"), ProjectPaused(), BreakpointRaised(name="policy"),
    ProjectResumed(), BreakpointResolved(resolution="approve", by="ann"), ProjectPaused(),
]  # fmt: skip


def interleaved(chance: random.Random) -> list[Raw]:
    """Return what happened in several tasks and two projects at once, some of it rolled back again and again."""
    pasts: list[list[Event]] = [World(chance.randrange(1_000)).play()[:60] for _ in range(TASKS)]
    total = sum(map(len, pasts)) + ROLLBACKS
    for _ in range(ROLLBACKS):
        past = chance.choice(pasts)
        past.insert(chance.randrange(len(past) + 1), TaskRolledBack(to=chance.randrange(total)))
    queues = [envelopes(Scope("shop", f"t{number}"), past) for number, past in enumerate(pasts)]
    queues.append(envelopes(Scope("shop", "-"), PROJECT))
    queues.append(envelopes(Scope("store", "-"), [ProjectPaused(reason="lunch"), ProjectResumed()] * 20))
    told = []
    while queues := [queue for queue in queues if queue]:
        told.append(chance.choice(queues).pop(0))
    return messages(*told)


def asked(store: Store, view: str, position: int) -> list[tuple[Any, ...]]:
    columns = "DISTINCT position" if view == "undone" else "COLUMNS(*)::VARCHAR"  # two rollbacks may undo one event
    with store.cursor() as reader:
        return reader.execute(f"SELECT {columns} FROM {view}(as_of := {position}) ORDER BY ALL").fetchall()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_settled_changes_no_answer(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = [row_of(raw) for raw in interleaved(chance)]
    plain, settled = Store(tmp_path / "plain"), Store(tmp_path / "settled")
    plain.append(rows)
    cuts = sorted(chance.sample(range(1, len(rows)), 4))
    for low, high in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        settled.append(rows[low:high])
        if high != len(rows):
            derived.settle(settled.db)
    positions = [*cuts, 10**12, *(chance.randrange(len(rows) + 2) for _ in range(POSITIONS))]
    for view in ("undone", *derived.SETTLED):
        for position in positions:
            assert asked(settled, view, position) == asked(plain, view, position), (view, position)
    for store in (plain, settled):
        store.close()


def test_what_is_derived_is_made_anew_from_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row_of(raw) for raw in interleaved(random.Random(7))]
    store = Store(tmp_path / "s")
    for begin in range(0, len(rows), 40):
        store.append(rows[begin : begin + 40])
    before = derived_rows(store)
    store.db.execute("DROP TABLE typed; UPDATE sink SET views = 'of another version'")
    store.close()
    monkeypatch.setattr(derived, "REBUILD_EVENTS", 50)
    store = Store(tmp_path / "s")
    assert derived_rows(store) == before
    assert store.db.execute("SELECT position FROM settling").fetchall() == [(len(rows),)]
    store.close()


def test_rows_are_there_before_they_are_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obra.shared.store.SETTLE_EVERY", 1)
    rows = [row_of(raw) for raw in messages(*envelopes(Scope("shop", "t"), World(1).play()))]
    store, steps = Store(tmp_path / "s"), list[tuple[int, int]]()

    def note() -> None:
        ((settled,),) = store.db.execute("SELECT position FROM settling").fetchall()
        steps.append((store.watermark, settled))

    store.add(store.ready(rows[:2]), more=True)
    store.settle()
    note()
    store.add(store.ready(rows[2:4]))
    note()
    store.settle(behind=True)
    note()
    store.settle()
    note()
    assert steps == [(0, 0), (4, 0), (4, 0), (4, 4)]
    store.close()


def test_so_is_what_is_derived_of_a_large_store(tmp_path: Path) -> None:
    rows = [row_of(raw) for raw in messages(*envelopes(Scope("shop", "t"), World(1).play()))]
    copies = UNCOMMITTED_MAX // len(rows) + 2
    store = Store(tmp_path / "s")
    store.append(rows)
    store.db.execute(f"""
        INSERT INTO event (position, project, task, type, happened_at, body_json, raw, hash, stored_at)
        SELECT position + copy * {len(rows)}, project, 't' || copy, type, happened_at, body_json, raw, hash, stored_at
        FROM event, range(1, {copies}) copied(copy)
    """)
    store.db.execute("DROP TABLE typed; UPDATE sink SET views = 'of another version'")
    schema.prepare(store.db)
    found = store.db.execute("SELECT count(*), count(DISTINCT status), max(position) FROM task").fetchall()
    assert found == [(copies, 1, copies * len(rows))]
    store.close()


def derived_rows(store: Store) -> list[Any]:
    """Return all of it. A JSON object that came back out of a VARIANT has its fields in another order."""
    columns = "* REPLACE (epoch_us(happened_at) AS happened_at)"
    typed = store.db.execute(f"SELECT {columns} FROM typed ORDER BY position").fetchall()
    for *_, body in typed:
        body |= {name: json.loads(body[name]) for name in ("numbers", "text") if (body[name] or "").startswith("{")}
    return [typed, asked(store, "task", 10**12), asked(store, "attempt", 10**12)]


def test_the_answered_event_is_found_however_long_ago_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "RECENT", 3)
    rows = [row_of(raw) for raw in interleaved(random.Random(8))]
    store = Store(tmp_path / "s")
    for row in rows:
        store.append([row])
    types = {row.id: row.type for row in rows}
    found = store.db.execute("SELECT position, cause_type FROM typed ORDER BY position").fetchall()
    assert found == [(row.position, types.get(row.cause)) for row in rows]
    store.close()


def test_views_come_after_what_they_read() -> None:
    names = list(schema.scripts())
    assert names == sorted(names)
    assert names[:4] == ["000_event.sql", "005_typed.sql", "010_settled.sql", "020_history.sql"]
