"""Large texts beside an export: what events hold by reference only, one file a SHA-256."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from obra.events import Content
from obra.shared.bus import Bus
from obra.shared.errors import BlobMissing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FOLDER = "blobs"
FETCH_ROWS = 500
HEX = frozenset("0123456789abcdef")
DIGEST_CHARS = 64


def path_of(folder: Path, sha256: str) -> Path:
    """Return where the text with this digest lies in the export *folder*."""
    return folder / FOLDER / sha256[:2] / sha256


def lacking(db: "DuckDBPyConnection", folder: Path, since: int, until: int) -> list[str]:
    """Return the digests that events behind *since* up to *until* refer to and *folder* does not hold, in order."""
    rows = db.execute(
        """SELECT raw FROM event WHERE position > ? AND position <= ? AND problem IS NULL
        AND contains(TRY(decode(raw)), '"stored"') ORDER BY position""",
        [since, until],
    )
    found: dict[str, None] = {}
    while batch := rows.fetchmany(FETCH_ROWS):
        for (raw,) in batch:
            found.update(dict.fromkeys(references(msgspec.json.decode(raw))))
    return [sha256 for sha256 in found if not path_of(folder, sha256).exists()]


def references(value: Any) -> Iterator[str]:
    """Yield the digest of every text in the JSON *value* that lies in the object store."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        sha256 = value.get("sha256")
        if value.get("stored") is True and isinstance(sha256, str) and len(sha256) == DIGEST_CHARS and {*sha256} <= HEX:
            yield sha256
        for item in value.values():
            yield from references(item)


async def fetched(bus: Bus, folder: Path, wanted: list[str]) -> list[str]:
    """Copy the texts with the digests *wanted* from the object store into *folder*; return those that are gone."""
    gone = []
    for sha256 in wanted:
        try:
            text = await bus.text(Content(sha256=sha256, stored=True))
        except BlobMissing:
            gone.append(sha256)
        else:
            put(folder, sha256, text.encode())
    return gone


def put(folder: Path, sha256: str, data: bytes) -> None:
    """Write one text, whole or not at all."""
    path = path_of(folder, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{sha256}.part")
    with scratch.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def count(folder: Path) -> int:
    """Return how many texts *folder* holds."""
    return sum(not path.name.startswith(".") for path in (folder / FOLDER).glob("??/*"))


def intact(folder: Path, sha256: str) -> bool:
    """Return whether *folder* holds the text with this digest, as it was."""
    try:
        with path_of(folder, sha256).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def held(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield digest and bytes of every text in *folder* that is what its name says."""
    for path in sorted((folder / FOLDER).glob("??/*")):
        if not path.name.startswith("."):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == path.name:
                yield path.name, data
