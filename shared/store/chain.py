"""The chain of hashes that shows whether a stored message was altered, removed or put in."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

GENESIS = bytes(32)
"""What stands before the first row."""


def link(previous: bytes, position: int, raw: bytes) -> bytes:
    """Return the hash of a row: SHA-256 of the hash before it, its position (8 bytes, big-endian) and its bytes."""
    return hashlib.sha256(previous + position.to_bytes(8, "big") + raw).digest()


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row whose hash does not follow from what stands before it."""

    position: int
    after: int


def first_broken(rows: Iterable[tuple[int, bytes, bytes]]) -> Broken | None:
    """Return where the chain of (position, raw, hash), in order, breaks first; None if it is whole."""
    previous, after = GENESIS, 0
    for position, raw, stored in rows:
        expected = link(previous, position, raw)
        if expected != stored or position <= after:
            return Broken(position, after)
        previous, after = expected, position
    return None
