"""Hears, while agents run, what should stop them: one reader of the stream for all runs of this process."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from obra.events import (
    AttemptCancelled,
    AttemptInterrupted,
    AttemptStarted,
    Event,
    TaskCancelled,
    TaskFailed,
    TaskRolledBack,
)
from obra.events.subjects import Scope, heard
from obra.services.agent_runner.state import Key
from obra.shared.bus import Bus

STOPPING: tuple[type[Event], ...] = (
    AttemptCancelled, AttemptInterrupted, AttemptStarted, TaskCancelled, TaskFailed, TaskRolledBack,
)  # fmt: skip


@dataclass(eq=False, slots=True)
class Signals:
    """What one run is told: ``cancel``, a person wants it stopped; ``gone``, its outcome is not awaited any more."""

    scope: Scope
    key: Key
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, event: Event) -> None:
        """Take in an event of the run's task."""
        match event:
            case AttemptCancelled() if event.attempt == self.key[0]:
                self.cancel.set()
            case AttemptStarted() if (event.attempt, event.run) > self.key:
                self.gone.set()
            case AttemptInterrupted() if (event.attempt, event.run) == self.key:
                self.gone.set()
            case TaskCancelled() | TaskFailed() | TaskRolledBack():
                self.gone.set()


class Watch:
    """Passes what stops runs on to those that it concerns."""

    def __init__(self) -> None:
        self._listening: set[Signals] = set()

    @contextlib.contextmanager
    def over(self, scope: Scope, key: Key) -> Iterator[Signals]:
        """Listen for one run. What happened before must be read from the past, after this began."""
        signals = Signals(scope, key)
        self._listening.add(signals)
        try:
            yield signals
        finally:
            self._listening.discard(signals)

    async def follow(self, bus: Bus, after: int) -> None:
        """Listen to the stream from position *after* on, until cancelled."""
        async for raw in bus.follow(after, heard(STOPPING)):
            if raw.envelope is not None:
                for signals in tuple(self._listening):
                    if signals.scope == raw.envelope.scope:
                        signals.tell(raw.envelope.event)
