"""How fast events get into the store and out of it, each beside its ceiling. Questions: `benchmarks/views.py`."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import msgspec

from benchmarks.table import show
from obra.services.decider.decide import DECIDER
from obra.services.log_sink.service import service
from obra.services.log_sink.sink import Sink
from obra.shared.bus import Bus, Raw
from obra.shared.bus.memory import MemoryBus
from obra.shared.bus.provision import provision
from obra.shared.config import NatsSettings, Settings
from obra.shared.embedded.access import users_for
from obra.shared.envelope import Envelope
from obra.shared.home import Home
from obra.shared.store import Store, opened
from obra.shared.store.row import row_of
from obra.shared.store.stream import Heard, folded, told
from tests.recorded import message, simulated
from tests.rig import Nats

BATCH = 4_000
WORLDS = 700
SIZE = 1_000_000


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def batches(raws: list[Raw]) -> Iterable[list[Raw]]:
    return (raws[begin : begin + BATCH] for begin in range(0, len(raws), BATCH))


def grown(raws: list[Raw], size: int) -> list[Raw]:
    """Return *size* messages: those of *raws* and copies of them, each copy of other tasks."""
    made: list[Raw] = []
    for copy in range(-(-size // len(raws))):
        name = b'"task":"c%d-t' % copy
        for raw in raws[: size - len(made)]:
            data = raw.data.replace(b'"task":"t', name)
            subject = raw.subject.replace("obra.shop.t", f"obra.shop.c{copy}-t")
            made.append(message(len(made) + 1, subject, data))
    return made


async def sunk(bus: Bus, root: Path, count: int) -> float:
    """Return how long a sink takes from its start until it has all of *bus*."""
    root.mkdir()
    sink, stop = Sink(root / "obra.duckdb", root / "events.jsonl", BATCH), asyncio.Event()
    begin = time.perf_counter()
    task = asyncio.create_task(sink.run(bus, stop))
    await sink.caught_up(count, 3_600)
    took = time.perf_counter() - begin
    stop.set()
    await task
    return took


@contextlib.asynccontextmanager
async def jetstream(raws: list[Raw], root: Path) -> AsyncIterator[tuple[Bus, float]]:
    """Lend log-sink's connection to a stream of *raws*, and how long a bare reader of it takes."""
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
        begin = time.perf_counter()
        async with contextlib.aclosing(bus.follow(0)) as messages:
            async for raw in messages:
                if raw.position == len(raws):
                    break
        yield bus, time.perf_counter() - begin
    finally:
        await bus.close()
        await admin.close()
        await nats.kill()


async def writing(root: Path, raws: list[Raw]) -> Path:
    """Measure the way in; return the store that was filled."""
    decoder = msgspec.json.Decoder(Envelope)
    figures = {"decode alone": timed(lambda: deque((decoder.decode(raw.data) for raw in raws), maxlen=0))}
    figures["rows: redact, text, log line"] = timed(lambda: deque(map(row_of, raws), maxlen=0))
    path, rows_s, append_s = root / "raw.duckdb", 0.0, 0.0
    store = Store(path)
    for batch in batches(raws):
        begin = time.perf_counter()
        rows = [row_of(raw) for raw in batch]
        rows_s += time.perf_counter() - begin
        append_s += timed(lambda made=rows: store.append(made))  # type: ignore[misc]
    figures["append alone, 4,000 a commit"] = append_s + timed(store.close)
    memory = MemoryBus()
    memory.log = raws
    figures["log-sink, bus in memory"] = await sunk(memory, root / "memory", len(raws))
    async with jetstream(raws, root / "jetstream") as (bus, bare):
        sink = await sunk(bus, root / "jetstream" / "sink", len(raws))
    figures |= {"JetStream read and decoded: its ceiling": bare, "log-sink, JetStream: a rebuild of the store": sink}
    top = figures["append alone, 4,000 a commit"]
    bytes_each = sum(len(raw.data) for raw in raws) / len(raws)
    show(
        f"Into the store: {len(raws):,} events of {bytes_each:,.0f} bytes",
        ("step", "events/s", "s", "of the append alone"),
        [(name, f"{len(raws) / took:,.0f}", f"{took:.1f}", f"{top / took:.2f}") for name, took in figures.items()],
    )
    return path


def folding(path: Path, count: int) -> None:
    db = opened(path, read_only=True)

    def fetch() -> None:
        rows = db.execute("SELECT position, raw FROM event")
        while rows.fetchmany(2_048):
            pass

    heard = Heard(kinds=(*DECIDER.hears, *DECIDER.says))
    work: dict[str, Callable[[], object]] = {
        "fetch alone: the ceiling": fetch,
        "every event, decoded": lambda: deque(told(db), maxlen=0),
        "every event, folded": lambda: folded(told(db), lambda count, _: count + 1, 0),
        "what the decider hears, by its own fold": lambda: folded(told(db, heard), DECIDER.evolve, DECIDER.initial),
    }
    took = {name: timed(step) for name, step in work.items()}
    db.close()
    show(
        f"Out of the store: {count:,} events, one process",
        ("step", "events/s", "s"),
        [(name, f"{count / spent:,.0f}", f"{spent:.1f}") for name, spent in took.items()],
    )


async def main() -> None:
    root = Path(tempfile.mkdtemp(prefix="obra-bench-"))
    try:
        raws = await asyncio.to_thread(grown, simulated(range(WORLDS)), SIZE)
        sys.stdout.write("messages made\n")
        path = await writing(root, raws)
        await asyncio.to_thread(folding, path, len(raws))
    finally:
        shutil.rmtree(root)
