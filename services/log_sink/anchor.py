"""Anchors the head of the chain by itself, every so often, where the settings say so."""

import asyncio
import contextlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from obra.events import ChainAnchored, ServiceDegraded
from obra.events.subjects import PLATFORM, name
from obra.services.log_sink.lost import NAME
from obra.services.log_sink.sink import Sink
from obra.shared.archive.anchorage import keep
from obra.shared.archive.anchors import signed
from obra.shared.bus import Bus
from obra.shared.config import AnchorSettings
from obra.shared.envelope import fresh, now
from obra.shared.errors import ObraError
from obra.shared.home import Home
from obra.shared.log import get_logger
from obra.shared.redact import redact

CATCH_UP_S = 60.0
AGAIN_S = 60.0
"""How long it rests after a failure, unless anchors are due more often."""

log = get_logger(NAME)


class Anchorer:
    """Signs the head of *sink*'s store and keeps it where *settings* say. What can't be anchored is said, once.

    When the last one was made the stream tells (`chain.anchored`), so that an Obra that runs for seconds at a time
    anchors as often as one that stays.
    """

    def __init__(self, sink: Sink, settings: AnchorSettings, home: Home) -> None:
        """Remember what to do; nothing is signed before `run`."""
        self._sink, self._settings, self._home = sink, settings, home
        self._problem = ""

    async def run(self, bus: Bus) -> None:
        """Anchor until cancelled; return at once where nothing is to be anchored."""
        while self._settings.to:
            try:
                await asyncio.sleep(await self._rest_s(bus))
                if not await self._anchored(bus):
                    await asyncio.sleep(self._settings.every_s)
                self._problem = ""
            except ObraError as error:
                await self._lacking(bus, str(error))
                await asyncio.sleep(min(self._settings.every_s, AGAIN_S) * random.uniform(0.5, 1.0))

    async def _rest_s(self, bus: Bus) -> float:
        """Return how long it is until the next one is due."""
        made = [r.envelope.at for r in (await bus.past(PLATFORM)).events if isinstance(r.event, ChainAnchored)]
        due = made[-1] + timedelta(seconds=self._settings.every_s) if made else now()
        return max(0.0, (due - now()).total_seconds())

    async def _anchored(self, bus: Bus) -> bool:
        """Anchor the head, unless nothing has happened since that was done; return whether it was."""
        await self._sink.caught_up(await bus.last_position(), CATCH_UP_S)
        async with self._sink.reader() as db:
            query = "SELECT position, hash, type FROM event ORDER BY position DESC LIMIT 1"
            head = await asyncio.to_thread(db.execute(query).fetchone)
        if head is None or head[2] == name(ChainAnchored):
            return False
        settings, position = self._settings, int(head[0])
        made = await asyncio.to_thread(signed, self._home, position, bytes(head[1]), datetime.now(UTC))
        where = await asyncio.to_thread(keep, made.line(), settings.to, Path(settings.repo))
        event = ChainAnchored(position=position, hash=made.hash, to=where, key=made.key)
        await bus.append([fresh(PLATFORM, event, NAME)])
        log.info("anchored", position=position, to=where)
        return True

    async def _lacking(self, bus: Bus, problem: str) -> None:
        log.warning("the chain could not be anchored", error=problem)
        if problem == self._problem:
            return
        event = ServiceDegraded(
            service=NAME, lacking="anchor", reason=redact(problem)[:2_000],
            effect="a rewritten end of the store would not be found out",
        )  # fmt: skip
        with contextlib.suppress(ObraError):  # NATS may be what is away: it is said as soon as that is back
            await bus.append([fresh(PLATFORM, event, NAME)])
            self._problem = problem
