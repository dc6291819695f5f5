"""The effective history of a task: what still counts of its past once rollbacks are taken into account.

A `task.rolled_back` returns its task to the state at position ``to``. So the events between ``to`` and the rollback
are undone, and before ``to`` everything counts that counted there: a rollback that is undone itself undoes nothing.
The view `history` of the store says the same in SQL (`shared/store/sql/020_history.sql`); a property test holds the
two equal.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from obra.events import AgentExited, Event, TaskRolledBack, Tokens
from obra.shared.envelope import Recorded
from obra.shared.errors import ObraError


class Undone(ObraError):
    """A rollback came after the event at position {position}; nothing follows from it any more"""


class Span(NamedTuple):
    """Positions that are undone: those above ``low`` and below ``high``."""

    low: int
    high: int


def turn(past: Iterable[Recorded]) -> int:
    """Return the position of the newest rollback in *past*, 0 if there is none.

    What was folded before it must be folded anew. And nothing that came before it is answered any more, not even
    what still counts: the task rests, and goes on with what a person says.
    """
    return max((recorded.position for recorded in past if isinstance(recorded.event, TaskRolledBack)), default=0)


class Placed(Protocol):
    """An event and its place in the stream: a `Recorded`, or what somebody keeps of one."""

    @property
    def position(self) -> int:
        """Return its place."""
        ...

    @property
    def event(self) -> Event:
        """Return the event."""
        ...


def undone(past: Sequence[Placed]) -> tuple[Span, ...]:
    """Return which positions of *past*, all events of one scope in order, are undone at its end."""
    spans: list[Span] = []
    for recorded in reversed(past):
        event = recorded.event
        if isinstance(event, TaskRolledBack) and event.to < recorded.position and counts(recorded.position, spans):
            spans.append(Span(event.to, recorded.position))
    return tuple(spans)


def counts(position: int, spans: Iterable[Span]) -> bool:
    """Return whether *position* lies in none of *spans*."""
    return not any(low < position < high for low, high in spans)


def standing(past: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """Return the events of *past*, all of one scope in order, that count at its end.

    Each rollback among them tells what can't be undone: attempts given out, money and tokens spent until then. To
    know that, it takes the whole past: don't apply it to what has come out of it.
    """
    if not turn(past):
        return tuple(past)
    spans = undone(past)
    return tuple(recorded for recorded in _told(past) if counts(recorded.position, spans))


def until(past: Iterable[Recorded], position: int) -> tuple[Recorded, ...]:
    """Return what there was of *past*, undone or not, when the stream had come to *position*."""
    return tuple(recorded for recorded in past if recorded.position <= position)


def _told(past: Iterable[Recorded]) -> Iterable[Recorded]:
    """Yield *past* with its rollbacks filled in."""
    attempts, cost_usd, tokens = 0, 0.0, Tokens()
    for recorded in past:
        event = recorded.event
        attempts = max(attempts, getattr(event, "attempt", 0))
        if isinstance(event, AgentExited):
            cost_usd, tokens = round(cost_usd + event.cost_usd, 6), tokens + event.tokens
        if isinstance(event, TaskRolledBack):
            full = msgspec.structs.replace(event, attempts=attempts, cost_usd=cost_usd, tokens=tokens)
            envelope = msgspec.structs.replace(recorded.envelope, event=full)
            yield Recorded(recorded.position, envelope)
        else:
            yield recorded
