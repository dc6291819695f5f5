"""One goal: from its statement over a plan to its end."""

from collections.abc import Mapping

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
    ``finished`` are the milestones whose tasks are all completed, ``reached`` those of them that were announced, and
    ``unseen`` those of them that a person must look at, each with the id of its breakpoint: None, as long as it is to
    be raised. ``sent_back`` are such that a person wanted tried again, ``stopped`` says who rejected one.
    """

    goal: GoalSubmitted
    draft: PlanDrafted | None = None
    number: int = 0
    asked: int = 0
    rejected: bool = False
    waiting: bool = False
    word: BreakpointResolved | None = None
    plan: tuple[PlannedTask, ...] | None = None
    finished: frozenset[str] = frozenset()
    reached: frozenset[str] = frozenset()
    unseen: Mapping[str, str | None] = msgspec.field(default_factory=dict)
    sent_back: frozenset[str] = frozenset()
    stopped: str = ""
    over: bool = False
    cancelled: bool = False

    @property
    def shut(self) -> bool:
        """Return whether no further task of it may start, for a milestone that is to be looked at, or may be."""
        return not self.over and bool(self.unseen or self.stopped or self.finished - self.reached)


def begun(event: GoalSubmitted) -> Goal:
    """Return the goal that *event* states; a plan that comes with it is its first draft."""
    if not event.plan:
        return Goal(event)
    return Goal(event, draft=PlanDrafted(tasks=event.plan, by="file"), number=1)


def evolve(goal: Goal, event: Event, id: str = "") -> Goal:
    """Take in one event of the goal's own scope, with its *id*. After its end nothing changes any more."""
    match event:
        case _ if goal.over:
            return goal
        case GoalCompleted() | GoalFailed():
            return replace(goal, over=True)
        case TaskCancelled():
            return replace(goal, over=True, cancelled=True)
        case MilestoneReached(milestone=name):
            unseen = {**goal.unseen, name: None} if event.review and name not in goal.reached else goal.unseen
            return replace(goal, reached=goal.reached | {name}, unseen=unseen)
        case _ if goal.plan is None:
            return _planned(goal, event)
        case BreakpointRaised(milestone=name) if name in goal.unseen:
            return replace(goal, unseen={**goal.unseen, name: id})
        case BreakpointResolved():
            return _looked_at(goal, event)
        case _:
            return goal


def _looked_at(goal: Goal, word: BreakpointResolved) -> Goal:
    """Take in a person's word on one milestone, or on all that they were asked about."""
    meant = {name for name, id in goal.unseen.items() if id is not None and word.breakpoint in ("", id)}
    if not meant:
        return goal
    if word.resolution == "retry":
        return replace(goal, unseen={**goal.unseen, **dict.fromkeys(meant)}, sent_back=goal.sent_back | meant)
    left = {name: id for name, id in goal.unseen.items() if name not in meant}
    if word.resolution == "approve":
        return replace(goal, unseen=left)
    note = f": {word.note.text}" if word.note.text else ""
    who = f"{word.by or 'a person'} rejected milestone {' and '.join(sorted(meant))}{note}"
    return replace(goal, unseen=left, stopped=who)


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
