"""The way back from a loss: the stream from the store or an export, the store from the stream or an export."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from obra.shared.archive import manifest as manifests
from obra.shared.archive.audit import Progress, audited, head_of
from obra.shared.archive.fault import Fault
from obra.shared.archive.manifest import Manifest
from obra.shared.archive.place import (
    begun,
    emptied,
    fill,
    holds_tasks,
    imported,
    put_in_place,
    scratch,
    sound,
)
from obra.shared.archive.pruned import forgettings, heads, reaches_back
from obra.shared.archive.restore import from_archive, from_stream
from obra.shared.archive.whole import UNFINISHED
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.config import NatsSettings
from obra.shared.errors import BadUsage
from obra.shared.home import Home
from obra.shared.store import Store, opened
from obra.shared.store.errors import StoreDamaged

REPLACED = ".replaced"
"""What follows the store's name in that of the one before it."""

What = Literal["nothing", "stream", "store", "stream and store"]


class NothingLeft(BadUsage):
    """Nothing in {home} tells what happened there: {reason}; name an export, `obra restore DIR`"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back, and how much of it. ``archive`` is the export that was used, if one was.

    ``stream_events`` is what the stream holds again, ``timers`` those set anew in it.
    """

    what: What
    events: int = 0
    through: int = 0
    archive: str = ""
    stream_events: int = 0
    timers: int = 0
    texts: int = 0


async def restored(
    bus: JetStreamBus,
    home: Home,
    nats: NatsSettings,
    folder: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Restored:
    """Bring back what *home* has lost: from the export *folder*, or from what is left.

    *bus* is the home's own, with nobody else on it. Raises `NothingLeft` and what `imported` raises; then nothing
    has changed.
    """
    mark = home.root / UNFINISHED
    if folder is None and mark.exists() and (named := mark.read_text()):
        folder = Path(named)
    if folder is not None:
        done = await imported(bus, home, nats, folder, progress)
        what: What = "nothing" if done.already else "store" if not done.refilled else "stream and store"
        if done.refilled and done.store_kept:
            what = "stream"
        events, timers = (done.refilled.events, done.refilled.timers) if done.refilled else (0, 0)
        return Restored(what, done.events, done.through, str(folder), events, timers, done.blobs)
    if not await begun(bus, home):
        return await _stream(bus, home, nats, progress)
    if await asyncio.to_thread(sound, home.store, await bus.last_position(), await heads(bus)):
        return Restored("nothing")
    return await _store(bus, home, progress)


async def _stream(bus: JetStreamBus, home: Home, nats: NatsSettings, progress: Progress) -> Restored:
    """Make the stream anew from the store, once that is proven to be as it was written."""
    try:
        held = home.store.exists() and await asyncio.to_thread(holds_tasks, home.store)
    except StoreDamaged as error:
        raise NothingLeft(home=home.root, reason="the stream is gone, and the store can't be read") from error
    if not held:
        raise NothingLeft(home=home.root, reason="neither stream nor store holds a task")
    if fault := await asyncio.to_thread(_fault, home.store, progress):
        raise NothingLeft(home=home.root, reason=f"the stream is gone, and the store was altered ({fault.told()})")
    await emptied(bus, nats)
    _, filled = await fill(bus, home, home.store, None)
    (home.root / UNFINISHED).unlink()
    through, _ = await asyncio.to_thread(head_of, home.store)
    return Restored("stream", 0, through, "", filled.events, filled.timers)


async def _store(bus: JetStreamBus, home: Home, progress: Progress) -> Restored:
    """Make the store anew from the stream, and from the last export that is told of where the stream forgot."""
    known = [one for one in await forgettings(bus) if one[0].archive]
    folder = Path(known[-1][0].archive) if known else None
    manifest: Manifest | None = None
    with scratch(home) as fresh:
        at = 0
        if folder and manifests.read(folder):
            manifest = await asyncio.to_thread(from_archive, folder, fresh, None, progress)
            at = manifest.through
        await reaches_back(bus, at)
        made = await from_stream(bus.copied(at), fresh, await bus.last_position(), progress)
        _keep(home.store)
        put_in_place(fresh, home.store)
    events = made.events + (manifest.events if manifest else 0)
    return Restored("store", events, made.through, str(folder) if manifest else "")


def _keep(store: Path) -> None:
    """Give the store that is about to be replaced a second name, as there may be something in it yet."""
    if store.exists():
        kept = store.with_name(f"{store.name}{REPLACED}")
        kept.unlink(missing_ok=True)
        kept.hardlink_to(store)


def _fault(path: Path, progress: Progress) -> Fault | None:
    Store(path).close()  # what this version reads beside the events is made, where another one wrote the file
    db = opened(path, read_only=True)
    try:
        return audited(db, progress).fault
    finally:
        db.close()
