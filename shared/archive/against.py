"""Holds a store against the stream it was copied from, as far as the stream still goes back."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obra.shared.archive.fault import Fault
from obra.shared.bus import Raw
from obra.shared.envelope import type_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Compared:
    """How many messages of the stream the store was held against, or the first that is not the same in both."""

    messages: int
    fault: Fault | None = None


async def compared(
    db: "DuckDBPyConnection", messages: AsyncGenerator[Raw, None], through: int, pruned: int
) -> Compared:
    """Hold *db* against *messages*, the stream from its beginning on, up to position *through*.

    Up to *pruned* the store may hold what the stream has let go of; behind it, both hold the same.
    """
    done, low, batch = 0, 0, list[Raw]()
    if not through:
        return Compared(0)
    async with contextlib.aclosing(messages) as raws:
        async for raw in raws:
            if raw.position <= through:
                batch.append(raw)
            if len(batch) == BATCH or raw.position >= through:
                high = batch[-1].position if raw.position < through else through
                if fault := _differs(db, batch, low, high, pruned):
                    return Compared(done, fault)
                done, low, batch = done + len(batch), high, []
            if raw.position >= through:
                break
    return Compared(done)


def _differs(db: "DuckDBPyConnection", batch: list[Raw], low: int, high: int, pruned: int) -> Fault | None:
    rows = db.execute(
        "SELECT position, raw, coalesce(id::VARCHAR, ''), coalesce(type, '') FROM event "
        "WHERE position > ? AND position <= ? ORDER BY position",
        [low, high],
    ).fetchall()
    stored = {row[0]: row for row in rows}
    for raw in batch:
        if raw.position not in stored:
            kind, id_ = (type_of(raw.envelope), str(raw.envelope.id)) if raw.envelope else (raw.subject, "")
            return Fault("missing", raw.position, "the stream holds this message, the store does not", id_, kind)
        _, data, id_, kind = stored.pop(raw.position)
        if data != raw.data:
            return Fault("altered", raw.position, "the stream holds other bytes at this position", id_, kind)
    for position, _, id_, kind in stored.values():
        if position > pruned:
            return Fault("inserted", position, "the stream holds no message at this position", id_, kind)
    return None
