"""log-sink anchors the head of the chain by itself, where it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from obra.events import ChainAnchored, Content, Event, InputReceived, ServiceDegraded
from obra.events.subjects import PLATFORM, Scope
from obra.services.log_sink.anchor import Anchorer
from obra.services.log_sink.service import accompanied
from obra.services.log_sink.sink import Sink
from obra.shared.archive.anchorage import kept
from obra.shared.archive.anchors import held_against, key_path, parsed, public_key, taken_away
from obra.shared.bus import Past
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import AnchorSettings, Settings
from obra.shared.envelope import Envelope, fresh
from obra.shared.errors import BusUnavailable
from obra.shared.home import Home
from obra.shared.store import opened
from tests.archive.stores import audit, rewritten

TASK = Scope("shop", "t1")
OFTEN_S, SELDOM_S = 0.001, 3_600.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@contextlib.asynccontextmanager
async def anchoring(bus: MemoryBus, home: Home, settings: AnchorSettings) -> AsyncIterator[None]:
    """Run a sink and its anchorer while the block runs."""
    sink, stop = Sink(home.store, home.logs / "events.jsonl", 100), asyncio.Event()
    running = [asyncio.create_task(sink.run(bus, stop)), asyncio.create_task(Anchorer(sink, settings, home).run(bus))]
    try:
        yield
    finally:
        running[1].cancel()
        stop.set()
        await asyncio.gather(*running, return_exceptions=True)


async def happens(bus: MemoryBus) -> int:
    return await bus.append([fresh(TASK, InputReceived(text=Content.of("hello")), "edge")])


async def heard(bus: MemoryBus, after: int) -> Event:
    """Return the next event that belongs to no project."""
    async with asyncio.timeout(20), contextlib.aclosing(bus.follow(after, [PLATFORM.everything])) as raws:
        async for raw in raws:
            assert raw.envelope
            return raw.envelope.event
    raise AssertionError


def held(home: Home, to: str) -> tuple[list[int], str]:
    """Return where the anchors stand, and the fault that they show, if any."""
    anchors = list(parsed(kept(to, home.root), to, public_key(home)))
    db = opened(home.store, read_only=True)
    try:
        fault = held_against(db, anchors)
    finally:
        db.close()
    return [one.position for one in anchors], fault.kind if fault else ""


async def test_each_head_is_anchored_once_and_catches_a_rewritten_tail(home: Home, tmp_path: Path) -> None:
    bus, to = MemoryBus(), str(tmp_path / "anchors")
    async with anchoring(bus, home, AnchorSettings(to=to, every_s=OFTEN_S)):
        first = await happens(bus)
        told = await heard(bus, first)
        second = await happens(bus)
        assert isinstance(await heard(bus, second), ChainAnchored)
    positions, fault = held(home, to)
    assert told == ChainAnchored(
        position=first, hash=kept(to, home.root)[0].partition('"hash":"')[2][:64], to=to, key=public_key(home)
    )
    assert (positions[:2], fault) == ([first, second], "")
    rewritten(home.store, first, "hello", "bye!!")
    assert audit(home.store).fault is None
    assert held(home, to) == (positions, "altered")


async def test_one_that_was_made_lately_is_not_made_again_by_the_next_start(home: Home, tmp_path: Path) -> None:
    bus, to = MemoryBus(), str(tmp_path / "anchors")
    for _ in range(2):
        async with anchoring(bus, home, AnchorSettings(to=to, every_s=SELDOM_S)):
            await happens(bus)
            await heard(bus, 0)
    assert len(kept(to, home.root)) == 1


async def test_what_can_not_be_anchored_is_said_once(home: Home, tmp_path: Path) -> None:
    bus, to = MemoryBus(), str(tmp_path / "gone" / "anchors")
    async with anchoring(bus, home, AnchorSettings(to=to, every_s=OFTEN_S)):
        first = await happens(bus)
        told = await heard(bus, first)
        (tmp_path / "gone").mkdir()
        assert isinstance(await heard(bus, first + 1), ChainAnchored)
    assert isinstance(told, ServiceDegraded)
    assert (told.lacking, "the anchor could not be written" in told.reason) == ("anchor", True)


class Away(MemoryBus):
    """A bus that is away for the first question about what belongs to no project, and the answer to it."""

    def __init__(self) -> None:
        super().__init__()
        self.away = 2

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        self._look(scope)
        return await super().past(scope, after, reaching=reaching)

    async def append(self, envelopes: Sequence[Envelope], *, expected: int | None = None) -> int:
        self._look(envelopes[0].scope)
        return await super().append(envelopes, expected=expected)

    def _look(self, scope: Scope) -> None:
        if scope == PLATFORM and self.away:
            self.away -= 1
            raise BusUnavailable(url="nowhere", reason="it is away")


async def test_a_bus_that_is_away_for_a_while_ends_no_anchoring(home: Home, tmp_path: Path) -> None:
    bus, to = Away(), str(tmp_path / "anchors")
    async with anchoring(bus, home, AnchorSettings(to=to, every_s=OFTEN_S)):
        first = await happens(bus)
        assert isinstance(await heard(bus, first), ChainAnchored)
    assert bus.away == 0


async def test_a_key_that_can_not_be_read_is_said(home: Home, tmp_path: Path) -> None:
    bus, to = MemoryBus(), str(tmp_path / "anchors")
    home.root.mkdir(parents=True)
    key_path(home).write_text("no key")
    async with anchoring(bus, home, AnchorSettings(to=to, every_s=OFTEN_S)):
        told = await heard(bus, await happens(bus))
    assert isinstance(told, ServiceDegraded)
    said = f"the signing key {key_path(home)} can't be read"
    assert (told.lacking, told.reason.partition(":")[0]) == ("anchor", said)


async def test_what_breaks_beside_the_sink_ends_it_so_that_all_begins_anew() -> None:
    ended = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def breaks() -> None:
        raise ZeroDivisionError

    async def does_nothing() -> None: ...

    with pytest.raises(ZeroDivisionError):
        await accompanied(waits(), does_nothing(), breaks())
    assert ended.is_set()
    await accompanied(does_nothing(), waits())


def test_a_note_needs_a_repository_and_paths_are_absolute() -> None:
    for wrong in ({"to": "note"}, {"to": "anchors"}, {"to": "note", "repo": "here"}):
        with pytest.raises(ValueError, match=r"anchor"):
            Settings.model_validate({"anchor": wrong})
    assert Settings.model_validate({"anchor": {"to": "note", "repo": "/r"}}).anchor.every_s == SELDOM_S


async def test_an_anchor_that_was_taken_away_is_missed(home: Home, tmp_path: Path) -> None:
    bus, to = MemoryBus(), str(tmp_path / "anchors")
    async with anchoring(bus, home, AnchorSettings(to=to, every_s=OFTEN_S)):
        first = await happens(bus)
        await heard(bus, first)
    db = opened(home.store, read_only=True)
    anchors = list(parsed(kept(to, home.root), to, public_key(home)))
    assert taken_away(db, anchors, to) is None
    fault = taken_away(db, [], to)
    db.close()
    assert fault
    assert (fault.kind, fault.position, fault.detail) == (
        "unanchored", first, f"an anchor was made here, and {to} lacks it now"
    )  # fmt: skip
