"""One goal: from its statement over a plan to its end."""

import msgspec
from msgspec.structs import replace

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Event,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    MilestoneReached,
    PlanAccepted,
    PlanDrafted,
    PlannedTask,
    PlanRejected,
    PlanRequested,
    TaskCancelled,
)


class Goal(msgspec.Struct, frozen=True):
    """A goal so far.

    ``draft`` is the newest proposal that was not dealt with, ``number`` that of the newest that was asked for or made,
    ``asked`` how many the LLM was asked for since a person last spoke. ``rejected`` says that the draft was found
    wanting; ``waiting`` that a person is needed, and ``word`` is what they said. ``plan`` holds once accepted.
    """

    goal: GoalSubmitted
    draft: PlanDrafted | None = None
    number: int = 0
    asked: int = 0
    rejected: bool = False
    waiting: bool = False
    word: BreakpointResolved | None = None
    plan: tuple[PlannedTask, ...] | None = None
    reached: frozenset[str] = frozenset()
    over: bool = False
    cancelled: bool = False


def begun(event: GoalSubmitted) -> Goal:
    """Return the goal that *event* states; a plan that comes with it is its first draft."""
    if not event.plan:
        return Goal(event)
    return Goal(event, draft=PlanDrafted(tasks=event.plan, by="file"), number=1)


def evolve(goal: Goal, event: Event) -> Goal:
    """Take in one event of the goal's own scope. After its end nothing changes any more."""
    match event:
        case _ if goal.over:
            return goal
        case GoalCompleted() | GoalFailed():
            return replace(goal, over=True)
        case TaskCancelled():
            return replace(goal, over=True, cancelled=True)
        case MilestoneReached():
            return replace(goal, reached=goal.reached | {event.milestone})
        case _ if goal.plan is None:
            return _planned(goal, event)
        case _:
            return goal


def _planned(goal: Goal, event: Event) -> Goal:
    """Take in one event on the way to a plan."""
    match event:
        case PlanAccepted():
            return replace(goal, plan=event.tasks, draft=None, waiting=False, word=None)
        case PlanRequested():
            return replace(
                goal, number=max(goal.number, event.draft), asked=goal.asked + 1, draft=None, rejected=False, word=None,
                waiting=False,
            )  # fmt: skip
        case PlanDrafted():
            return replace(goal, draft=event, number=max(goal.number, event.draft), rejected=False, waiting=False)
        case PlanRejected():
            return replace(goal, rejected=True)
        case BreakpointRaised():
            return replace(goal, waiting=True, word=None)
        case BreakpointResolved() if goal.waiting:
            return replace(goal, waiting=False, word=event, asked=0)
        case _:
            return goal
