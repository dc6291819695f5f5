"""Has the stream forget what is archived: on request, with proof, and only the past of tasks that are over."""

import asyncio
import contextlib
import random

from obra.events import Event, PruneRefused, PruneRequested, StreamPruned
from obra.events.subjects import PLATFORM, Scope, subject
from obra.events.task import TaskEnd
from obra.services.log_sink.lost import NAME
from obra.services.log_sink.sink import Sink
from obra.shared.archive.pruned import over
from obra.shared.bus import Bus
from obra.shared.envelope import Recorded, answer
from obra.shared.errors import AppendRefused, ObraError
from obra.shared.history import standing
from obra.shared.log import get_logger
from obra.shared.store.errors import StoreSilent

CATCH_UP_S = 60.0
RETRY_S = 1.0

log = get_logger(NAME)


class Pruner:
    """Answers each `prune.requested` once. Pruning again forgets nothing more, so a crash in between is harmless."""

    def __init__(self, sink: Sink) -> None:
        """Use the store that *sink* has open."""
        self._sink = sink

    async def run(self, bus: Bus) -> None:
        """Answer requests until cancelled; after an error of the bus, begin anew."""
        while True:
            try:
                await self._follow(bus)
            except ObraError as error:
                log.warning("pruning begins anew", error=str(error))
                await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.0))

    async def _follow(self, bus: Bus) -> None:
        async with contextlib.aclosing(bus.follow(0, [subject(PLATFORM, PruneRequested)])) as raws:
            async for raw in raws:
                if raw.envelope and isinstance(raw.envelope.event, PruneRequested):
                    await self._answer(bus, Recorded(raw.position, raw.envelope), raw.envelope.event)

    async def _answer(self, bus: Bus, question: Recorded, request: PruneRequested) -> None:
        said = (r.envelope for r in (await bus.past(PLATFORM)).events)
        if any(
            one.cause == question.envelope.id and isinstance(one.event, StreamPruned | PruneRefused) for one in said
        ):
            return
        event = await self._pruned(bus, question.position, request)
        log.info("prune", asked=request.through, answer=type(event).__name__)
        await bus.append([answer(question.envelope, NAME, event)])

    async def _pruned(self, bus: Bus, position: int, request: PruneRequested) -> Event:
        while True:
            try:
                await self._sink.caught_up(position, CATCH_UP_S)
                async with self._sink.reader() as db:
                    found = await asyncio.to_thread(
                        db.execute("SELECT hash FROM event WHERE position = ?", [request.through]).fetchone
                    )
                    tasks = await asyncio.to_thread(over, db, request.through)
                break
            except StoreSilent:  # the store is being opened again
                await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.0))
        if not found or bytes(found[0]).hex() != request.hash:
            return PruneRefused(reason=f"the export's hash at position {request.through:,} is not that of the store")
        try:
            gone = [await forget(bus, scope, end) for scope, end in tasks]
        except AppendRefused as error:
            return PruneRefused(reason=str(error))
        pruned = sum(messages > 0 for messages in gone)
        return StreamPruned(through=request.through, tasks=pruned, messages=sum(gone), archive=request.archive)


async def forget(bus: Bus, scope: Scope, end: int) -> int:
    """Have the stream forget what stands before position *end*, at which a task ended; return how many messages.

    None, where the task was rolled back since the store was asked, and needs its past.
    """
    since = standing((await bus.past(scope, end - 1)).events)
    return await bus.purge(scope, end) if any(isinstance(each.event, TaskEnd) for each in since) else 0
