"""The service: the sink and, on a real bus, the answers to queries."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from obra.events import ChainAnchored, Event, MessageRejected, PruneRefused, ServiceDegraded, StreamPruned
from obra.services.log_sink import snapshot
from obra.services.log_sink.anchor import Anchorer
from obra.services.log_sink.lost import NAME
from obra.services.log_sink.prune import Pruner
from obra.services.log_sink.query_server import QueryServer
from obra.services.log_sink.sink import Sink
from obra.shared.bus import Bus
from obra.shared.config import Settings
from obra.shared.home import Home
from obra.shared.service import Service

LOG = "events.jsonl"


class LogSink:
    """Follows the whole stream from where the store ends; it needs no durable consumer, so it hears nothing by name."""

    name = NAME
    hears: tuple[type[Event], ...] = ()
    says: tuple[type[Event], ...] = (
        MessageRejected, ServiceDegraded, StreamPruned, PruneRefused, ChainAnchored,
    )  # fmt: skip

    def __init__(self, settings: Settings, home: Home) -> None:
        """Remember where the store lies."""
        self._settings, self._anchor, self._home = settings.store, settings.anchor, home
        self._impersonal = settings.log.redact_personal

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`. Raises `StoreLocked` where another process has the store."""
        log = self._home.logs / LOG
        sink = Sink(self._home.store, log, self._settings.batch_max, impersonal=self._impersonal)
        nc = getattr(bus, "nc", None)
        if nc is None:  # the bus in memory: whoever has it reads the store by other means
            await sink.run(bus, stop)
            return
        snapshot.forget(self._home.run)
        async with QueryServer(nc, sink, self._settings, self._home.run).answering():
            beside = (Pruner(sink).run(bus), Anchorer(sink, self._anchor, self._home).run(bus))
            await accompanied(sink.run(bus, stop), *beside)
        if sink.whole:
            self._home.unsettled.unlink(missing_ok=True)


async def accompanied(work: Coroutine[Any, Any, None], *beside: Coroutine[Any, Any, None]) -> None:
    """Do *work*, and what stands *beside* it for as long; what one of them raises ends all, and is raised."""
    working = asyncio.create_task(work)
    tasks = {working, *(asyncio.create_task(each) for each in beside)}
    try:
        going = tasks
        while not working.done():
            ended, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def service(settings: Settings, home: Home) -> Service:
    """Return the service; its store and log lie in *home*."""
    return LogSink(settings, home)
