"""Proves that an export is whole: every file as it was written, and the chain over everything in them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from obra.shared.archive import manifest as manifests
from obra.shared.archive.audit import Progress
from obra.shared.archive.blobs import path_of, references
from obra.shared.archive.database import literal, workbench
from obra.shared.archive.manifest import BadArchive, Manifest
from obra.shared.store.chain import link

FETCH_ROWS = 5_000


def proven(folder: Path, until: int | None = None, progress: Progress = lambda done, total: None) -> tuple[int, str]:
    """Return the last position up to *until* that *folder* holds, and the chain's hash there, hexadecimal.

    Everything is read: the hash is computed from the messages, not taken from the manifest. Raises `BadArchive`
    where a file, a message or a large text is missing or not as it was.
    """
    manifest = manifests.required(folder)
    if manifest.since:
        raise BadArchive(folder=folder, reason=f"it begins behind position {manifest.since:,} and not at the beginning")
    if manifest.blobs_missing:
        raise BadArchive(folder=folder, reason=f"{len(manifest.blobs_missing):,} large texts are missing in it")
    files = manifests.check_parts(folder, manifest)
    limit = manifest.through if until is None else min(until, manifest.through)
    previous, at, asked, done = bytes.fromhex(manifest.since_head), 0, (0, manifest.since_head), 0
    for position, raw, stored, readable in _rows(files):
        if position <= at or link(previous, position, raw) != stored:
            raise BadArchive(folder=folder, reason=f"the chain breaks at position {position:,}")
        if readable:
            _has_texts(folder, raw)
        previous, at, done = stored, position, done + 1
        if position <= limit:
            asked = (position, stored.hex())
        if not done % FETCH_ROWS:
            progress(done, manifest.events)
    _ends(folder, manifest, at, previous)
    return asked


def _rows(files: list[Path]) -> Iterator[tuple[int, bytes, bytes, bool]]:
    with workbench() as db:
        for file in files:
            rows = db.execute(
                f"SELECT position, raw, hash, problem IS NULL FROM read_parquet({literal(file)}) ORDER BY position"
            )
            while batch := rows.fetchmany(FETCH_ROWS):
                yield from batch


def _has_texts(folder: Path, raw: bytes) -> None:
    if b'"stored":true' not in raw:
        return
    for sha256 in references(msgspec.json.decode(raw)):
        if not path_of(folder, sha256).exists():
            raise BadArchive(folder=folder, reason=f"the large text {sha256} is missing in it")


def _ends(folder: Path, manifest: Manifest, position: int, head: bytes) -> None:
    if (position, head.hex()) != (manifest.through, manifest.head):
        raise BadArchive(folder=folder, reason=f"its events end at {position:,}, its manifest at {manifest.through:,}")
