"""Given these events, when this one happens, then exactly those follow."""

from dataclasses import dataclass
from typing import Any, Generic

from obra.events import Event
from obra.shared.decider import Decider, State


@dataclass(frozen=True)
class When:
    events: tuple[Event, ...]

    def then(self, *expected: Event) -> None:
        assert self.events == expected

    def then_nothing(self) -> None:
        self.then()

    @property
    def only(self) -> Any:
        (event,) = self.events
        return event


@dataclass(frozen=True)
class Given(Generic[State]):
    decider: Decider[State]
    past: tuple[Event, ...]

    def when(self, event: Event) -> When:
        """Return what the decider answers; asked again after its own answers, it must have nothing to add."""
        answers = tuple(self.decider.decide(self.decider.fold((*self.past, event)), event))
        assert not self.decider.decide(self.decider.fold((*self.past, event, *answers)), event)
        assert all(type(answer) in self.decider.says for answer in answers)
        assert not answers or type(event) in self.decider.hears
        return When(answers)


def given(decider: Decider[State], *past: Event) -> Given[State]:
    return Given(decider, past)
