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
from obra.shared.bus.wire import NoAnswer
from obra.shared.envelope import VERSION, now

EVERY_S = 5.0
PRESENT_MAX = 1_000


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
        with contextlib.suppress(NoAnswer):  # the connection may be what failed; the entry expires by itself
            await bus.wire.publish(key, headers={"KV-Operation": "DEL"})


async def _beat(bus: JetStreamBus, key: str, data: bytes) -> None:
    while True:
        with contextlib.suppress(NoAnswer):  # an interrupted connection; the next beat tells
            await bus.wire.publish(key, data)
        await asyncio.sleep(EVERY_S)


def _token(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)[:64] or "host"


async def present(bus: JetStreamBus) -> list[Presence]:
    """Return every service that is there now, sorted by name. One round trip; nothing is created."""
    question = {"multi_last": [f"$KV.{PRESENCE}.>"], "batch": PRESENT_MAX}
    *messages, _ = await bus.wire.collect(f"$JS.API.DIRECT.GET.KV_{PRESENCE}", msgspec.json.encode(question))
    found = [msgspec.json.decode(message.data, type=Presence) for message in messages if message.data]
    return sorted(found, key=lambda presence: (presence.service, presence.pid))
