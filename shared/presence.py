"""Presence: each service says every few seconds that it is there; who stops saying it, vanishes."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from obra.events.subjects import PRESENCE
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.envelope import VERSION, now

EVERY_S = 5.0


class Presence(msgspec.Struct, frozen=True):
    """What stands in the key-value bucket OBRA_SERVICES under ``SERVICE.HOST.PID``; it expires after 15 s."""

    service: str
    version: str
    host: str
    pid: int
    since: datetime


@contextlib.asynccontextmanager
async def announce(bus: JetStreamBus, service: str) -> AsyncIterator[None]:
    """Keep *service* present while the block runs; take it out when it ends in order."""
    host = socket.gethostname()
    key = f"$KV.{PRESENCE}.{service}.{_token(host)}.{os.getpid()}"
    data = msgspec.json.encode(Presence(service, VERSION, host, os.getpid(), now()))
    beat = asyncio.create_task(_beat(bus, key, data))
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        with contextlib.suppress(Exception):  # the connection may be what failed; the entry expires by itself
            await bus.nc.publish(key, b"", headers={"KV-Operation": "DEL"})
            await bus.nc.flush(1)


async def _beat(bus: JetStreamBus, key: str, data: bytes) -> None:
    while True:
        await bus.nc.publish(key, data)
        await asyncio.sleep(EVERY_S)


def _token(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)[:64] or "host"


async def present(bus: JetStreamBus) -> list[Presence]:
    """Return every service that is there now, sorted by name."""
    from nats.js.errors import NoKeysError  # noqa: PLC0415 - heavy, and only the status command needs it

    bucket = await bus.js.key_value(PRESENCE)
    try:
        keys = await bucket.keys()
    except NoKeysError:
        return []
    found = []
    for key in keys:
        entry = await bucket.get(key)
        if entry.value:
            found.append(msgspec.json.decode(entry.value, type=Presence))
    return sorted(found, key=lambda presence: (presence.service, presence.pid))
