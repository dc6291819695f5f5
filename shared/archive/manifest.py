"""What an export says of itself: `manifest.json`, written last, so that what it names is whole."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from obra.shared.errors import BadUsage
from obra.shared.home import write_private

NAME = "manifest.json"
KIND = "obra.export"
VERSION = 1


class BadArchive(BadUsage):
    """{folder} is no export that can be used: {reason}"""


class Part(msgspec.Struct, frozen=True):
    """One Parquet file: the events of one day from position ``first`` to ``last``. ``path`` is relative."""

    path: str
    day: str
    first: int
    last: int
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """An export of every event behind position ``since`` up to ``through``.

    ``head`` is the chain's hash at ``through`` and ``since_head`` the one at ``since``, hexadecimal: one export goes
    on where another ended if the two are equal. ``blobs_missing`` are SHA-256 of large texts that events refer to
    and that the object store no longer had.
    """

    kind: str = KIND
    version: int = VERSION
    obra: str
    at: datetime
    since: int
    since_head: str
    through: int
    head: str
    events: int
    parts: tuple[Part, ...]
    blobs: int = 0
    blobs_missing: tuple[str, ...] = ()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make *folder* and be the only one who writes to it; `BadArchive` where another export does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise BadArchive(folder=folder, reason=f"it can't be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BadArchive(folder=folder, reason="another export is writing to it") from error
    finally:
        os.close(descriptor)


def read(folder: Path) -> Manifest | None:
    """Return the manifest of *folder*, None if there is none; `BadArchive` where it can't be read."""
    try:
        found = msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise BadArchive(folder=folder, reason=f"its manifest can't be read: {error}") from error
    if found.kind != KIND or found.version > VERSION:
        raise BadArchive(folder=folder, reason=f"it was written by a newer Obra ({found.obra}); update this one")
    return found


def required(folder: Path) -> Manifest:
    """Return the manifest of *folder*; `BadArchive` where there is none."""
    found = read(folder)
    if found is None:
        raise BadArchive(folder=folder, reason=f"there is no {NAME} in it")
    return found


def write(folder: Path, manifest: Manifest) -> None:
    """Put *manifest* in place, whole or not at all."""
    write_private(folder / NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def check_parts(folder: Path, manifest: Manifest) -> list[Path]:
    """Return the files of the export, in order, each as it was written; `BadArchive` names the first that isn't."""
    found = []
    for part in sorted(manifest.parts, key=lambda one: one.first):
        path = folder / part.path
        if ".." in Path(part.path).parts or Path(part.path).is_absolute():
            raise BadArchive(folder=folder, reason=f"its manifest names a file outside of it, {part.path}")
        if not path.is_file():
            raise BadArchive(folder=folder, reason=f"{part.path} is missing")
        if sha256_of(path) != part.sha256:
            raise BadArchive(folder=folder, reason=f"{part.path} is not as it was written")
        found.append(path)
    return found


def sha256_of(path: Path) -> str:
    """Return the digest of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
