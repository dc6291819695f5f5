"""Asking a log-sink that may only just have been started, or may lag behind."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from obra.shared.store.errors import StoreBehind, StoreSilent
from obra.shared.store.query import RemoteQuery

if TYPE_CHECKING:
    from obra.shared.bus.jetstream import JetStreamBus

LOG_SINK_S = 5.0

Item = TypeVar("Item")


async def patiently(bus: "JetStreamBus", ask: Callable[[RemoteQuery, int], Awaitable[Item]]) -> Item:
    """Return what *ask* returns, given whom to ask and the newest position of the stream.

    It is called again while log-sink is not there yet, and as long as the store comes nearer to that position.
    """
    position = await bus.last_position()
    deadline, reached = time.monotonic() + LOG_SINK_S, -1
    while True:
        try:
            return await ask(RemoteQuery(bus.nc), position)
        except StoreSilent:  # an Obra that was just started may not have got as far
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(random.uniform(0.02, 0.1))
        except StoreBehind as error:  # each try has waited for some seconds already
            if int(str(error.fields["position"])) <= reached:
                raise
            reached = int(str(error.fields["position"]))
