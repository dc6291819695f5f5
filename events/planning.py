"""Events of goals, plans, milestones and projects."""

from typing import Annotated

from msgspec import Meta

from obra.events.base import Content, Event, Value


class PlannedTask(Value):
    """One task of a plan."""

    task: str
    text: str
    after: tuple[str, ...] = ()
    acceptance: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    complexity: Annotated[int, Meta(ge=0, le=100)] = 0
    milestone: str = ""


class GoalSubmitted(Event, tag="goal.submitted"):
    """Somebody states an outcome that takes several tasks."""

    text: str
    repo: str


class PlanRequested(Event, tag="plan.requested"):
    """A plan is wanted from the LLM."""

    goal: Content
    problems: Annotated[tuple[str, ...], Meta(description="why the draft before was rejected")] = ()
    draft: int = 1


class PlanDrafted(Event, tag="plan.drafted"):
    """The LLM, or a file, proposes tasks."""

    tasks: tuple[PlannedTask, ...]
    draft: int = 1


class PlanAccepted(Event, tag="plan.accepted"):
    """The plan is sound and its tasks may be submitted."""

    tasks: tuple[PlannedTask, ...]


class PlanRejected(Event, tag="plan.rejected"):
    """The plan can't be used."""

    reasons: tuple[str, ...]
    draft: int = 1


class MilestoneReached(Event, tag="milestone.reached"):
    """All tasks of a milestone are completed."""

    milestone: str
    tasks: tuple[str, ...] = ()
    review: Annotated[bool, Meta(description="the policy wants a person to look before work goes on")] = False


class ProjectPaused(Event, tag="project.paused"):
    """No further attempt starts in the project."""

    reason: str = ""


class ProjectResumed(Event, tag="project.resumed"):
    """Attempts may start again."""
