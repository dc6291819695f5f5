"""What a service is, and the shell around those that think."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from obra.events import Event
from obra.shared.bus import Bus


class Service(Protocol):
    """One of the seven. ``hears`` and ``says`` become its permissions on the bus."""

    @property
    def name(self) -> str:
        """Return its name, with dashes: `agent-runner`."""
        ...

    @property
    def hears(self) -> tuple[type[Event], ...]:
        """Return the events it is asked about."""
        ...

    @property
    def says(self) -> tuple[type[Event], ...]:
        """Return all it may publish."""
        ...

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Work until *stop* is set, then finish or return what is in hand and come back."""
