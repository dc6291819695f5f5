"""Large texts in the object store OBRA_BLOBS, each under its SHA-256.

The layout is that of NATS' object store, so its tools can read it. nats-py's own implementation creates a consumer
for each read and purges on each overwrite; content that is named by its digest is never overwritten, and a batch of
direct gets reads it in one round trip without the right to create anything.
"""

import base64
import hashlib
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from obra.events.subjects import BLOBS
from obra.shared.bus.client import Incoming
from obra.shared.bus.message import encode_json
from obra.shared.bus.wire import NoAnswer, Wire, status
from obra.shared.errors import AppendRefused, BlobMissing

CHUNK = 512 * 1024
GET = f"$JS.API.DIRECT.GET.OBJ_{BLOBS}"
BATCH = 64


class _Info(msgspec.Struct):
    """What stands under a blob's name, as far as reading needs it."""

    nuid: str
    size: int
    chunks: int
    deleted: bool = False


class _Ack(msgspec.Struct):
    error: dict[str, object] | None = None


class Blobs:
    """Puts and gets bytes by digest."""

    def __init__(self, wire: Wire) -> None:
        """Use *wire*."""
        self._wire = wire

    async def put(self, sha256: str, data: bytes) -> None:
        """Store *data*, unless it is there already. Raises `NoAnswer` or `AppendRefused`."""
        if await self._info(sha256) is not None:
            return
        nuid = uuid4().hex
        chunks = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        for chunk in chunks:
            await self._publish(f"$O.{BLOBS}.C.{nuid}", chunk, {})
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode()
        info = {
            "name": sha256, "bucket": BLOBS, "nuid": nuid, "size": len(data), "chunks": len(chunks),
            "mtime": datetime.now(UTC).isoformat(), "digest": f"SHA-256={digest}",
            "options": {"max_chunk_size": CHUNK},
        }  # fmt: skip
        await self._publish(_meta(sha256), encode_json(info), {"Nats-Rollup": "sub"})

    async def get(self, sha256: str) -> bytes:
        """Return the bytes with this digest. Raises `BlobMissing` where they are not there, or not the same."""
        info = await self._info(sha256)
        if info is None:
            raise BlobMissing(sha256=sha256)
        parts: list[bytes] = []
        position = 0
        while len(parts) < info.chunks:
            question = {"seq": position + 1, "batch": BATCH, "next_by_subj": f"$O.{BLOBS}.C.{info.nuid}"}
            *messages, end = await self._wire.collect(GET, encode_json(question))
            if not messages:
                raise BlobMissing(sha256=sha256)
            parts += [message.data for message in messages]
            position = _position(messages[-1])
            if status(end) != "204":
                raise NoAnswer(subject=GET, reason=f"status {status(end)}")
        data = b"".join(parts)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BlobMissing(sha256=sha256)
        return data

    async def _info(self, sha256: str) -> _Info | None:
        found = await self._wire.request(GET, encode_json({"last_by_subj": _meta(sha256)}))
        if status(found) == "404":
            return None
        info = msgspec.json.decode(found.data, type=_Info)
        return None if info.deleted else info

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        reply = await self._wire.request(subject, data, headers)
        if error := msgspec.json.decode(reply.data, type=_Ack).error:
            raise AppendRefused(code=error.get("err_code", 0), reason=error.get("description", ""))


def _meta(sha256: str) -> str:
    return f"$O.{BLOBS}.M.{base64.urlsafe_b64encode(sha256.encode()).decode()}"


def _position(message: Incoming) -> int:
    return int(message.headers["Nats-Sequence"])
