"""Puts a store that was made anew into a home: checked against what is there, renamed in one step."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from obra.events import Content, StreamRefilled
from obra.events.subjects import PLATFORM, PROJECT_LEVEL, STREAM
from obra.shared.archive import blobs
from obra.shared.archive.against import compared
from obra.shared.archive.audit import Progress, head_of
from obra.shared.archive.manifest import Manifest
from obra.shared.archive.pruned import heads, reaches_back
from obra.shared.archive.refill import Refilled, refilled
from obra.shared.archive.restore import NO_LIMIT, from_archive, from_stream
from obra.shared.archive.whole import UNFINISHED
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision
from obra.shared.config import NatsSettings
from obra.shared.envelope import fresh as fresh_envelope
from obra.shared.errors import BadUsage
from obra.shared.exclusive import own_folder
from obra.shared.home import Home
from obra.shared.store import Store, opened
from obra.shared.store.errors import StoreDamaged


class Conflict(BadUsage):
    """{home} holds another history: {reason}; import it into a home of its own with `obra import DIR --into HOME`"""


@dataclass(frozen=True, slots=True)
class Imported:
    """A home after an import. ``already``: it held everything before. ``refilled``: None where it had a stream.

    ``store_kept``: its store held the export, and more perhaps, so only the stream was made.
    """

    through: int
    events: int
    already: bool = False
    refilled: Refilled | None = None
    blobs: int = 0
    store_kept: bool = False


async def imported(
    bus: JetStreamBus,
    home: Home,
    nats: NatsSettings,
    folder: Path,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Restore the store of *home*, and its stream where that holds no task, from the export *folder*.

    *bus* is the home's own, with nobody else on it. Raises `BadArchive`, `Conflict` and `OutOfReach`; then nothing
    has changed.
    """
    with scratch(home) as fresh:
        manifest = await asyncio.to_thread(from_archive, folder, fresh, None, progress)
        held = await asyncio.to_thread(_held, home, fresh, manifest.through, await heads(bus))
        if await begun(bus, home):
            return await _rebuilt(bus, home, fresh, folder, manifest, held=held)
        await emptied(bus, nats)
        source = home.store if held else fresh
        texts, filled = await fill(bus, home, source, folder)
        if not held:
            put_in_place(fresh, home.store)
        (home.root / UNFINISHED).unlink()
        return Imported(manifest.through, manifest.events, refilled=filled, blobs=texts, store_kept=held)


async def _rebuilt(
    bus: JetStreamBus, home: Home, fresh: Path, folder: Path, manifest: Manifest, *, held: bool
) -> Imported:
    """Make the store of *home*, which has a stream, from *fresh* and what came after that."""
    if held:
        return Imported(manifest.through, manifest.events, already=True, blobs=await _texts(bus, folder))
    last = await bus.last_position()
    await agrees(bus, home, fresh, min(last, manifest.through))
    await reaches_back(bus, manifest.through)
    made = await from_stream(bus.copied(manifest.through), fresh, last)
    put_in_place(fresh, home.store)
    return Imported(made.through, manifest.events + made.events, blobs=await _texts(bus, folder))


async def begun(bus: JetStreamBus, home: Home) -> bool:
    """Return whether the stream of *home* holds a task's event, other than what an import put there that broke off."""
    last = await bus.last_position()
    if not last or (home.root / UNFINISHED).exists():
        return False
    async with contextlib.aclosing(bus.follow(0)) as raws:
        async for raw in raws:
            if raw.envelope and raw.envelope.task != PROJECT_LEVEL:
                return True
            if raw.position >= last:
                return False
    raise AssertionError("the stream has no end")


async def emptied(bus: JetStreamBus, nats: NatsSettings) -> None:
    """Begin the stream anew, if anything is in it: an import that broke off, or what belongs to no task."""
    if await bus.last_position():
        await bus.js.delete_stream(STREAM)
        await provision(bus.js, nats)


async def fill(bus: JetStreamBus, home: Home, store: Path, folder: Path | None) -> tuple[int, Refilled]:
    """Fill the empty stream from *store* and the large texts from the export *folder*; return how much.

    A mark in the home tells that this is going on, until whoever called takes it away.
    """
    (home.root / UNFINISHED).write_text(str(folder or ""))
    texts = await _texts(bus, folder) if folder else 0
    filled = await refilled(bus, store)
    through, head = await asyncio.to_thread(head_of, store)
    said = StreamRefilled(
        through=through, hash=head.hex(), events=filled.events, timers=filled.timers, archive=str(folder or "")
    )
    await bus.append([fresh_envelope(PLATFORM, said, "obra")])
    return texts, filled


async def _texts(bus: JetStreamBus, folder: Path) -> int:
    """Put the large texts of the export *folder* into the object store, those that it lacks; return how many."""
    texts = 0
    for sha256, data in blobs.held(folder):
        await bus.store(Content(text=data.decode(), sha256=sha256, size=len(data)))
        texts += 1
    return texts


@contextlib.contextmanager
def scratch(home: Home) -> Iterator[Path]:
    """Yield a path for a store that is being made, known to nobody else; nothing is left of it afterwards."""
    with own_folder(home.root, "fresh-") as folder:
        yield folder / home.store.name


def put_in_place(fresh: Path, store: Path) -> None:
    """Make *fresh* the store. A log beside the old one belongs to the old one, and goes first."""
    store.with_name(f"{store.name}.wal").unlink(missing_ok=True)
    fresh.chmod(0o600)
    fresh.replace(store)


def _held(home: Home, fresh: Path, through: int, known: list[tuple[int, str]]) -> bool:
    """Return whether the home's store holds the export already; `Conflict` where the two are no one history."""
    if not home.store.exists():
        return False
    try:
        end, _ = _newest(home.store, NO_LIMIT)
    except StoreDamaged:
        return False
    theirs = _newest(fresh, NO_LIMIT)
    shared = min(end, through)
    if _newest(home.store, shared) != _newest(fresh, shared):
        if not (holds_tasks(home.store) and sound(home.store, NO_LIMIT, known)):
            return False
        raise Conflict(home=home.root, reason=f"up to position {shared:,} its store differs from the export")
    return end >= theirs[0]


def sound(path: Path, last: int, heads: list[tuple[int, str]]) -> bool:
    """Return whether the store can be read, is not ahead of the stream, and lacks nothing that the stream forgot."""
    if not path.exists():
        return False
    try:
        store = Store(path)
    except StoreDamaged:
        return False
    with contextlib.closing(store):
        if store.watermark > last:
            return False
        query = "SELECT hash FROM event WHERE position = ?"
        rows = [(store.db.execute(query, [through]).fetchone(), head) for through, head in heads]
        return all(row is not None and bytes(row[0]).hex() == head for row, head in rows)


def holds_tasks(path: Path) -> bool:
    """Return whether the store *path* holds more than what belongs to no task. Raises `StoreDamaged`."""
    db = opened(path, read_only=True)
    try:
        return db.execute("SELECT 1 FROM event WHERE task <> ? LIMIT 1", [PROJECT_LEVEL]).fetchone() is not None
    finally:
        db.close()


def _newest(path: Path, position: int) -> tuple[int, bytes]:
    db = opened(path, read_only=True)
    try:
        row = db.execute(
            "SELECT position, hash FROM event WHERE position <= ? ORDER BY position DESC LIMIT 1", [position]
        ).fetchone()
    finally:
        db.close()
    return (int(row[0]), bytes(row[1])) if row else (0, b"")


async def agrees(bus: JetStreamBus, home: Home, fresh: Path, through: int) -> None:
    """Raise `Conflict` where the stream of *home* and the store *fresh* differ up to position *through*."""
    db = opened(fresh, read_only=True)
    try:
        found = await compared(db, bus.copied(0), through, through)
    finally:
        db.close()
    if found.fault:
        raise Conflict(home=home.root, reason=f"its stream differs from the export at {found.fault.told()}")
