"""Anchors: the chain's head at a moment, signed, kept where whoever can alter the store can't reach.

The chain alone shows an altered row, but not a tail that was rewritten with all its hashes recomputed. An anchor
outside of the store does: its hash is that of the old tail.
"""

import base64
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from obra.shared.archive.anchorage import NOTE, THE_NOTE
from obra.shared.archive.fault import Fault
from obra.shared.errors import BadUsage, EnvironmentLacks
from obra.shared.home import Home, write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from duckdb import DuckDBPyConnection

KIND = "obra.anchor"


class NoSigning(EnvironmentLacks):
    """Anchors are signed with the package `cryptography`, which is missing: `pip install 'obra[anchor]'`."""


class BadAnchor(BadUsage):
    """{source} holds an anchor that can't be relied on: {reason}"""

    exit_code = 1


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """The chain's ``hash`` at ``position``, as of ``at``; ``key`` is the public key, ``signature`` over the rest.

    Hexadecimal, but for the signature and the key, which are base64. One is one line of JSON.
    """

    kind: str = KIND
    position: int
    hash: str
    at: datetime
    key: str
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """Return what the signature is over: the JSON of everything else, keys sorted."""
        return msgspec.json.encode(msgspec.structs.replace(self, signature=""), order="sorted")

    def line(self) -> str:
        """Return the anchor as it is kept."""
        return msgspec.json.encode(self, order="sorted").decode()


def key_path(home: Home) -> Path:
    """Return where the signing key lies: PEM, mode 0600, made on first use."""
    return home.root / "anchor-key.pem"


def signing_key(home: Home) -> "Ed25519PrivateKey":
    """Return the home's key, made if there is none yet. Raises `NoSigning`."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra, and heavy
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    except ImportError as error:
        raise NoSigning from error
    path = key_path(home)
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(path, pem)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise EnvironmentLacks(problem=f"the signing key {path} can't be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadUsage(problem=f"{path} is no Ed25519 key")
    return key


def public_key(home: Home) -> str:
    """Return the public half of the home's key, base64: what `obra verify --key` takes elsewhere."""
    return base64.b64encode(signing_key(home).public_key().public_bytes_raw()).decode()


def signed(home: Home, position: int, head: bytes, at: datetime) -> Anchor:
    """Return the anchor of *head* at *position*."""
    bare = Anchor(position=position, hash=head.hex(), at=at, key=public_key(home))
    signature = signing_key(home).sign(bare.signed_bytes())
    return msgspec.structs.replace(bare, signature=base64.b64encode(signature).decode())


def parsed(lines: Iterable[str], source: str, key: str) -> Iterator[Anchor]:
    """Yield the anchors in *lines*, each with a good signature by *key*; other lines are passed over.

    Raises `BadAnchor` for one that is unreadable, signed by somebody else, or altered.
    """
    for line in lines:
        if f'"{KIND}"' not in line:
            continue
        try:
            anchor = msgspec.json.decode(line.strip(), type=Anchor)
        except msgspec.MsgspecError as error:
            raise BadAnchor(source=source, reason=str(error)) from error
        if anchor.key != key:
            raise BadAnchor(
                source=source, reason=f"position {anchor.position} is signed with another key, {anchor.key}"
            )
        if not _genuine(anchor):
            raise BadAnchor(source=source, reason=f"the signature at position {anchor.position} is wrong")
        yield anchor


def _genuine(anchor: Anchor) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError as error:
        raise NoSigning from error
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(anchor.key))
        public.verify(base64.b64decode(anchor.signature), anchor.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True


def taken_away(db: "DuckDBPyConnection", anchors: Iterable[Anchor], source: str) -> Fault | None:
    """Return that the first anchor which log-sink made in *source* is not among *anchors*, or None.

    It says so only once one is kept: whoever lets anchors vanish to rewrite what they prove has this left to do, too.
    """
    there = {(one.position, one.hash) for one in anchors}
    told = db.execute(
        "SELECT body.position::UBIGINT, body.hash::VARCHAR, id::VARCHAR, type FROM event "
        "WHERE type = 'chain.anchored' AND problem IS NULL AND (body.to::VARCHAR = $1 OR ($1 = $2 "
        "AND starts_with(body.to::VARCHAR, $3))) ORDER BY position",
        [source, NOTE, THE_NOTE],
    )
    for position, head, id_, kind in told.fetchall():
        if (position, head) not in there:
            return Fault("unanchored", position, f"an anchor was made here, and {source} lacks it now", id_, kind)
    return None


def held_against(db: "DuckDBPyConnection", anchors: Iterable[Anchor]) -> Fault | None:
    """Return the first anchor that the chain in *db* does not pass through, or None."""
    for anchor in sorted(anchors, key=lambda one: one.position):
        row = db.execute(
            "SELECT hash, coalesce(id::VARCHAR, ''), coalesce(type, '') FROM event WHERE position = ?",
            [anchor.position],
        ).fetchone()
        when = f"{anchor.at:%Y-%m-%d %H:%M} UTC"
        if row is None:
            return Fault("cut", anchor.position, f"an anchor of {when} names this position, and the store lacks it")
        if bytes(row[0]).hex() != anchor.hash:
            detail = f"the anchor of {when} has another hash here: something up to this position was rewritten"
            return Fault("altered", anchor.position, detail, str(row[1]), str(row[2]))
    return None
