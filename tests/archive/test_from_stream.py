"""A store is made anew from the messages of a stream, many at once, however they come and wherever they end."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from obra.shared.archive import restore
from obra.shared.archive.restore import Made, from_stream
from obra.shared.bus import Stored
from obra.shared.errors import BusUnavailable
from obra.shared.store import Store
from tests.recorded import simulated

HISTORY = simulated(range(2))[:36]
BATCH = 10


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "BATCH_ROWS", BATCH)


async def coming(*chunks: Sequence[Stored]) -> AsyncGenerator[Sequence[Stored], None]:
    for chunk in chunks:
        yield chunk


def held(path: Path) -> list[tuple[int, bytes]]:
    store = Store(path)
    try:
        assert store.verify() is None
        assert store.db.execute("SELECT count(*) FROM typed").fetchall() == [(store.watermark,)]
        return store.db.execute("SELECT position, raw FROM event ORDER BY position").fetchall()
    finally:
        store.close()


async def test_it_holds_everything_up_to_where_it_is_to_end(tmp_path: Path) -> None:
    path, told = tmp_path / "store.duckdb", list[tuple[int, int]]()
    chunks = [HISTORY[:3], HISTORY[3:17], HISTORY[17:]]
    made = await from_stream(coming(*chunks), path, 33, lambda done, total: told.append((done, total)))
    assert (made, told) == (Made(33, 33), [(17, 33), (33, 33)])
    assert held(path) == [(one.position, one.data) for one in HISTORY[:33]]


async def test_where_the_last_position_is_forgotten_nothing_before_it_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    assert await from_stream(coming(HISTORY[:BATCH], HISTORY[20:]), path, BATCH + 1) == Made(BATCH, BATCH)
    assert held(path) == [(one.position, one.data) for one in HISTORY[:BATCH]]


async def test_it_goes_on_behind_what_a_store_holds(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    await from_stream(coming(HISTORY[:12]), path, 12)
    assert await from_stream(coming(HISTORY[12:]), path, 36) == Made(24, 36)
    assert await from_stream(coming(HISTORY[36:]), path, 36) == Made(0, 36)
    assert held(path) == [(one.position, one.data) for one in HISTORY]


async def test_a_stream_that_breaks_off_leaves_a_store_that_can_go_on(tmp_path: Path) -> None:
    async def breaking() -> AsyncGenerator[Sequence[Stored], None]:
        yield HISTORY[:25]
        raise BusUnavailable(url="nats://nowhere", reason="gone")

    path = tmp_path / "store.duckdb"
    with pytest.raises(BusUnavailable):
        await from_stream(breaking(), path, 36)
    at = len(held(path))
    assert await from_stream(coming(HISTORY[at:]), path, 36) == Made(36 - at, 36)
    assert held(path) == [(one.position, one.data) for one in HISTORY]
