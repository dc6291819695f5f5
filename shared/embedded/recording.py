"""The home's server and log-sink with nobody else: what has happened is stored, and nothing goes on meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from obra.shared.archive.whole import check_whole
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.config import Settings
from obra.shared.embedded.alone import STOP_S
from obra.shared.embedded.private import private
from obra.shared.home import Home
from obra.shared.log import setup
from obra.shared.services import make
from obra.shared.store.patience import patiently

LOG = "host.log"


@contextlib.asynccontextmanager
async def still(home: Home, settings: Settings) -> AsyncIterator[JetStreamBus]:
    """Yield an administrator's bus on the stream of *home*, which is whole, while no service runs and none can start.

    Raises `HostRuns` where an Obra runs on *home*, and where it is not whole what `check_whole` raises.
    """
    async with private(home, settings) as bus:
        await check_whole(bus, home)
        yield bus


@contextlib.asynccontextmanager
async def recording(home: Home, settings: Settings) -> AsyncIterator[JetStreamBus]:
    """Yield an administrator's bus on the stream of *home*, with a log-sink that has taken in all that was there.

    No other service runs, and none can start: no agent works because somebody looks. Raises as `still` does, and
    where log-sink ends before it has them all, what it ended with.
    """
    setup(settings.log.level, home.logs / LOG)
    async with still(home, settings) as bus:
        sink, stop = make("log-sink", settings, home), asyncio.Event()
        storing = asyncio.create_task(sink.run(bus, stop))
        asked = patiently(bus, lambda store, position: store.run("SELECT 1", wait_position=position))
        taken_in = asyncio.create_task(asked)
        try:
            await asyncio.wait({taken_in, storing}, return_when=asyncio.FIRST_COMPLETED)
            if storing.done():
                storing.result()
            await taken_in
            home.unsettled.touch()
            yield bus
        finally:
            taken_in.cancel()
            stop.set()
            await asyncio.wait({storing}, timeout=STOP_S)
            storing.cancel()
            await asyncio.gather(storing, taken_in, return_exceptions=True)


async def take_in(home: Home, settings: Settings) -> None:
    """Bring the store of *home* up to date with its stream. Raises as `recording` does."""
    async with recording(home, settings):
        pass
