"""What became of scored work: the confidence that each attempt got, beside the label that it got later.

| label | from |
|---|---|
| person | `obra label`; it outranks the others |
| hidden_check | checks that neither agent nor reviewer saw, run on accepted work |
| reverted | the delivered branch was taken back in the user's repository |

Where no person has spoken, one bad label is enough. A label of the task as a whole is one of the accepted attempt, or
where none was accepted, of the last one that was scored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from obra.events import AttemptScored, Content, Event, TaskCompleted, TaskLabelled, TaskRolledBack
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded
from obra.shared.history import counts, undone

KINDS: tuple[type[Event], ...] = (AttemptScored, TaskCompleted, TaskLabelled, TaskRolledBack)
"""All events that outcomes follow from."""


class Outcome(NamedTuple):
    """One attempt: the raw confidence that it was scored with, and whether it was good in the end."""

    raw: float
    good: bool


class Said(NamedTuple):
    """An event with its place in the stream, and no more of either than is needed: they are kept for ever."""

    position: int
    event: Event


@dataclass(slots=True)
class Outcomes:
    """The outcomes of all tasks up to ``position``, and what they follow from."""

    position: int = 0
    _scopes: dict[Scope, tuple[Said, ...]] = field(default_factory=dict)

    def take(self, recorded: Recorded) -> None:
        """Take in one event, in the order of positions."""
        if isinstance(recorded.event, KINDS):
            scope = recorded.envelope.scope
            said = Said(recorded.position, _needed(recorded.event))
            self._scopes[scope] = (*self._scopes.get(scope, ()), said)
        self.position = max(self.position, recorded.position)

    def all(self) -> list[Outcome]:
        """Return every labelled attempt, tasks in the order in which they came."""
        labelled = (past for past in self._scopes.values() if any(isinstance(s.event, TaskLabelled) for s in past))
        return [found for past in labelled for found in outcomes(_counting(past))]


def _needed(event: Event) -> Event:
    """Return *event* without what no outcome follows from."""
    match event:
        case AttemptScored():
            raw = event.confidence if event.confidence_raw is None else event.confidence_raw
            return AttemptScored(attempt=event.attempt, run=event.run, quality=0.0, confidence=raw)
        case TaskCompleted():
            return TaskCompleted(attempt=event.attempt, branch="", commit="")
        case TaskLabelled():
            return replace(event, note=Content())
        case _:
            return event


def _counting(past: Sequence[Said]) -> Iterator[Event]:
    spans = undone(past)
    return (said.event for said in past if counts(said.position, spans))


def outcomes(past: Iterable[Event]) -> list[Outcome]:
    """Return the labelled attempts of one task, the first one first."""
    scores: dict[int, float] = {}
    labels: list[TaskLabelled] = []
    accepted = 0
    for event in past:
        match event:
            case AttemptScored():
                scores[event.attempt] = event.confidence if event.confidence_raw is None else event.confidence_raw
            case TaskCompleted():
                accepted = event.attempt
            case TaskLabelled():
                labels.append(event)
    said: dict[int, dict[str, bool]] = {}
    for label in labels:
        attempt = label.attempt or accepted or max(scores, default=0)
        said.setdefault(attempt, {})[label.source] = label.good
    return [Outcome(scores[attempt], truth(said[attempt])) for attempt in sorted(said) if attempt in scores]


def truth(said: Mapping[str, bool]) -> bool:
    """Return what labels by source add up to."""
    return said["person"] if "person" in said else all(said.values())
