"""The shape of every decision in the system."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

from obra.events import Event

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Decider(Generic[State]):
    """Two pure functions over one task's past.

    ``evolve`` takes in one event; ``decide`` says what must happen next. Neither reads a clock, draws a number,
    logs or awaits. ``decide`` looks at the state *after* the event it answers, so answering twice adds nothing.
    ``hears`` are the events that it is asked about, ``says`` all that it may answer.
    """

    name: str
    initial: State
    hears: tuple[type[Event], ...]
    says: tuple[type[Event], ...]
    evolve: Callable[[State, Event], State]
    decide: Callable[[State, Event], Sequence[Event]]

    def fold(self, past: Iterable[Event], state: State | None = None) -> State:
        """Return what *past* adds up to, from the beginning or from *state* on."""
        return reduce(self.evolve, past, self.initial if state is None else state)
