"""A run's view of its task, and the only way it says something: refused once the run is not the one that counts."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Protocol

from obra.events import AgentExited, ChecksRan, Event, WorkspaceCheckpointed, WorkspaceInspected
from obra.events.subjects import name
from obra.services.agent_runner.state import NAME, Key, Run, State, evolve
from obra.shared.envelope import answer
from obra.shared.errors import ObraError, StaleAppend
from obra.shared.history import Undone, standing, turn
from obra.shared.service import Call

RACES_MAX = 50
"""Other services say things about the task meanwhile; each costs one more try."""


class Fenced(ObraError):
    """Run {key} of {scope} is not awaited any more; nothing more is said about it"""


class Append(Protocol):
    """`Call.append` or `Call.append_chain`."""

    async def __call__(self, *events: Event, expected: int) -> int:
        """Store *events* where the past is as *expected*; return the last one's position."""
        ...


class Ledger:
    """The task's past as of ``position``, and its state."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.state = State()
        self.position = 0
        self._ids: set[object] = set()
        self._causes: set[object] = set()

    @property
    def answered(self) -> bool:
        """Return whether this service has answered this very question; others may have, each in its own way."""
        return self.call.recorded.envelope.id in self._causes

    async def load(self, *, fresh: bool = False) -> None:
        """Take in what has happened since: up to the question at least, or *fresh*, up to now.

        Raises `Undone` if the task was rolled back after the question was asked.
        """
        reaching = 0 if fresh else self.call.recorded.position
        past = await self.call.bus.past(self.call.scope, self.position, reaching=reaching)
        if turn(past.events) > self.call.recorded.position:
            raise Undone(position=self.call.recorded.position)
        self.position = past.position
        self.state = reduce(evolve, (recorded.event for recorded in standing(past.events)), self.state)
        self._ids |= {recorded.envelope.id for recorded in past.events}
        self._causes |= {recorded.envelope.cause for recorded in past.events if recorded.envelope.service == NAME}

    async def say(self, *events: Event, key: Key | None = None) -> None:
        """Append *events*, all or none, expecting the past as it is known here.

        If something else was appended meanwhile, look again, and append only if the outcome of run *key* is still
        awaited (without a key: the task, or the end of its rollback) and nobody has said the same thing. `Fenced`
        otherwise.
        """
        await self._say(events, self.call.append, partial(self._check, key))

    async def say_in_turn(self, *events: Event, key: Key) -> None:
        """Append *events* one directly after the other, as `say` does each: faster, and for steps that stand alone."""
        await self._say(events, self.call.append_chain, partial(self._check, key))

    async def say_afterwards(self, event: Event) -> None:
        """Append *event* to a task that is over, unless its hidden checks have spoken, or it was rolled back."""
        await self._say((event,), self.call.append, lambda _: not self.state.labelled)

    async def _say(self, events: Sequence[Event], append: Append, wanted: Callable[[Sequence[Event]], bool]) -> None:
        """Have *append* store *events*, but for those that are stored already, as long as they are *wanted*."""
        for _ in range(RACES_MAX):
            if not events or not wanted(events):
                return
            try:
                self.position = await append(*events, expected=self.position)
            except StaleAppend:
                await self.load(fresh=True)
                events = [event for event in events if not self._said(event)]
            else:
                self.state = reduce(evolve, events, self.state)
                return
        raise StaleAppend(scope=".".join(self.call.scope), expected=self.position)

    def _check(self, key: Key | None, events: Sequence[Event]) -> bool:
        """Return True, or raise `Fenced`."""
        wanted = self.state.wanted(key) if key else self.state.returned or not self.state.over
        if not wanted or (key and any(_taken(self.state.run(key), event) for event in events)):
            raise Fenced(key=key, scope=".".join(self.call.scope))
        return True

    def _said(self, event: Event) -> bool:
        """Return whether this runner's own append arrived after all, only its acknowledgement was lost."""
        return answer(self.call.recorded.envelope, NAME, event).id in self._ids


def _taken(run: Run, event: Event) -> bool:
    """Return whether another runner has already said this about the run."""
    match event:
        case AgentExited():
            return run.exited is not None
        case WorkspaceCheckpointed(interrupted=False):
            return run.checkpoint is not None
        case WorkspaceInspected():
            return run.inspected is not None
        case ChecksRan():
            return run.checks is not None
        case _:
            return name(event) == "attempt.started" and run.started is not None
