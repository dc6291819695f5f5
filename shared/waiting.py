"""What waits for a person in a scope, and who spoke last: folded from events, like everything.

The view `inbox` of the store says the same in SQL (`shared/store/sql/129_inbox.sql`); a property test holds the two
equal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    DecisionMade,
    DecisionOverridden,
    Event,
    GoalCompleted,
    GoalFailed,
    PlanDrafted,
    ProjectPaused,
    ProjectResumed,
    QuestionAnswered,
    QuestionAsked,
    Severity,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskRejected,
    TaskRolledBack,
)
from obra.shared.envelope import Recorded
from obra.shared.history import standing

ENDS = (TaskCompleted, TaskFailed, TaskCancelled, TaskRejected, GoalCompleted, GoalFailed)
OF_PLANS = ("plan_needed", "plan_review")
"""Breakpoints that another draft of the plan settles."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits. ``id`` is that of the event that began it, ``name`` the breakpoint's or the question's."""

    id: str
    position: int
    since: datetime
    kind: Literal["breakpoint", "question", "rollback", "pause"]
    name: str
    severity: Severity = "warning"
    reasons: tuple[str, ...] = ()
    question: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said, in words that follow *it was resolved*."""

    said: str
    at: datetime


def waiting(past: Sequence[Recorded]) -> tuple[Item, ...]:
    """Return what is open at the end of *past*, all events of one scope, oldest first."""
    items: tuple[Item, ...] = ()
    for recorded in standing(past):
        event = recorded.event
        if isinstance(event, ENDS):
            return ()
        if isinstance(event, TaskRolledBack):
            items = ()
        items = tuple(item for item in items if not _settles(event, item))
        if (item := _begun(recorded)) is not None:
            items = (*items, item)
    return items


def stopped(past: Sequence[Recorded]) -> tuple[Item, ...]:
    """Return the pause that a project is in without anybody's word; *past* is what concerns the project as a whole."""
    said = [recorded for recorded in past if isinstance(recorded.event, ProjectPaused | ProjectResumed)]
    if not said or not isinstance(event := said[-1].event, ProjectPaused) or event.by != "planner":
        return ()
    id, at = str(said[-1].envelope.id), said[-1].envelope.at
    return (Item(id, said[-1].position, at, "pause", "project_paused", "critical", (event.reason,)),)


def _begun(recorded: Recorded) -> Item | None:
    event, id, at = recorded.event, str(recorded.envelope.id), recorded.envelope.at
    match event:
        case BreakpointRaised():
            return Item(
                id, recorded.position, at, "breakpoint", event.name, event.severity, event.reasons,
                attempt=event.attempt,
            )  # fmt: skip
        case QuestionAsked(to="person"):
            return Item(
                id, recorded.position, at, "question", event.question, "warning", event.reasons, event.text.text,
                event.attempt,
            )  # fmt: skip
        case TaskRolledBack():
            return Item(
                id, recorded.position, at, "rollback", "rolled_back", "notice",
                (event.reason,) if event.reason else (),
            )  # fmt: skip
        case _:
            return None


def _settles(event: Event, item: Item) -> bool:
    """Return whether *event* means that *item* does not wait any more."""
    match event:
        case BreakpointResolved(breakpoint=which):
            return which in ("", item.id)
        case QuestionAnswered(question=question):
            return item.kind == "question" and item.name == question
        case PlanDrafted():
            return item.name in OF_PLANS
        case DecisionMade():
            return True
        case _:
            return False


def last_word(past: Iterable[Recorded]) -> Word | None:
    """Return what a person, or a model, said last in a scope; None if nobody ever did."""
    said: Word | None = None
    for recorded in past:
        words = _words(recorded.event)
        said = Word(words, recorded.envelope.at) if words else said
    return said


def _words(event: Event) -> str:
    match event:
        case BreakpointResolved():
            verb = {"approve": "approved", "reject": "rejected", "retry": "sent back for another attempt"}
            return f"{verb[event.resolution]} by {event.by or 'somebody'}"
        case QuestionAnswered(usable=True):
            return f"answered by {event.by or 'somebody'}"
        case DecisionOverridden():
            return f"decided ({event.action}) by {event.by or 'somebody'}"
        case TaskCancelled():
            return f"{'taken over' if event.taken_over else 'cancelled'} by {event.by or 'somebody'}"
        case _:
            return ""
