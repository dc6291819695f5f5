"""Holds a store against the stream it was copied from, as far as the stream still goes back."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obra.shared.archive.fault import Fault
from obra.shared.bus import Stored
from obra.shared.bus.message import read
from obra.shared.envelope import type_of
from obra.shared.errors import Undecodable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Compared:
    """How many messages of the stream the store was held against, or the first that is not the same in both."""

    messages: int
    fault: Fault | None = None


async def compared(
    db: "DuckDBPyConnection", messages: AsyncGenerator[Sequence[Stored], None], through: int, pruned: int
) -> Compared:
    """Hold *db* against *messages*, the stream from its beginning on, up to position *through*.

    Up to *pruned* the store may hold what the stream has let go of; behind it, both hold the same.
    """
    done, low, batch = 0, 0, list[Stored]()
    if not through:
        return Compared(0)
    async with contextlib.aclosing(messages) as copies:
        async for some in copies:
            batch += [one for one in some if one.position <= through]
            end = some[-1].position >= through
            if len(batch) >= BATCH or end:
                high = through if end else batch[-1].position
                if fault := _differs(db, batch, low, high, pruned):
                    return Compared(done, fault)
                done, low, batch = done + len(batch), high, []
            if end:
                break
    return Compared(done)


def _differs(db: "DuckDBPyConnection", batch: Sequence[Stored], low: int, high: int, pruned: int) -> Fault | None:
    rows = db.execute(
        "SELECT position, raw, coalesce(id::VARCHAR, ''), coalesce(type, '') FROM event "
        "WHERE position > ? AND position <= ? ORDER BY position",
        [low, high],
    ).fetchall()
    stored = {row[0]: row for row in rows}
    for raw in batch:
        if raw.position not in stored:
            kind, id_ = _named(raw)
            return Fault("missing", raw.position, "the stream holds this message, the store does not", id_, kind)
        _, data, id_, kind = stored.pop(raw.position)
        if data != raw.data:
            return Fault("altered", raw.position, "the stream holds other bytes at this position", id_, kind)
    for position, _, id_, kind in stored.values():
        if position > pruned:
            return Fault("inserted", position, "the stream holds no message at this position", id_, kind)
    return None


def _named(raw: Stored) -> tuple[str, str]:
    """Return the type and the id of a message, or where it came if it is no event."""
    try:
        envelope = read(raw.subject, raw.data)
    except Undecodable:
        return raw.subject, ""
    return type_of(envelope), str(envelope.id)
