"""The stream forgets what is archived and over, and nothing else; an empty one is filled at the old positions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from obra.events import (
    AttemptStarted,
    Event,
    PruneRefused,
    PruneRequested,
    ServiceDegraded,
    StreamPruned,
    TaskCancelled,
    TaskLabelled,
    TaskRolledBack,
    TimerSet,
)
from obra.events.subjects import PLATFORM, Scope
from obra.events.task import TaskEnd
from obra.services.log_sink.prune import Pruner, forget
from obra.services.log_sink.sink import Sink
from obra.shared.archive.pruned import is_cut, over
from obra.shared.archive.refill import refilled
from obra.shared.bus import Bus
from obra.shared.bus.memory import MemoryBus
from obra.shared.envelope import Envelope, fresh
from obra.shared.errors import AppendRefused
from obra.shared.store import Store, opened
from tests.archive.stores import made, spaced
from tests.recorded import BEGIN, envelopes, messages
from tests.rig import NatsRig
from tests.simulation.actors import TASK
from tests.simulation.world import World, terminals

ENDED, OPEN = Scope("shop", "ended"), Scope("shop", "open")


def history() -> list[Envelope]:
    """Return a task that ended, with a label, and one that goes on, in turns."""
    ended = [*World(1).play(), TaskLabelled(good=True)]
    assert terminals(ended)
    going = World(2).play()[:8]
    assert not terminals(going)
    open_ = envelopes(OPEN, going)
    return [*open_[:4], *envelopes(ENDED, ended), *open_[4:]]


@contextlib.asynccontextmanager
async def sinking(bus: Bus, root: Path) -> AsyncIterator[Sink]:
    """Run a sink and its pruner while the block runs."""
    sink, stop = Sink(root / "obra.duckdb", root / "events.jsonl", 100), asyncio.Event()
    running = [asyncio.create_task(sink.run(bus, stop)), asyncio.create_task(Pruner(sink).run(bus))]
    try:
        yield sink
    finally:
        running[1].cancel()
        stop.set()
        await asyncio.gather(*running, return_exceptions=True)


async def asked(bus: Bus, request: PruneRequested) -> Event:
    """Publish *request* and return the answer."""
    envelope = fresh(PLATFORM, request, "edge")
    position = await bus.append([envelope])
    async with asyncio.timeout(20), contextlib.aclosing(bus.follow(position)) as raws:
        async for raw in raws:
            if raw.envelope and raw.envelope.cause == envelope.id:
                return raw.envelope.event
    raise AssertionError


async def through(bus: Bus, sink: Sink) -> tuple[int, str]:
    last = await bus.last_position()
    await sink.caught_up(last, 20)
    assert sink.store
    row = sink.store.cursor().execute("SELECT hash FROM event WHERE position = ?", [last]).fetchone()
    assert row
    return last, bytes(row[0]).hex()


async def test_what_is_over_goes_and_what_goes_on_stays(bus: Bus, tmp_path: Path) -> None:
    told = history()
    for one in told:
        await bus.append([one])
    before = {scope: (await bus.past(scope)).events for scope in (ENDED, OPEN)}
    async with sinking(bus, tmp_path) as sink:
        last, head = await through(bus, sink)
        answer = await asked(bus, PruneRequested(through=last, hash=head, archive="/a"))
        ended = (await bus.past(ENDED)).events
        gone = len(before[ENDED]) - len(ended)
        assert answer == StreamPruned(through=last, tasks=1, messages=gone, archive="/a")
        assert gone > 5
        assert is_cut(ended)
        assert ended == before[ENDED][gone:]
        assert (await bus.past(OPEN)).events == before[OPEN]
        again = await asked(bus, PruneRequested(through=last, hash=head, archive="/a"))
        assert again == StreamPruned(through=last, tasks=0, messages=0, archive="/a")
        await through(bus, sink)
    store = Store(tmp_path / "obra.duckdb")
    assert store.verify() is None
    assert store.db.execute("SELECT count(*) FROM event WHERE task = 'ended'").fetchone() == (len(before[ENDED]),)
    store.close()


async def test_a_task_that_is_rolled_back_at_that_moment_keeps_its_past(bus: Bus) -> None:
    told = envelopes(ENDED, World(1).play())
    last = next(at for at, one in enumerate(told) if isinstance(one.event, TaskEnd))
    for one in told[:last]:
        await bus.append([one])
    end = await bus.append([told[last]])
    back = await bus.append([fresh(ENDED, TaskRolledBack(to=end - 1), "edge")])
    whole = (await bus.past(ENDED)).events
    assert await forget(bus, ENDED, end) == 0
    assert (await bus.past(ENDED)).events == whole
    await bus.append([fresh(ENDED, TaskRolledBack(to=back - 1), "edge")])
    assert await forget(bus, ENDED, end) == last
    assert is_cut((await bus.past(ENDED)).events)


async def test_a_sink_begins_again_behind_what_was_pruned(bus: Bus, tmp_path: Path) -> None:
    for one in history():
        await bus.append([one])
    async with sinking(bus, tmp_path) as sink:
        last, head = await through(bus, sink)
        await asked(bus, PruneRequested(through=last, hash=head, archive="/a"))
    async with sinking(bus, tmp_path) as sink:
        await bus.append([fresh(OPEN, TaskLabelled(good=False), "edge")])
        await through(bus, sink)
        assert len(sink.reports) == 0
    store = Store(tmp_path / "obra.duckdb")
    assert (store.verify(), store.watermark) == (None, await bus.last_position())
    store.close()
    assert [path.name for path in tmp_path.glob("obra.duckdb*")] == ["obra.duckdb"]


async def test_a_store_that_is_lost_after_pruning_is_missed_once_and_a_way_back_named(bus: Bus, tmp_path: Path) -> None:
    for one in history():
        await bus.append([one])
    async with sinking(bus, tmp_path) as sink:
        last, head = await through(bus, sink)
        await asked(bus, PruneRequested(through=last, hash=head, archive="/a"))
    (tmp_path / "obra.duckdb").unlink()
    for _ in range(2):
        async with sinking(bus, tmp_path) as sink:
            await through(bus, sink)
    said = [r.event for r in (await bus.past(PLATFORM)).events if isinstance(r.event, ServiceDegraded)]
    assert said == [
        ServiceDegraded(
            service="log-sink", lacking="store",
            reason=f"it ends at position 0, and the stream lacks what was over at {last:,}: stop Obra, then "
            "bring back the rest with `obra restore`, from /a",
            effect="it is rebuilt from what the stream still has",
        )
    ]  # fmt: skip


async def test_without_proof_nothing_goes(memory: object, tmp_path: Path) -> None:
    bus: MemoryBus = memory.bus  # type: ignore[attr-defined]
    for one in history():
        await bus.append([one])
    async with sinking(bus, tmp_path) as sink:
        last, _ = await through(bus, sink)
        answer = await asked(bus, PruneRequested(through=last, hash="ab" * 32, archive="/a"))
        reason = f"the export's hash at position {last:,} is not that of the store"
        assert answer == PruneRefused(reason=reason)
    assert len((await bus.past(ENDED)).events) == sum(one.task == "ended" for one in history())


def test_only_what_ended_in_time_and_runs_no_more_is_over(tmp_path: Path) -> None:
    path = tmp_path / "obra.duckdb"
    raws = made(path, messages(*history()))
    db = opened(path, read_only=True)
    ((scope, end),) = over(db, len(raws))
    assert scope == ENDED
    assert over(db, end - 1) == []
    db.close()


def test_a_task_that_was_cancelled_during_a_run_is_over_once_its_agent_is_gone(tmp_path: Path) -> None:
    told = [TASK, AttemptStarted(attempt=1, run=1, runner="r"), TaskCancelled()]
    *raws, last = messages(*envelopes(ENDED, told), *envelopes(OPEN, [TASK]))
    for after, gone in ((timedelta(minutes=59), []), (timedelta(minutes=61), [(ENDED, 3)])):
        path = tmp_path / f"{after.seconds}.duckdb"
        made(path, [*raws, replace(last, stored_at_ns=last.stored_at_ns + after.seconds * 10**9)])
        db = opened(path, read_only=True)
        assert over(db, 4) == gone
        db.close()


@pytest.mark.bus
async def test_an_empty_stream_is_filled_at_the_old_positions(nats: NatsRig, tmp_path: Path) -> None:
    path = tmp_path / "obra.duckdb"
    going = [*envelopes(OPEN, [TASK]), *_timers()]
    raws = made(path, spaced(messages(*envelopes(ENDED, World(1).play()), *going)))
    filled = await refilled(nats.admin, path)
    assert filled.timers == 1
    kept = {raw.position: raw for raw in raws if raw.envelope and raw.envelope.task == "open"}
    past = (await nats.bus.past(OPEN)).events
    assert [(r.position, r.envelope) for r in past[: len(kept)]] == [(p, raw.envelope) for p, raw in kept.items()]
    ended = (await nats.bus.past(ENDED)).events
    assert is_cut(ended)
    assert {r.position for r in ended} <= {raw.position for raw in raws}
    with pytest.raises(AppendRefused, match="is not empty"):
        await refilled(nats.admin, path)


def _timers() -> list[Envelope]:
    due = Envelope(
        id=UUID(int=77), project=OPEN.project, task=OPEN.task, at=BEGIN + timedelta(seconds=1),
        event=TimerSet(timer="later", delay_s=3600.0), service="decider",
    )  # fmt: skip
    return [due]
