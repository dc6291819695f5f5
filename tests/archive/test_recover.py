"""Whatever single part of a home is lost, there is a road back, and what remains is never made worse."""

from dataclasses import replace
from pathlib import Path

import pytest

from obra.events import PruneRequested, StreamPruned, StreamRefilled
from obra.events.subjects import PLATFORM, STREAM
from obra.shared.archive import manifest as manifests
from obra.shared.archive.audit import head_of
from obra.shared.archive.export import exported
from obra.shared.archive.place import Conflict, imported
from obra.shared.archive.pruned import OutOfReach, over
from obra.shared.archive.recover import NothingLeft, Restored, restored
from obra.shared.archive.restore import from_stream
from obra.shared.archive.same import difference
from obra.shared.archive.whole import StreamLost, Unfinished, check_whole
from obra.shared.bus.provision import provision
from obra.shared.config import NatsSettings
from obra.shared.envelope import answer, fresh
from obra.shared.home import Home
from obra.shared.store import opened
from tests.archive.stores import tamper
from tests.archive.test_prune import history
from tests.rig import NatsRig

pytestmark = pytest.mark.bus
NATS = NatsSettings(sync="default")


class Lived:
    """A home in which something happened: a stream, the store of it, and an export."""

    def __init__(self, nats: NatsRig, root: Path) -> None:
        self.bus, self.home, self.archive = nats.admin, Home(root / "home"), root / "out"

    async def begin(self) -> "Lived":
        for one in history():
            await self.bus.append([one])
        await from_stream(self.bus.copied(0), self.home.store, await self.bus.last_position())
        self.export()
        return self

    def export(self) -> None:
        with manifests.alone(self.archive):
            manifests.write(self.archive, exported(self.home.store, self.archive))

    async def restored(self, folder: Path | None = None) -> Restored:
        return await restored(self.bus, self.home, NATS, folder)

    async def lose_stream(self) -> None:
        await self.bus.js.delete_stream(STREAM)
        await provision(self.bus.js, NATS)

    def lose_store(self) -> None:
        self.home.store.unlink()

    async def prune(self, archive: str) -> None:
        """Do as log-sink does when it is asked to."""
        through, head = head_of(self.home.store)
        asked = fresh(PLATFORM, PruneRequested(through=through, hash=head.hex(), archive=archive), "edge")
        await self.bus.append([asked])
        db = opened(self.home.store, read_only=True)
        ended = over(db, through)
        db.close()
        for scope, end in ended:
            await self.bus.purge(scope, end)
        pruned = StreamPruned(through=through, tasks=len(ended), messages=1, archive=archive)
        await self.bus.append([answer(asked, "log-sink", pruned)])
        last = await self.bus.last_position()
        await from_stream(self.bus.copied(through), self.home.store, last)

    async def rows(self) -> int:
        """Return how many events the store has, once it has come to the end of the stream."""
        last = await self.bus.last_position()
        await from_stream(self.bus.copied(head_of(self.home.store)[0]), self.home.store, last)
        db = opened(self.home.store, read_only=True)
        try:
            return len(db.execute("SELECT position FROM event").fetchall())
        finally:
            db.close()


@pytest.fixture
async def lived(nats: NatsRig, tmp_path: Path) -> Lived:
    return await Lived(nats, tmp_path).begin()


async def test_a_home_that_lacks_nothing_is_left_alone(lived: Lived) -> None:
    await check_whole(lived.bus, lived.home)
    assert await lived.restored() == Restored("nothing")


async def test_a_lost_stream_is_missed_and_made_anew_from_the_store(lived: Lived) -> None:
    through, head = head_of(lived.home.store)
    await lived.lose_stream()
    with pytest.raises(StreamLost, match="`obra restore` makes it anew"):
        await check_whole(lived.bus, lived.home)
    done = await lived.restored()
    assert done == Restored("stream", through=through, stream_events=done.stream_events)
    await check_whole(lived.bus, lived.home)
    (told,) = [r.event for r in (await lived.bus.past(PLATFORM)).events]
    assert told == StreamRefilled(through=through, hash=head.hex(), events=done.stream_events)
    assert await lived.restored() == Restored("nothing")
    assert await lived.rows() == through + 1


async def test_a_lost_store_is_made_anew_from_the_stream(lived: Lived, tmp_path: Path) -> None:
    kept = lived.home.store.rename(tmp_path / "kept.duckdb")
    through, _ = head_of(kept)
    assert await lived.restored() == Restored("store", through, through)
    assert difference(lived.home.store, kept, through) == ""


async def test_a_store_that_is_lost_after_pruning_comes_from_the_export_that_the_stream_names(lived: Lived) -> None:
    await lived.prune(str(lived.archive))
    last = await lived.bus.last_position()
    lived.lose_store()
    assert await lived.restored() == Restored("store", last, last, str(lived.archive))
    assert await lived.rows() == last


async def test_a_store_that_was_rebuilt_without_what_was_pruned_is_incomplete(lived: Lived) -> None:
    await lived.prune(str(lived.archive))
    last = await lived.bus.last_position()
    lived.lose_store()
    await from_stream(lived.bus.copied(0), lived.home.store, last)
    assert await lived.rows() < last
    assert (await lived.restored(lived.archive)).what == "store"
    assert await lived.rows() == last
    assert await lived.restored() == Restored("nothing")


async def test_without_the_export_nothing_is_replaced_and_what_is_needed_is_said(lived: Lived) -> None:
    await lived.prune("/gone")
    lived.lose_store()
    with pytest.raises(OutOfReach, match="name an export that holds the rest, such as /gone"):
        await lived.restored()
    assert not lived.home.store.exists()
    assert (await lived.restored(lived.archive)).what == "store"


async def test_both_lost_come_from_an_export(lived: Lived) -> None:
    through, _ = head_of(lived.home.store)
    await lived.lose_stream()
    lived.lose_store()
    await check_whole(lived.bus, lived.home)
    with pytest.raises(NothingLeft, match="neither stream nor store holds a task; name an export"):
        await lived.restored()
    done = await lived.restored(lived.archive)
    assert done == replace(
        Restored("stream and store", through, through, str(lived.archive)), stream_events=done.stream_events
    )
    assert await lived.rows() == through + 1


async def test_a_stream_and_a_damaged_store_come_from_an_export(lived: Lived) -> None:
    await lived.lose_stream()
    lived.home.store.write_bytes(b"nonsense" * 1_000)
    with pytest.raises(StreamLost, match="and its store can't be read"):
        await check_whole(lived.bus, lived.home)
    with pytest.raises(NothingLeft, match="the store can't be read; name an export"):
        await lived.restored()
    assert (await lived.restored(lived.archive)).what == "stream and store"


async def test_a_stream_is_never_made_from_a_store_that_was_altered(lived: Lived) -> None:
    await lived.lose_stream()
    tamper(lived.home.store, "UPDATE event SET task = 'x' WHERE position = 3")
    with pytest.raises(NothingLeft, match=r"the store was altered \(position 3: "):
        await lived.restored()
    assert await lived.bus.last_position() == 0


async def test_the_store_is_kept_where_it_holds_more_than_the_export(lived: Lived) -> None:
    await lived.prune(str(lived.archive))
    through, _ = head_of(lived.home.store)
    await lived.lose_stream()
    assert (await lived.restored(lived.archive)).what == "stream"
    assert await lived.rows() == through + 1


async def test_one_that_broke_off_is_begun_again(lived: Lived) -> None:
    await lived.lose_stream()
    for one in history()[:3]:
        await lived.bus.append([one])
    (lived.home.root / "importing").write_text(str(lived.archive))
    with pytest.raises(Unfinished, match="run `obra restore` once more"):
        await check_whole(lived.bus, lived.home)
    assert (await lived.restored()).what == "stream"
    await check_whole(lived.bus, lived.home)


async def test_where_something_else_has_begun_an_export_is_refused(lived: Lived) -> None:
    await lived.lose_stream()
    lived.lose_store()
    await lived.bus.append(history()[-1:])
    with pytest.raises(Conflict, match="its stream differs from the export at position 1"):
        await imported(lived.bus, lived.home, NATS, lived.archive)
