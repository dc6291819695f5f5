"""The shape of a decision that spans tasks: a process manager, beside the decider that knows one task alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Generic, NamedTuple, TypeVar

from obra.events import Event
from obra.events.subjects import Scope
from obra.shared.decider import Decider

State = TypeVar("State")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Told(NamedTuple):
    """One event of the past: whose it is, what happened, when it was said, its position and its id."""

    scope: Scope
    event: Event
    at: datetime = EPOCH
    position: int = 0
    id: str = ""


Answer = tuple[Scope, Event]
"""An event, and the scope that it is said in."""


@dataclass(frozen=True, slots=True)
class Manager(Generic[State]):
    """Two pure functions over everything that happened, in every scope.

    As with a `Decider`, neither reads a clock, draws a number, logs or awaits, and ``decide`` looks at the state
    *after* the event. Its answers may go to other scopes, so they can't be stored together: the shell stores the
    first, takes it in, and asks again until there is none. So ``decide`` must say, at any point between its answers,
    exactly what is still missing; and it had better be a generator, since only its first answer is looked at.

    ``hears`` are the events that it is asked about, ``says`` all that it may answer, ``follows`` what it takes in
    beside both.
    """

    name: str
    initial: State
    hears: tuple[type[Event], ...]
    says: tuple[type[Event], ...]
    follows: tuple[type[Event], ...]
    evolve: Callable[[State, Told], State]
    decide: Callable[[State, Told], Iterable[Answer]]

    def fold(self, past: Iterable[Told], state: State | None = None) -> State:
        """Return what *past* adds up to, from the beginning or from *state* on."""
        return reduce(self.evolve, past, self.initial if state is None else state)

    def alone(self, scope: Scope) -> Decider[State]:
        """Return the decider that this is where nothing happens but in *scope*."""

        def evolve(state: State, event: Event) -> State:
            return self.evolve(state, Told(scope, event))

        def decide(state: State, event: Event) -> Sequence[Event]:
            return [said for where, said in self.decide(state, Told(scope, event)) if where == scope]

        return Decider(self.name, self.initial, self.hears, self.says, evolve, decide)
