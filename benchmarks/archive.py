"""How fast a store is verified, made anew, exported and imported; each beside what it can't be faster than."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.store import SIZE, WORLDS, batches, grown, jetstream, timed
from benchmarks.table import show
from obra.shared.archive import manifest as manifests
from obra.shared.archive.audit import audited, head_of
from obra.shared.archive.database import literal, workbench
from obra.shared.archive.export import exported
from obra.shared.archive.restore import from_archive, from_stream
from obra.shared.archive.same import difference
from obra.shared.bus import Raw
from obra.shared.store import Store, opened
from obra.shared.store.chain import GENESIS, link
from obra.shared.store.row import row_of
from tests.recorded import simulated

FETCH_ROWS = 5_000
HASH, READ = "the chain alone: SHA-256, one thread", "DuckDB read alone: position, message, hash"


def made(path: Path, raws: list[Raw]) -> None:
    store = Store(path)
    for batch in batches(raws):
        store.append([row_of(raw) for raw in batch])
    store.close()


def chained(raws: list[Raw]) -> None:
    head = GENESIS
    for raw in raws:
        head = link(head, raw.position, raw.data)


def read(path: Path) -> None:
    db = opened(path, read_only=True)
    rows = db.execute("SELECT position, raw, hash FROM event ORDER BY position")
    while rows.fetchmany(FETCH_ROWS):
        pass
    db.close()


def verified(path: Path) -> None:
    db = opened(path, read_only=True)
    assert audited(db).fault is None
    db.close()


def copied(path: Path, target: Path) -> None:
    with workbench(store=path) as db:
        columns = "* EXCLUDE (body), to_json(body)::VARCHAR AS body"
        db.execute(f"COPY (SELECT {columns} FROM store.event) TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)")


def archived(path: Path, folder: Path) -> None:
    manifests.write(folder, exported(path, folder))


async def replayed(raws: list[Raw], root: Path, target: Path) -> dict[str, float]:
    """Return how long a bare reader of the stream takes, and how long a replay of it into *target*."""
    async with jetstream(raws, root) as (bus, bare, _):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await from_stream(bus.copied(0), target, len(raws))
        return {"JetStream copied alone": bare.wall_s, "replay, from the stream": loop.time() - begin}


async def main(size: int = SIZE) -> None:
    root = Path(tempfile.mkdtemp(prefix="obra-bench-"))
    path, folder, again, back = root / "obra.duckdb", root / "export", root / "again.duckdb", root / "back.duckdb"
    folder.mkdir()
    try:
        raws = await asyncio.to_thread(grown, simulated(range(min(WORLDS, size // 100 + 1))), size)
        await asyncio.to_thread(made, path, raws)
        work: dict[str, Callable[[], object]] = {
            HASH: lambda: chained(raws),
            READ: lambda: read(path),
            "verify": lambda: verified(path),
            "Parquet written by DuckDB alone": lambda: copied(path, root / "bare.parquet"),
            "export, verified first": lambda: archived(path, folder),
            "import, replay from an export: verified after": lambda: from_archive(folder, back),
        }
        figures = {name: await asyncio.to_thread(timed, step) for name, step in work.items()}
        figures |= await replayed(raws, root / "jetstream", again)
        assert await asyncio.to_thread(difference, back, path, size) == ""
        assert head_of(again) == head_of(path)
        show(
            f"Archive: {size:,} events of {sum(len(raw.data) for raw in raws) / size:,.0f} bytes",
            ("step", "events/s", "s", "of the chain and the read, one after the other"),
            [
                (name, f"{size / took:,.0f}", f"{took:.1f}", f"{(figures[HASH] + figures[READ]) / took:.2f}")
                for name, took in figures.items()
            ],
        )
    finally:
        shutil.rmtree(root)
