"""Makes a store anew: from an export, from a stream, or from the one and then the other."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

from obra.shared.archive import manifest as manifests
from obra.shared.archive.audit import Progress, audited
from obra.shared.archive.database import literal, workbench
from obra.shared.archive.manifest import BadArchive, Manifest
from obra.shared.bus import Stored
from obra.shared.store import Store, opened
from obra.shared.store.derived import settle, take_back_all, type_all
from obra.shared.store.incoming import Incoming
from obra.shared.store.rows import rows_of, seldom_collected

BATCH_ROWS = 20_480
AHEAD = 4
"""Batches that are added, or ready to be, while the next is made: enough while rows are committed."""
INSERT = """
INSERT INTO target.event SELECT position, id::UUID, project, task, type, happened_at, cause::UUID, correlation::UUID,
    service, body, raw, hash, problem, stored_at
FROM read_parquet([{files}], hive_partitioning = false) WHERE position <= {until}
"""
NO_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Made:
    """A store that was made anew: how many events, up to which position."""

    events: int
    through: int


def from_archive(
    folder: Path, target: Path, until: int | None = None, progress: Progress = lambda done, total: None
) -> Manifest:
    """Make the store *target*, which must not exist yet, from the export *folder*, and verify every event of it.

    Raises `BadArchive` where the export is a part only, lacks a file, or is not as it was written.
    """
    manifest = manifests.required(folder)
    if manifest.since:
        raise BadArchive(folder=folder, reason=f"it begins behind position {manifest.since:,} and not at the beginning")
    files = manifests.check_parts(folder, manifest)
    Store(target).close()
    limit = NO_LIMIT if until is None else until
    if files:
        with workbench(target=target) as db:
            db.execute("SET VARIABLE storing = true")  # as the writer does, see sql/000_event.sql
            db.execute(INSERT.format(files=", ".join(map(literal, files)), until=limit))
            db.execute("UPDATE target.sink SET watermark = (SELECT coalesce(max(position), 0) FROM target.event)")
        _derive(target)
    _check(folder, target, manifest if limit >= manifest.through else None, progress)
    return manifest


def _derive(target: Path) -> None:
    """Make what the views of *target* stand on."""
    db = opened(target)
    try:
        db.begin()
        type_all(db)
        take_back_all(db)
        settle(db)
        db.commit()
    finally:
        db.close()


def _check(folder: Path, target: Path, manifest: Manifest | None, progress: Progress) -> None:
    db = opened(target, read_only=True)
    try:
        audit = audited(db, progress)
    finally:
        db.close()
    if audit.fault:
        raise BadArchive(folder=folder, reason=f"it was altered: {audit.fault.told()}")
    if manifest and (audit.through, audit.head.hex()) != (manifest.through, manifest.head):
        raise BadArchive(
            folder=folder, reason=f"its events end at {audit.through:,}, its manifest at {manifest.through:,}"
        )


async def from_stream(
    messages: AsyncGenerator[Sequence[Stored], None],
    target: Path,
    until: int,
    progress: Progress = lambda done, total: None,
) -> Made:
    """Add *messages* up to position *until* to the store *target*, made if it isn't there, as log-sink does.

    *messages* are what `Bus.copied` yields behind what the store holds already.
    """
    store, events, adding = Store(target), 0, deque[asyncio.Task[None]]()
    try:
        if store.watermark >= until:
            return Made(0, store.watermark)
        with seldom_collected():
            async with contextlib.aclosing(_batches(messages, until)) as batches:
                async for batch in batches:
                    made = await asyncio.to_thread(_ready, store, batch, until)
                    adding.append(asyncio.create_task(_add(store, made, adding[-1] if adding else None)))
                    while len(adding) > AHEAD:
                        await _oldest(adding)
                    events += len(batch)
                    progress(batch[-1].position, until)
            while adding:
                await _oldest(adding)
            await asyncio.to_thread(store.checkpoint)
        return Made(events, store.watermark)
    finally:
        await asyncio.gather(*adding, return_exceptions=True)
        store.close()


async def _batches(messages: AsyncGenerator[Sequence[Stored], None], until: int) -> AsyncGenerator[list[Stored], None]:
    """Yield what comes up to position *until*, many at once."""
    batch = list[Stored]()
    async with contextlib.aclosing(messages) as copies:
        async for some in copies:
            batch += [one for one in some if one.position <= until]
            end = some[-1].position >= until
            if len(batch) >= BATCH_ROWS or (batch and end):
                yield batch
                batch = []
            if end:
                break


def _ready(store: Store, batch: Sequence[Stored], until: int) -> Incoming:
    return store.ready(rows_of(batch, logged=until).rows)


async def _add(store: Store, made: Incoming, before: asyncio.Task[None] | None) -> None:
    """Add what is *made*, after what is added *before*."""
    if before:
        await asyncio.shield(before)
    await asyncio.to_thread(store.add, made, more=True)


async def _oldest(adding: deque[asyncio.Task[None]]) -> None:
    """Wait for the oldest, which a cancellation of this does not end: what a thread has begun goes on."""
    await asyncio.wait({adding[0]})
    adding.popleft().result()


def remove(path: Path) -> None:
    """Remove a store with its write-ahead log."""
    for file in (path, path.with_name(f"{path.name}.wal")):
        file.unlink(missing_ok=True)
