"""Proves that an export is whole: every file as it was written, the chain over everything in them, and each column."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from obra.shared.archive import manifest as manifests
from obra.shared.archive.audit import Progress
from obra.shared.archive.blobs import intact, path_of, references
from obra.shared.archive.columns import first_that_differs
from obra.shared.archive.database import literal, workbench
from obra.shared.archive.manifest import BadArchive, Manifest, Part
from obra.shared.store.chain import link

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FETCH_ROWS = 5_000
EVENT = """
CREATE OR REPLACE TEMP VIEW event AS SELECT * REPLACE (
    TRY_CAST(id AS UUID) AS id, TRY_CAST(cause AS UUID) AS cause, TRY_CAST(correlation AS UUID) AS correlation,
    TRY_CAST(body AS JSON)::VARIANT AS body
), body AS body_json FROM read_parquet({file}, hive_partitioning = false)
"""
"""A file of an export as the table `event` that it was written from."""

MISPLACED = """
SELECT min(e.position) FROM event e LEFT JOIN store.event s ON s.position = e.position
WHERE e.stored_at IS DISTINCT FROM s.stored_at OR e.stored_at::DATE::VARCHAR <> {day}
"""
"""No message says when the stream took it in: only the store knows."""


def proven(
    folder: Path, store: Path, until: int | None = None, progress: Progress = lambda done, total: None
) -> tuple[int, str]:
    """Return the last position up to *until* that *folder* holds, and the chain's hash there, hexadecimal.

    Everything is read: the hash is computed from the messages, not taken from the manifest, every column held against
    its message, and the time at which the stream took it in against *store*. Raises `BadArchive` where a file, a
    message, a column or a large text is missing or not as it was.
    """
    manifest = manifests.required(folder)
    if manifest.since:
        raise BadArchive(folder=folder, reason=f"it begins behind position {manifest.since:,} and not at the beginning")
    if manifest.blobs_missing:
        raise BadArchive(folder=folder, reason=f"{len(manifest.blobs_missing):,} large texts are missing in it")
    files = manifests.check_parts(folder, manifest)
    limit = manifest.through if until is None else min(until, manifest.through)
    previous, at, asked, done = bytes.fromhex(manifest.since_head), 0, (0, manifest.since_head), 0
    texts = set[str]()
    with workbench(store=store) as db:
        for part, file in zip(sorted(manifest.parts, key=lambda one: one.first), files, strict=True):
            db.execute(EVENT.format(file=literal(file)))
            for position, raw, stored, readable in _rows(db):
                if position <= at or link(previous, position, raw) != stored:
                    raise BadArchive(folder=folder, reason=f"the chain breaks at position {position:,}")
                if readable:
                    _has_texts(folder, raw, texts)
                previous, at, done = stored, position, done + 1
                if position <= limit:
                    asked = (position, stored.hex())
                if not done % FETCH_ROWS:
                    progress(done, manifest.events)
            _columns(db, folder, part)
    _ends(folder, manifest, at, previous)
    return asked


def _rows(db: "DuckDBPyConnection") -> Iterator[tuple[int, bytes, bytes, bool]]:
    rows = db.execute("SELECT position, raw, hash, problem IS NULL FROM event ORDER BY position")
    while batch := rows.fetchmany(FETCH_ROWS):
        yield from batch


def _columns(db: "DuckDBPyConnection", folder: Path, part: Part) -> None:
    """Raise `BadArchive` where a column of *part* is not what its message, or the store, says."""
    found = db.execute("SELECT count(*), min(position), max(position) FROM event").fetchone()
    if found != (part.rows, part.first, part.last):
        raise BadArchive(folder=folder, reason=f"{part.path} does not hold the rows that the manifest names")
    if fault := first_that_differs(db, part.first - 1, part.last):
        raise BadArchive(folder=folder, reason=f"it was altered: {fault.told()}")
    misplaced = db.execute(MISPLACED.format(day=literal(part.day))).fetchone()
    if misplaced and misplaced[0] is not None:
        raise BadArchive(folder=folder, reason=f"stored_at is not that of the store at position {misplaced[0]:,}")


def _has_texts(folder: Path, raw: bytes, seen: set[str]) -> None:
    """Raise `BadArchive` where a large text that *raw* refers to, and that was not *seen* yet, is not there, whole."""
    if b'"stored"' not in raw:
        return
    for sha256 in references(msgspec.json.decode(raw)):
        if sha256 not in seen and not intact(folder, sha256):
            reason = f"the large text {path_of(folder, sha256).relative_to(folder)} is missing, or was altered; "
            raise BadArchive(folder=folder, reason=f"{reason}without it, `obra export` fetches it anew")
        seen.add(sha256)


def _ends(folder: Path, manifest: Manifest, position: int, head: bytes) -> None:
    if (position, head.hex()) != (manifest.through, manifest.head):
        raise BadArchive(folder=folder, reason=f"its events end at {position:,}, its manifest at {manifest.through:,}")
