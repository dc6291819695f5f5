"""Who is there: the running Obra, else the home's files and its stream, with nothing at work on them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

from obra.services.console.options import Place
from obra.shared.client import Orchestrator
from obra.shared.doctor import host_lock_held
from obra.shared.edge import Client
from obra.shared.embedded.alone import HostRuns
from obra.shared.embedded.join import NotRunning
from obra.shared.errors import EnvironmentLacks

if TYPE_CHECKING:
    from obra.shared.bus.jetstream import JetStreamBus

TRIES, PAUSE_S = 400, 0.05
Found = TypeVar("Found")


@contextlib.asynccontextmanager
async def whoever(
    place: Place, at_rest: Callable[[], AbstractAsyncContextManager[Found]]
) -> AsyncIterator[Orchestrator | Found]:
    """Open the running Obra; else, once the last one has let go of the home, what *at_rest* opens."""
    async with contextlib.AsyncExitStack() as stack:
        yield await _entered(place, stack, at_rest)


async def _entered(
    place: Place, stack: contextlib.AsyncExitStack, at_rest: Callable[[], AbstractAsyncContextManager[Found]]
) -> Orchestrator | Found:
    for _ in range(TRIES):
        with contextlib.suppress(NotRunning):
            return await stack.enter_async_context(place.obra(start=False))
        if not host_lock_held(place.home):
            with contextlib.suppress(HostRuns):
                return await stack.enter_async_context(at_rest())
        await asyncio.sleep(PAUSE_S)  # one is starting or stopping
    raise EnvironmentLacks(problem=f"an Obra on {place.home.root} neither starts nor stops; `obra doctor` may know")


@contextlib.asynccontextmanager
async def stream_of(place: Place, *, stored: bool = False) -> AsyncIterator["JetStreamBus"]:
    """Open the stream: through the running Obra, else on its server alone, with log-sink where *stored* is asked for.

    Nothing else runs then, so that no work goes on because somebody looks.
    """
    from obra.shared.embedded.recording import recording, still  # noqa: PLC0415 - nats-py

    alone = recording if stored else still
    async with whoever(place, lambda: alone(place.home, place.settings)) as found:
        yield found.joined.bus if isinstance(found, Orchestrator) else found


@contextlib.asynccontextmanager
async def speaking(place: Place) -> AsyncIterator[Client]:
    """Open an edge for a word that nobody has to act on at once. Where nothing runs, it is stored, and acted on later.

    So `obra project pause` comes before the agents that it is to keep from starting.
    """
    async with stream_of(place, stored=True) as bus:
        yield Client(bus, place.home)
