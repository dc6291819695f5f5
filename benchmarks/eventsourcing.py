"""The same work done by `eventsourcing` on SQLite: store the same events of the same tasks, and read them all back."""

import gc
import shutil
import tempfile
import time
from collections import deque
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from benchmarks.store import grown
from benchmarks.table import show
from obra.shared.bus import Raw
from obra.shared.envelope import decode
from obra.shared.store import Store, opened
from obra.shared.store.rows import rows_of
from obra.shared.store.stream import told
from tests.recorded import simulated

WORLDS = 400
SIZE = 122_880
BATCHES = (1, 100, 1_000, SIZE)
"""Events a commit; log-sink commits the last of these at once where it is behind the stream."""
READY = 20_480
"""Events that log-sink makes ready at once."""


def recorded(raws: list[Raw]) -> list[tuple[UUID, int, str, bytes]]:
    """Return (task as UUID, version, type, body) of each event, as `eventsourcing` stores it."""
    versions: dict[str, int] = {}
    made = []
    for raw in raws:
        assert raw.envelope
        task = raw.envelope.task
        versions[task] = versions.get(task, 0) + 1
        made.append((uuid5(NAMESPACE_URL, task), versions[task], raw.subject.split(".", 3)[3], raw.data))
    return made


def theirs(path: Path, raws: list[Raw], batch: int) -> tuple[float, float]:
    """Return events/s stored, and read back and decoded, by its SQLite recorder, with a durable file."""
    from eventsourcing.persistence import StoredEvent  # noqa: PLC0415 - of the dependency group bench
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore  # noqa: PLC0415

    store = SQLiteDatastore(str(path))
    recorder = SQLiteApplicationRecorder(store)
    recorder.create_table()
    events = [StoredEvent(*one) for one in recorded(raws)]
    begin = time.perf_counter()
    for low in range(0, len(events), batch):
        recorder.insert_events(events[low : low + batch])
    wrote = time.perf_counter() - begin
    begin, count, start = time.perf_counter(), 0, 1
    while page := recorder.select_notifications(start=start, limit=2_048):
        deque((decode(one.state) for one in page), maxlen=0)
        count, start = count + len(page), page[-1].id + 1
    read = time.perf_counter() - begin
    assert count == len(events)
    store.close()
    return len(raws) / wrote, len(raws) / read


def ours(path: Path, raws: list[Raw], batch: int) -> tuple[float, float]:
    """Return the same of the store: redacted, hash-chained, typed, readable in SQL."""
    store = Store(path)
    begin = time.perf_counter()
    for low in range(0, len(raws), step := min(batch, READY)):
        store.append(rows_of(raws[low : low + step]).rows, more=(low + step) % batch > 0 and low + step < len(raws))
    wrote = time.perf_counter() - begin
    store.close()
    db = opened(path, read_only=True)
    begin = time.perf_counter()
    count = sum(map(len, told(db)))
    read = time.perf_counter() - begin
    assert count == len(raws)
    db.close()
    return len(raws) / wrote, len(raws) / read


def main() -> None:
    root, lines = Path(tempfile.mkdtemp(prefix="obra-bench-")), []
    try:
        whole = grown(simulated(range(WORLDS)), SIZE)
        gc.freeze()  # the messages are the benchmark's, and neither has to look through them
        for batch in BATCHES:
            raws = whole[: 500 * batch]
            for name, work in (("eventsourcing, SQLite", theirs), ("Obra, DuckDB", ours)):
                wrote, read = work(root / f"{work.__name__}-{batch}", raws, batch)
                lines.append((name, f"{batch:,}", f"{len(raws):,}", f"{wrote:,.0f}", f"{read:,.0f}"))
    finally:
        shutil.rmtree(root)
    show("Beside eventsourcing", ("store", "events a commit", "events", "stored/s", "read back and decoded/s"), lines)
