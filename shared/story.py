"""The story of a task: what people see of it, folded from its events.

Which event leads to which status:

| status | after |
|---|---|
| submitted | task.submitted, goal.submitted |
| queued | task.held: it starts by itself, as soon as what it waits for is there |
| ready | task.readied, until the first attempt.requested |
| running | attempt.requested, and while Obra waits for the provider (decision.made with wait, retry or checkpoint) |
| checking | agent.exited |
| reviewing | attempt.finished |
| waiting | breakpoint.raised, question.asked to a person: one is needed |
| rolled_back | task.rolled_back: it rests until a person says how it goes on |
| completed, failed, cancelled, rejected | the event of that name; the first one holds |

A goal has a story too: it is submitted, which the view `goal` calls planning, until its plan is accepted, running from
then on, waiting while a person is needed for either, and ends with goal.completed, goal.failed or task.cancelled.

What a rollback undid is no part of the story, but for its cost: `fold` passes over it.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Literal

import msgspec
from msgspec.structs import replace

from obra.events import (
    OVERRIDES,
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptReviewed,
    AttemptScored,
    AttemptStarted,
    BranchDelivered,
    BreakpointRaised,
    BreakpointResolved,
    ChecksRan,
    ClaimContradicted,
    DecisionMade,
    DecisionOverridden,
    Event,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    LlmSelected,
    PlanAccepted,
    PlanDrafted,
    QuestionAnswered,
    QuestionAsked,
    ServiceDegraded,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskHeld,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    Tokens,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.events.task import TaskEnd
from obra.shared.chapter import Chapter, told
from obra.shared.envelope import Recorded
from obra.shared.history import standing

Status = Literal[
    "submitted", "queued", "ready", "running", "checking", "reviewing", "waiting", "rolled_back",
    "completed", "failed", "cancelled", "rejected",
]  # fmt: skip
OVER: frozenset[str] = frozenset({"completed", "failed", "cancelled", "rejected"})
RESTING: frozenset[str] = frozenset({"waiting", "rolled_back"})
"""It goes on once a person has spoken."""


class Story(msgspec.Struct, frozen=True):
    """One task so far.

    ``attempts`` is the highest attempt that was started; money and tokens are of all runs. ``question`` is the one
    that it waits with, if it does. ``position`` is that of the newest event told, times are ISO 8601 in UTC, and
    ``degraded`` says in whole sentences what was lacking. ``goal``: it is one; ``planned``: with an accepted plan.
    """

    project: str = ""
    task: str = ""
    status: Status = "submitted"
    text: str = ""
    repo: str = ""
    chapters: tuple[Chapter, ...] = ()
    attempts: int = 0
    decision: str = ""
    reasons: tuple[str, ...] = ()
    quality: float = 0.0
    confidence: float = 0.0
    branch: str = ""
    commit: str = ""
    cost_usd: float = 0.0
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    agent: str = ""
    llm: str = ""
    sandbox: str = ""
    question: str = ""
    degraded: tuple[str, ...] = ()
    submitted_at: str = ""
    ended_at: str = ""
    position: int = 0
    goal: bool = False
    planned: bool = False

    @property
    def over(self) -> bool:
        """Return whether the task has ended."""
        return self.status in OVER

    @property
    def resting(self) -> bool:
        """Return whether the task goes on once a person has spoken."""
        return self.status in RESTING

    @property
    def checks(self) -> tuple[tuple[str, int], ...]:
        """Return command and exit code of each check of the last attempt."""
        return self.chapters[-1].checks if self.chapters else ()


OfAttempt = (
    AttemptRequested
    | AttemptStarted
    | AgentExited
    | WorkspaceCheckpointed
    | WorkspaceInspected
    | ChecksRan
    | AttemptFinished
    | AttemptInterrupted
    | AttemptReviewed
    | AttemptScored
    | ClaimContradicted
)


def evolve_story(story: Story, recorded: Recorded) -> Story:
    """Take in one event with the time at which it was appended."""
    envelope, event = recorded.envelope, recorded.event
    at = envelope.at.isoformat()
    story = replace(
        story, project=envelope.project, task=envelope.task, position=max(story.position, recorded.position)
    )
    match event:
        case TaskSubmitted() if story.goal or not story.submitted_at:
            return replace(story, text=event.text, repo=event.repo, agent=event.agent, submitted_at=at, goal=False)
        case GoalSubmitted() | PlanDrafted() | PlanAccepted() | GoalCompleted() | GoalFailed():
            return _of_goal(story, event, at)
        case TaskCompleted() | TaskFailed() | TaskCancelled() | TaskRejected() if not story.over:
            return _ended(replace(story, ended_at=at), event)
        case DecisionMade():
            return _decided(story, event, at)
        case TaskRolledBack():
            return _returned(story, event)
        case _ if isinstance(event, OfAttempt):
            return _of_attempt(story, event, at)
        case _:
            return _around(story, event)


def fold(past: Iterable[Recorded], story: Story | None = None) -> Story:
    """Return what *past* adds up to: from the beginning what counts of it, or all of it from *story* on.

    A story can't go on over a rollback, which takes back what was told: tell it from the beginning again.
    """
    return reduce(evolve_story, past, story) if story else reduce(evolve_story, standing(tuple(past)), Story())


def _as(story: Story, status: Status) -> Story:
    return story if story.over else replace(story, status=status)


def _goes_on(story: Story) -> Story:
    """Return the story with nobody waited for: a goal without a plan is planned still, or again."""
    return _as(story, "submitted" if story.goal and not story.planned else "running")


def _ended(story: Story, event: TaskEnd) -> Story:
    match event:
        case TaskCompleted():
            return replace(
                story, status="completed", branch=event.branch, commit=event.commit,
                quality=event.quality, confidence=event.confidence,
            )  # fmt: skip
        case TaskFailed():
            return replace(story, status="failed", reasons=event.reasons)
        case TaskCancelled():
            why = event.reason or (f"cancelled by {event.by}" if event.by else "")
            return replace(story, status="cancelled", reasons=(why,) if why else ())
        case TaskRejected():
            return replace(story, status="rejected", reasons=event.reasons)


def _of_goal(story: Story, event: Event, at: str) -> Story:
    match event:
        case GoalSubmitted() if not story.submitted_at:
            return replace(story, text=event.text, repo=event.repo, agent=event.agent, submitted_at=at, goal=True)
        case PlanDrafted() if story.goal:
            return _goes_on(story)
        case PlanAccepted() if story.goal:
            return _goes_on(replace(story, planned=True))
        case GoalCompleted() if story.goal and not story.over:
            return replace(story, status="completed", ended_at=at, reasons=())
        case GoalFailed() if story.goal and not story.over:
            return replace(story, status="failed", ended_at=at, reasons=event.reasons)
        case _:
            return story


def _returned(story: Story, event: TaskRolledBack) -> Story:
    """Take in a rollback. What was undone is not here any more; what it has cost is."""
    story = replace(story, cost_usd=event.cost_usd, tokens=event.tokens)
    reasons = (event.reason,) if event.reason else ()
    return story if story.over else replace(story, status="rolled_back", reasons=reasons)


def _around(story: Story, event: Event) -> Story:
    """Take in what belongs to no attempt."""
    match event:
        case TaskReadied():
            return story if story.over else replace(story, status="ready", reasons=())
        case TaskHeld(reason=reason):
            return story if story.over else replace(story, status="queued", reasons=(reason,) if reason else ())
        case LlmSelected(provider=provider, model=model):
            return replace(story, llm="none" if provider == "none" else f"{provider}/{model}")
        case ServiceDegraded():
            said = f"{event.lacking}: {event.reason}" + (f"; {event.effect}" if event.effect else "")
            return replace(story, degraded=(*story.degraded, said))
        case BranchDelivered() if not story.over:
            return replace(story, branch=event.branch, commit=event.commit)
        case BreakpointRaised(reasons=reasons):
            return story if story.over else replace(story, status="waiting", reasons=reasons)
        case QuestionAsked(to="person") if not story.over:
            reasons = event.reasons or story.reasons
            return replace(story, status="waiting", reasons=reasons, question=event.text.text)
        case BreakpointResolved() | QuestionAnswered() | DecisionOverridden():
            if isinstance(event, DecisionOverridden) and event.action not in OVERRIDES:
                return story
            return replace(_goes_on(story), question="") if story.resting else story
        case _:
            return story


def _decided(story: Story, event: DecisionMade, at: str) -> Story:
    story = replace(story, decision=event.action, reasons=event.reasons, chapters=told(story.chapters, event, at))
    match event.action:
        case "retry" | "checkpoint" | "wait":
            return _as(story, "running")
        case "proceed" | "stop":
            return _as(story, "reviewing")
        case _:
            return story


def _of_attempt(story: Story, event: Event, at: str) -> Story:
    story = replace(story, chapters=told(story.chapters, event, at))
    match event:
        case AttemptRequested():
            return _as(story, "running")
        case AttemptStarted():
            started = replace(story, attempts=max(story.attempts, event.attempt), sandbox=event.sandbox)
            return _as(started, "running")
        case AgentExited():
            spent = round(story.cost_usd + event.cost_usd, 6)
            return _as(replace(story, cost_usd=spent, tokens=story.tokens + event.tokens), "checking")
        case AttemptFinished():
            return _as(story, "reviewing")
        case AttemptScored() if not story.over:
            return replace(story, quality=event.quality, confidence=event.confidence)
        case _:
            return story
