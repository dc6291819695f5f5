"""What became of a task, as far as it is known: attempts, money, decisions, and whether the work was good."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from obra.events import (
    AgentExited,
    AttemptFinished,
    BreakpointResolved,
    DecisionMade,
    Event,
    TaskCompleted,
    TaskLabelled,
    TaskReadied,
)


class Known(msgspec.Struct, frozen=True):
    """One task's outcome. ``costs`` in USD by attempt; ``good`` by attempt, where ground truth has arrived.

    A person's approval of what was escalated counts as ground truth for that attempt unless a label says otherwise.
    """

    readied: bool = False
    attempts: int = 0
    costs: dict[int, float] = msgspec.field(default_factory=dict)
    good: dict[int, bool] = msgspec.field(default_factory=dict)
    approved: frozenset[int] = frozenset()
    accepted: int = 0
    escalated: frozenset[int] = frozenset()
    newest: int = 0

    @property
    def cost_usd(self) -> float:
        """Return what all attempts have cost."""
        return sum(self.costs.values())

    def cost_after(self, attempt: int) -> float:
        """Return what the attempts after *attempt* have cost."""
        return sum(cost for number, cost in self.costs.items() if number > attempt)

    def truth(self, attempt: int) -> bool | None:
        """Return whether the work of *attempt* was good; None where nobody knows."""
        if attempt in self.good:
            return self.good[attempt]
        return True if attempt in self.approved else None


def known(past: Iterable[Event]) -> Known:
    """Return what *past* tells of a task's outcome."""
    found = Known()
    for event in past:
        found = _take(found, event)
    return found


def _take(known: Known, event: Event) -> Known:
    match event:
        case TaskReadied():
            return replace(known, readied=True)
        case AgentExited(attempt=attempt, cost_usd=cost):
            return replace(known, costs={**known.costs, attempt: known.costs.get(attempt, 0.0) + cost})
        case AttemptFinished(attempt=attempt):
            return replace(known, attempts=max(known.attempts, attempt))
        case DecisionMade(action="escalate", attempt=attempt):
            return replace(known, escalated=known.escalated | {attempt}, newest=attempt)
        case DecisionMade(attempt=attempt):
            return replace(known, newest=attempt)
        case BreakpointResolved(resolution="approve"):
            return replace(known, approved=known.approved | {known.newest})
        case TaskCompleted(attempt=attempt):
            return replace(known, accepted=attempt)
        case TaskLabelled(good=good, attempt=attempt):
            return replace(known, good={**known.good, attempt or known.accepted or known.newest: good})
        case _:
            return known
