"""How fast events get into the store, and how fast questions are answered; beside the ceilings of the same machine."""

import asyncio
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.table import show
from obra.services.log_sink.service import service
from obra.services.log_sink.sink import Sink
from obra.shared.bus import Raw
from obra.shared.bus.memory import MemoryBus
from obra.shared.bus.provision import provision
from obra.shared.config import NatsSettings, Settings
from obra.shared.embedded.access import users_for
from obra.shared.envelope import Envelope
from obra.shared.home import Home
from obra.shared.store import Store
from obra.shared.store.query import local_query
from obra.shared.store.row import row_of
from tests.recorded import simulated
from tests.rig import Nats

BATCH = 4_000
WORLDS = 700
SIZES = (100_000, 1_000_000)
ROUNDS = 5
QUESTIONS = {
    "count(*): the ceiling": "SELECT count(*) FROM event",
    "events by type": "SELECT type, count(*) FROM event GROUP BY type",
    "the newest 20 events": "SELECT position, type, task FROM event ORDER BY position DESC LIMIT 20",
    "one task's past": "SELECT position, type, body FROM event WHERE task = 't7' ORDER BY position",
    "sum over a field of body": "SELECT sum(body.cost_usd::DOUBLE) FROM event WHERE type = 'agent.exited'",
    "view task, one task": "FROM task WHERE task = 't7'",
    "view task, counted": "SELECT status, count(*) FROM task GROUP BY status",
    "view task as of the middle": "SELECT status, count(*) FROM task(as_of := {middle}) GROUP BY status",
    "view attempt, counted": "SELECT ending, count(*) FROM attempt GROUP BY ending",
    "view check_result": "SELECT command, count(*) FROM check_result GROUP BY command",
    "view cost": "SELECT sum(cost_usd) FROM cost",
    "view hop": "SELECT count(*) FROM hop",
}


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def batches(raws: list[Raw]) -> list[list[Raw]]:
    return [raws[begin : begin + BATCH] for begin in range(0, len(raws), BATCH)]


async def sunk(bus: MemoryBus, root: Path, count: int) -> float:
    """Return how long a sink takes from its start until it has all of *bus*."""
    root.mkdir()
    sink, stop = Sink(root / "obra.duckdb", root / "events.jsonl", BATCH), asyncio.Event()
    begin = time.perf_counter()
    task = asyncio.create_task(sink.run(bus, stop))
    await sink.caught_up(count, 600)
    took = time.perf_counter() - begin
    stop.set()
    await task
    return took


async def sunk_from_jetstream(raws: list[Raw], root: Path) -> float:
    root.mkdir()
    nats = Nats(root, tuple(users_for([service(Settings(), Home(root / "home"))])), sync="2m")
    await nats.start()
    admin, bus = await nats.login("admin"), await nats.login("log-sink")
    try:
        await provision(admin.js, NatsSettings())
        for number, raw in enumerate(raws):
            await admin.nc.publish(raw.subject, raw.data)
            if number % 1_000 == 0:
                await admin.nc.flush()
        while await admin.last_position() < len(raws):
            await asyncio.sleep(0.05)
        return await sunk(bus, root / "sink", len(raws))  # type: ignore[arg-type]
    finally:
        await bus.close()
        await admin.close()
        await nats.kill()


async def writing(root: Path, raws: list[Raw]) -> None:
    rows = [row_of(raw) for raw in raws]
    decoder = msgspec.json.Decoder(Envelope)
    figures = {"decode alone": timed(lambda: [decoder.decode(raw.data) for raw in raws])}
    store = Store(root / "raw.duckdb")
    grouped = [rows[begin : begin + BATCH] for begin in range(0, len(rows), BATCH)]
    figures["append alone, 4,000 a commit"] = timed(lambda: deque(map(store.append, grouped), maxlen=0))
    store.close()
    figures["rows: redact, text, log line"] = timed(lambda: [row_of(raw) for raw in raws])
    memory = MemoryBus()
    memory.log = raws
    figures["log-sink, bus in memory"] = await sunk(memory, root / "memory", len(raws))
    figures["log-sink, JetStream"] = await sunk_from_jetstream(raws, root / "jetstream")
    top = figures["append alone, 4,000 a commit"]
    bytes_each = sum(len(raw.data) for raw in raws) / len(raws)
    show(
        f"Into the store: {len(raws):,} events of {bytes_each:,.0f} bytes",
        ("step", "events/s", "of the append alone"),
        [(name, f"{len(raws) / took:,.0f}", f"{top / took:.2f}") for name, took in figures.items()],
    )


def grown(root: Path, raws: list[Raw], size: int) -> Path:
    """Return a store of *size* events: those of *raws* and copies of them under other names."""
    path = root / f"{size}.duckdb"
    store = Store(path)
    for batch in batches(raws):
        store.append([row_of(raw) for raw in batch])
    each = len(raws)
    for copy in range(1, -(-size // each)):
        store.db.execute(f"""
            INSERT INTO event SELECT position + {copy * each}, md5(concat(id, {copy}))::UUID, project,
                concat(task, '-', {copy}), type, happened_at, if(cause IS NULL, NULL, md5(concat(cause, {copy}))::UUID),
                correlation, service, body, raw, hash, problem, stored_at
            FROM event WHERE position <= {min(each, size - copy * each)}
        """)
    store.db.execute("UPDATE sink SET watermark = (SELECT max(position) FROM event)")
    store.close()
    return path


def asking(root: Path, raws: list[Raw]) -> None:
    paths = {size: grown(root, raws, size) for size in SIZES}
    table, floor = [], dict[int, float]()
    for name, sql in QUESTIONS.items():
        line = [name]
        for size, path in paths.items():
            asked = sql.format(middle=size // 2)
            took = median(timed(lambda p=path, s=asked: local_query(p, s)) for _ in range(ROUNDS))  # type: ignore[misc]
            floor.setdefault(size, took)
            line += [f"{took * 1_000:,.1f}", f"{took / floor[size]:.1f}"]
        table.append(line)
    head = ["question"] + [part for size in SIZES for part in (f"{size:,} events, ms", "ratio")]
    show("Asked of the file, opening it included", head, table)


async def main() -> None:
    root = Path(tempfile.mkdtemp(prefix="obra-bench-"))
    try:
        raws = simulated(range(WORLDS))
        await writing(root, raws)
        await asyncio.to_thread(asking, root, raws)
    finally:
        shutil.rmtree(root)
