"""What became of scored work: the confidence that each attempt got, beside the label that it got later.

| label | from |
|---|---|
| person | `obra label`; it outranks the others |
| hidden_check | checks that neither agent nor reviewer saw, run on accepted work |
| reverted | the delivered branch was taken back in the user's repository |

Where no person has spoken, one bad label is enough. A label of the task as a whole is one of the accepted attempt, or
where none was accepted, of the last one that was scored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from obra.events import AttemptScored, Event, TaskCompleted, TaskLabelled, TaskRolledBack
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded
from obra.shared.history import standing

KINDS: tuple[type[Event], ...] = (AttemptScored, TaskCompleted, TaskLabelled, TaskRolledBack)
"""All events that outcomes follow from."""


class Outcome(NamedTuple):
    """One attempt: the raw confidence that it was scored with, and whether it was good in the end."""

    raw: float
    good: bool


@dataclass(slots=True)
class Outcomes:
    """The outcomes of all tasks up to ``position``, and the events that they follow from."""

    position: int = 0
    _scopes: dict[Scope, list[Recorded]] = field(default_factory=dict)

    def take(self, recorded: Recorded) -> None:
        """Take in one event, in the order of positions."""
        if isinstance(recorded.event, KINDS):
            self._scopes.setdefault(recorded.envelope.scope, []).append(recorded)
        self.position = max(self.position, recorded.position)

    def all(self) -> list[Outcome]:
        """Return every labelled attempt, tasks in the order in which they came."""
        return [found for past in self._scopes.values() for found in outcomes(r.event for r in standing(past))]


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
