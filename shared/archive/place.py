"""Puts a store that was made anew into a home: checked against what is there, renamed in one step."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from obra.events import Content
from obra.events.subjects import STREAM
from obra.shared.archive import blobs
from obra.shared.archive.against import compared
from obra.shared.archive.audit import Progress
from obra.shared.archive.refill import Refilled, refilled
from obra.shared.archive.restore import NO_LIMIT, from_archive, from_stream, remove
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision
from obra.shared.config import NatsSettings
from obra.shared.errors import BadUsage
from obra.shared.home import Home
from obra.shared.store import opened

UNFINISHED = "importing"
"""A file in the home: an import filled its stream and did not come to an end."""


class Conflict(BadUsage):
    """{home} holds another history: {reason}; import into a home of its own with --into"""


@dataclass(frozen=True, slots=True)
class Imported:
    """A home after an import. ``already``: it held everything before. ``refilled``: None where it had a stream."""

    through: int
    events: int
    already: bool = False
    refilled: Refilled | None = None
    blobs: int = 0


async def imported(
    bus: JetStreamBus,
    home: Home,
    nats: NatsSettings,
    folder: Path,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Restore the store of *home*, and its stream where that is empty, from the export *folder*.

    *bus* is the home's own, with nobody else on it. Raises `BadArchive` and `Conflict`; then nothing has changed.
    """
    with scratch(home) as fresh:
        manifest = await asyncio.to_thread(from_archive, folder, fresh, None, progress)
        mark = home.root / UNFINISHED
        if mark.exists():
            await bus.js.delete_stream(STREAM)
            await provision(bus.js, nats)
        last = await bus.last_position()
        if not mark.exists() and await asyncio.to_thread(_held, home, fresh, manifest.through):
            return Imported(manifest.through, manifest.events, already=True)
        if last:
            await _agrees(bus, home, fresh, min(last, manifest.through))
            made = await from_stream(bus.follow(manifest.through), fresh, last)
            put_in_place(fresh, home.store)
            return Imported(made.through, manifest.events + made.events)
        mark.touch()
        texts = 0
        for sha256, data in blobs.held(folder):
            await bus.store(Content(text=data.decode(), sha256=sha256, size=len(data)))
            texts += 1
        filled = await refilled(bus, fresh)
        put_in_place(fresh, home.store)
        mark.unlink()
        return Imported(manifest.through, manifest.events, refilled=filled, blobs=texts)


@contextlib.contextmanager
def scratch(home: Home) -> Iterator[Path]:
    """Yield a path beside the home's store for one that is being made; nothing is left of it afterwards."""
    path = home.store.with_name(f"{home.store.name}.fresh")
    remove(path)
    try:
        yield path
    finally:
        remove(path)


def put_in_place(fresh: Path, store: Path) -> None:
    """Make *fresh* the store. A log beside the old one belongs to the old one, and goes first."""
    store.with_name(f"{store.name}.wal").unlink(missing_ok=True)
    fresh.chmod(0o600)
    fresh.replace(store)


def _held(home: Home, fresh: Path, through: int) -> bool:
    """Return whether the home's store holds the export already; `Conflict` where the two are no one history."""
    if not home.store.exists():
        return False
    (end, _), theirs = _newest(home.store, NO_LIMIT), _newest(fresh, NO_LIMIT)
    shared = min(end, through)
    if _newest(home.store, shared) != _newest(fresh, shared):
        raise Conflict(home=home.root, reason=f"up to position {shared:,} its store differs from the export")
    return end >= theirs[0]


def _newest(path: Path, position: int) -> tuple[int, bytes]:
    db = opened(path, read_only=True)
    try:
        row = db.execute(
            "SELECT position, hash FROM event WHERE position <= ? ORDER BY position DESC LIMIT 1", [position]
        ).fetchone()
    finally:
        db.close()
    return (int(row[0]), bytes(row[1])) if row else (0, b"")


async def _agrees(bus: JetStreamBus, home: Home, fresh: Path, through: int) -> None:
    db = opened(fresh, read_only=True)
    try:
        found = await compared(db, bus.follow(0), through, through)
    finally:
        db.close()
    if found.fault:
        raise Conflict(home=home.root, reason=f"its stream differs from the export at {found.fault.told()}")
