"""How fast events get into the store and out of it, each beside its ceiling. Questions: `benchmarks/views.py`."""

import asyncio
import contextlib
import gc
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
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
from obra.shared.store.rows import rows_of
from obra.shared.store.stream import Heard, folded, told
from tests.recorded import message, simulated
from tests.rig import Nats

BATCH = 20_480
WORLDS = 700
SIZE = 1_000_000
SETTLED = "... with what is settled behind it, and closed"


@dataclass(frozen=True)
class Spent:
    """Time on the wall, and of the processors on this process; on a busy machine only the second one tells much."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    @classmethod
    def now(cls) -> "Spent":
        return cls(time.perf_counter(), time.process_time())

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)

    def row(self, name: str, count: int) -> tuple[str, ...]:
        return name, f"{count / self.wall_s:,.0f}", f"{self.wall_s:.1f}", f"{self.cpu_s / count * 1e6:.1f}"


HEAD = ("step", "events/s", "s", "processor time an event, us")


def spent(work: Callable[[], object]) -> Spent:
    begin = Spent.now()
    work()
    return Spent.now() - begin


def timed(work: Callable[[], object]) -> float:
    return spent(work).wall_s


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


async def sunk(bus: Bus, root: Path, count: int) -> tuple[Spent, Spent]:
    """Return what it takes a sink from its start until all of *bus* can be asked for, and until it is settled, too."""
    root.mkdir()
    sink, stop = Sink(root / "obra.duckdb", root / "events.jsonl", BATCH), asyncio.Event()
    begin = Spent.now()
    task = asyncio.create_task(sink.run(bus, stop))
    await sink.caught_up(count, 3_600)
    took = Spent.now() - begin
    stop.set()
    await task
    return took, Spent.now() - begin


@contextlib.asynccontextmanager
async def jetstream(raws: list[Raw], root: Path) -> AsyncIterator[tuple[Bus, Spent, Spent]]:
    """Lend log-sink's connection to a stream of *raws*, and what it takes just to copy it, and to follow it."""
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
        begin = Spent.now()
        async with contextlib.aclosing(bus.copied(0)) as copies:
            async for some in copies:
                if some[-1].position == len(raws):
                    break
        copied = Spent.now()
        async with contextlib.aclosing(bus.follow(0)) as messages:
            async for raw in messages:
                if raw.position == len(raws):
                    break
        yield bus, copied - begin, Spent.now() - copied
    finally:
        await bus.close()
        await admin.close()
        await nats.kill()


async def writing(root: Path, raws: list[Raw]) -> Path:
    """Measure the way in; return the store that was filled."""
    decoder = msgspec.json.Decoder(Envelope)
    figures = {"decode alone": spent(lambda: deque((decoder.decode(raw.data) for raw in raws), maxlen=0))}
    path, made, stored = root / "raw.duckdb", Spent(), Spent()
    store = Store(path)
    for batch in batches(raws):
        begin = Spent.now()
        rows = rows_of(batch).rows
        ready = Spent.now()
        store.append(rows, more=batch[-1] is not raws[-1])
        made, stored = made + (ready - begin), stored + (Spent.now() - ready)
    figures["rows: read, redact, text, log line"] = made
    figures["append alone"] = stored + spent(store.close)
    memory = MemoryBus()
    memory.log = raws
    figures["log-sink, bus in memory"], figures[SETTLED] = await sunk(memory, root / "memory", len(raws))
    async with jetstream(raws, root / "jetstream") as (bus, copied, followed):
        rebuilt = await sunk(bus, root / "jetstream" / "sink", len(raws))
    figures |= {"JetStream, copied: its ceiling": copied, "JetStream, followed: each message decoded": followed}
    figures["log-sink, JetStream: a rebuild of the store"], figures[f"{SETTLED} "] = rebuilt
    bytes_each = sum(len(raw.data) for raw in raws) / len(raws)
    stored_bytes = path.stat().st_size / len(raws)
    show(
        f"Into the store: {len(raws):,} events of {bytes_each:,.0f} bytes, stored in {stored_bytes:,.0f}",
        HEAD,
        [took.row(name, len(raws)) for name, took in figures.items()],
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
    took = {name: spent(step) for name, step in work.items()}
    db.close()
    show(
        f"Out of the store: {count:,} events, one process",
        HEAD,
        [each.row(name, count) for name, each in took.items()],
    )


async def main(size: int = SIZE) -> None:
    root = Path(tempfile.mkdtemp(prefix="obra-bench-"))
    try:
        raws = await asyncio.to_thread(grown, simulated(range(WORLDS)), size)
        gc.freeze()  # the messages are the benchmark's: no log-sink holds them, or has them looked through
        sys.stdout.write("messages made\n")
        path, count = await writing(root, raws), len(raws)
        raws.clear()  # a fold is measured in a process that holds nothing else
        await asyncio.to_thread(folding, path, count)
    finally:
        shutil.rmtree(root)
