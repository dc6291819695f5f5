"""Fills an empty stream from a store, every event at its old position: what an imported home goes on from.

The stream gets what a pruned one would hold: everything of tasks that are not over, the ends of those that are, and
what concerns whole projects. The positions between are taken by messages that are purged at once.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from nats.aio.msg import Msg

from obra.events import TimerFired, TimerSet
from obra.events.subjects import STREAM
from obra.shared.archive.audit import spans
from obra.shared.archive.columns import message
from obra.shared.archive.pruned import over
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.message import encode_json
from obra.shared.bus.past import PURGE, PURGE_S
from obra.shared.bus.publish import Ack, outgoing
from obra.shared.envelope import Envelope
from obra.shared.errors import AppendRefused
from obra.shared.store import opened

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FILLER = "obra-timer.-.-.filler"
WINDOW = 512
ACK_S = 30.0
FETCH_ROWS = 2_000
KEPT = """
SELECT position, project, task, type, raw FROM event e
WHERE position > ? AND position <= ? AND NOT EXISTS (
    FROM ended x WHERE x.project = e.project AND x.task = e.task AND e.position < x.ended_at
) ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class Refilled:
    """How many events the stream holds again, and how many timers were set anew."""

    events: int
    timers: int


async def refilled(bus: JetStreamBus, store: Path) -> Refilled:
    """Fill the stream behind *bus*, which must be empty, from *store*. Raises `AppendRefused` where it is not."""
    db = opened(store, read_only=True)
    try:
        _note_ends(db)
        filling, events, waiting = _Filling(bus), 0, dict[UUID, Envelope]()
        await filling.open()
        for position, project, task, kind, raw in _rows(db):
            await filling.up_to(position - 1)
            said = message(position, project, task, kind, raw)
            await filling.put(said.subject, raw)
            events += 1
            if said.envelope and isinstance(said.envelope.event, TimerSet):
                waiting[said.envelope.id] = said.envelope
            elif said.envelope and isinstance(said.envelope.event, TimerFired) and said.envelope.cause:
                waiting.pop(said.envelope.cause, None)
        await filling.close()
    finally:
        db.close()
    await bus.wire.request(PURGE, encode_json({"filter": FILLER}), timeout_s=PURGE_S)
    for envelope in waiting.values():
        await _set_again(bus, envelope)
    return Refilled(events, len(waiting))


def _note_ends(db: "DuckDBPyConnection") -> None:
    row = db.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()
    ends = over(db, int(row[0]) if row else 0)
    db.execute("CREATE TEMP TABLE ended (project VARCHAR, task VARCHAR, ended_at UBIGINT)")
    if ends:
        db.executemany("INSERT INTO ended VALUES (?, ?, ?)", [[*scope, position] for scope, position in ends])


def _rows(db: "DuckDBPyConnection") -> Iterator[tuple[int, str, str, str, bytes]]:
    for low, high in spans(db):
        rows = db.execute(KEPT, [low, high])
        while batch := rows.fetchmany(FETCH_ROWS):
            yield from batch


async def _set_again(bus: JetStreamBus, envelope: Envelope) -> None:
    """Have the server send what a `timer.set` waits for; what is due already comes at once."""
    schedule, _ = await outgoing(envelope, bus.store)
    await bus.wire.request(schedule.subject, schedule.data, schedule.headers)


class _Filling:
    """Publishes in order, a window at once, and sees to it that each message gets the position it had."""

    def __init__(self, bus: JetStreamBus) -> None:
        self._wire, self._inbox = bus.wire, bus.nc.new_inbox()
        self._nc = bus.nc
        self._sent = self._settled = 0
        self._problem: AppendRefused | None = None
        self._stir = asyncio.Event()

    async def open(self) -> None:
        self._subscription = await self._nc.subscribe(self._inbox, cb=self._hear)

    async def up_to(self, position: int) -> None:
        """Take every position up to *position* that is not taken yet."""
        while self._sent < position:
            await self.put(FILLER, b"")

    async def put(self, subject: str, data: bytes) -> None:
        self._sent += 1
        await self._wire.publish(subject, data, reply=self._inbox)
        if self._sent - self._settled >= WINDOW:
            await self._wait(WINDOW // 2)

    async def close(self) -> None:
        await self._wait(0)
        await self._subscription.unsubscribe()

    async def _wait(self, under_way_max: int) -> None:
        async with asyncio.timeout(ACK_S):
            while self._sent - self._settled > under_way_max and not self._problem:
                self._stir.clear()
                await self._stir.wait()
        if self._problem:
            raise self._problem

    async def _hear(self, reply: Msg) -> None:
        ack = msgspec.json.decode(reply.data, type=Ack)
        self._settled += 1
        if ack.error:
            self._problem = AppendRefused(code=ack.error.get("err_code"), reason=ack.error.get("description", ""))
        elif ack.seq != self._settled:
            self._problem = AppendRefused(
                code=0, reason=f"the stream {STREAM} is not empty: it ends at {ack.seq - 1:,}"
            )
        self._stir.set()
