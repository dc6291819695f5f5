"""Writes events as Parquet, partitioned by day: each file whole or not there, the manifest last."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from obra.shared.archive import manifest as manifests
from obra.shared.archive.audit import Progress, audited
from obra.shared.archive.database import literal, workbench
from obra.shared.archive.manifest import BadArchive, Manifest, Part
from obra.shared.envelope import VERSION
from obra.shared.errors import ObraError
from obra.shared.store import opened
from obra.shared.store.chain import GENESIS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EVENTS = "events"
PART_ROWS = 500_000
SELECT = """
SELECT position, id::VARCHAR AS id, project, task, type, happened_at, cause::VARCHAR AS cause,
    correlation::VARCHAR AS correlation, service, body_json AS body, raw, hash, problem, stored_at
FROM store.event WHERE position > {low} AND position <= {high} AND stored_at::DATE = {day}
"""


class Altered(ObraError):
    """The store is not as it was written, so nothing was exported. {fault}"""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Span:
    """The events to write: behind ``low``, whose hash is ``low_head``, up to ``high``, whose hash is ``high_head``."""

    low: int
    low_head: bytes
    high: int
    high_head: bytes


def exported(
    store: Path,
    folder: Path,
    since: int = 0,
    until: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Manifest:
    """Write the events of the file *store* behind *since* up to *until* into *folder*, and return its manifest.

    A folder that holds an export already gets what is new; *since* counts for the first one alone. The store is
    verified first. Raises `Altered`, `BadArchive` where *folder* holds another history, `ArchiveFailed`. The
    manifest is not written yet: `manifests.write` makes the new files count.
    """
    before = manifests.read(folder)
    span = _span(store, folder, before, since, until, progress)
    _clean(folder, before)
    parts = tuple(_written(store, folder, span)) if span.high > span.low else ()
    kept = before.parts if before else ()
    return Manifest(
        obra=VERSION, at=datetime.now(UTC), since=before.since if before else span.low,
        since_head=before.since_head if before else span.low_head.hex(), through=span.high,
        head=span.high_head.hex(), events=sum(part.rows for part in (*kept, *parts)), parts=(*kept, *parts),
        blobs=before.blobs if before else 0, blobs_missing=before.blobs_missing if before else (),
    )  # fmt: skip


def position_at(store: Path, moment: datetime) -> int:
    """Return the last position that the stream had stored at *moment*, 0 if there was none."""
    db = opened(store, read_only=True)
    try:
        row = db.execute("SELECT max(position) FROM event WHERE stored_at <= ?", [moment]).fetchone()
    finally:
        db.close()
    return int(row[0] or 0) if row else 0


def _span(
    store: Path, folder: Path, before: Manifest | None, since: int, until: int | None, progress: Progress
) -> Span:
    db = opened(store, read_only=True)
    try:
        audit = audited(db, progress)
        if audit.fault:
            raise Altered(fault=audit.fault.told())
        asked = before.through if before else since
        low, low_head = _at(db, asked)
        high, high_head = _at(db, audit.through if until is None else until)
    finally:
        db.close()
    if before and (low, low_head.hex()) != (before.through, before.head):
        raise BadArchive(folder=folder, reason="what it holds is another history than this store's")
    return Span(low, low_head, high, high_head) if high > low else Span(low, low_head, low, low_head)


def _at(db: "DuckDBPyConnection", position: int) -> tuple[int, bytes]:
    """Return position and hash of the last row up to *position*."""
    row = db.execute(
        "SELECT position, hash FROM event WHERE position <= ? ORDER BY position DESC LIMIT 1", [position]
    ).fetchone()
    return (int(row[0]), bytes(row[1])) if row else (0, GENESIS)


def _clean(folder: Path, before: Manifest | None) -> None:
    """Remove what an export left behind that was killed: files that no manifest names."""
    named = {part.path for part in before.parts} if before else set()
    for path in (folder / EVENTS).glob("day=*/*.parquet*"):
        if str(path.relative_to(folder)) not in named:
            path.unlink()


def _written(store: Path, folder: Path, span: Span) -> Iterator[Part]:
    with workbench(store=store) as db:
        found = db.execute(
            f"""
            SELECT stored_at::DATE::VARCHAR AS day, min(position), max(position), count(*) FROM (
                SELECT position, stored_at, row_number() OVER (ORDER BY position) AS number
                FROM store.event WHERE position > {span.low} AND position <= {span.high}
            ) GROUP BY day, (number - 1) // {PART_ROWS} ORDER BY min(position)
            """
        ).fetchall()
        for day, first, last, rows in found:
            name = Path(EVENTS, f"day={day}", f"{first:015d}-{last:015d}.parquet")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            scratch = folder / name.with_suffix(".parquet.part")
            select = SELECT.format(low=first - 1, high=last, day=literal(day))
            db.execute(f"COPY ({select}) TO {literal(scratch)} (FORMAT parquet, COMPRESSION zstd)")
            _settle(scratch, folder / name)
            size = (folder / name).stat().st_size
            yield Part(str(name), day, first, last, rows, size, manifests.sha256_of(folder / name))


def _settle(scratch: Path, target: Path) -> None:
    """Give a file that is on disk its name, such that a crash leaves it whole or nameless."""
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    scratch.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
