"""Events of goals, plans, milestones and projects, and of tasks that wait their turn."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from obra.events.base import Content, Event, Tokens, Value


class PlannedTask(Value):
    """One task of a plan. In a draft ``task`` is any name; in an accepted plan it is the id it is submitted under."""

    task: str
    text: str
    after: tuple[str, ...] = ()
    acceptance: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    complexity: Annotated[int, Meta(ge=0, le=100)] = 0
    milestone: str = ""
    priority: Annotated[int, Meta(ge=0, le=10, description="0: that of the goal")] = 0
    kind: Annotated[str, Meta(max_length=32)] = ""


class ComplexityPart(Value):
    """One term of an estimate."""

    name: str
    points: float
    because: str = ""


class Complexity(Value):
    """How large a task is, estimated from its words, or as it says itself."""

    total: Annotated[int, Meta(ge=0, le=100)] = 0
    parts: tuple[ComplexityPart, ...] = ()
    advice: Annotated[str, Meta(description="what to do about a task that is too large; empty: it is not")] = ""


class GoalSubmitted(Event, tag="goal.submitted"):
    """Somebody states an outcome that takes several tasks. What is not about the plan holds for each of its tasks."""

    text: str
    repo: str
    plan: Annotated[tuple[PlannedTask, ...], Meta(max_length=256, description="empty: the LLM drafts one")] = ()
    context: Annotated[Content, Meta(description="what whoever drafts the plan may see of the repository")] = Content()
    review: Annotated[bool, Meta(description="no task is submitted before a person has approved the plan")] = False
    checks: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=8192)], ...],
        Meta(max_length=32, description="of tasks without checks of their own, and of those that nothing waits for"),
    ] = ()
    base: Annotated[str, Meta(max_length=256, description="where tasks start that depend on none; empty: HEAD")] = ""
    agent: Annotated[str, Meta(min_length=1, max_length=4200)] = "claude"
    model: Annotated[str, Meta(max_length=200)] = ""
    llm: Annotated[str, Meta(min_length=1, max_length=200, description="drafts the plan and reviews the work")] = "auto"
    template: Annotated[str, Meta(max_length=32)] = ""
    sandbox: Literal["auto", "bwrap", "none"] = "auto"
    attempts_max: Annotated[int, Meta(ge=1, le=100)] = 3
    turns_max: Annotated[int, Meta(ge=0, le=10_000)] = 0
    budget_usd: Annotated[float | None, Meta(description="for each task; none: no limit")] = None
    timeout_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 7_200.0
    silence_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 900.0
    check_timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 900.0
    agent_env: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    priority: Annotated[int, Meta(ge=1, le=10)] = 5
    deadline: Annotated[str, Meta(max_length=40, description="ISO 8601, UTC; of every task")] = ""
    policy: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=8_192)], ...],
        Meta(max_length=64, description="settings of its own and of its tasks: `decision.accept_quality=0.9`"),
    ] = ()


class GoalCompleted(Event, tag="goal.completed"):
    """Every task of the goal was accepted."""

    tasks: tuple[str, ...]
    branches: Annotated[tuple[str, ...], Meta(description="those that no other task grew from: all of the work")] = ()


class GoalFailed(Event, tag="goal.failed"):
    """The goal came to an end without being reached."""

    reasons: tuple[str, ...]
    completed: Annotated[tuple[str, ...], Meta(description="tasks that were accepted all the same")] = ()


class PlanRequested(Event, tag="plan.requested"):
    """A plan is wanted from the LLM."""

    goal: Content
    problems: Annotated[tuple[str, ...], Meta(description="why the draft before was rejected")] = ()
    draft: int = 1


class PlanDrafted(Event, tag="plan.drafted"):
    """The LLM, a file or a person proposes tasks; or why there is no proposal."""

    tasks: tuple[PlannedTask, ...]
    draft: int = 1
    usable: bool = True
    reason: Annotated[str, Meta(description="why there is no usable draft")] = ""
    by: Annotated[str, Meta(description="`file` or a person's name; empty: the LLM")] = ""
    provider: Annotated[str, Meta(description="`none`: there is no LLM that could be asked")] = ""
    model: str = ""
    tokens: Tokens = Tokens()
    duration_ms: float = 0.0
    template_sha256: Annotated[str, Meta(description="of the prompt template")] = ""
    options: Annotated[dict[str, float], Meta(description="sampling options sent with the question")] = msgspec.field(
        default_factory=dict
    )


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
    review: Annotated[bool, Meta(description="the goal waits until a person has looked at it")] = False


class ProjectPaused(Event, tag="project.paused"):
    """No further task starts in the project; those in work go on."""

    reason: str = ""
    by: Annotated[str, Meta(description="`planner`: by itself, after misfires; empty: somebody, it is not known")] = ""


class ProjectResumed(Event, tag="project.resumed"):
    """Tasks may start again."""

    by: str = ""


class TaskHeld(Event, tag="task.held"):
    """The task can be worked on, but not yet; it is kept in order and starts by itself."""

    waits_for: Annotated[
        Literal["tasks", "slot", "project", "milestone"],
        Meta(
            description="other tasks to be completed, a place among those in work, the project to be resumed, a "
            "person's word on a milestone of its goal"
        ),
    ]
    reason: str = ""
    tasks: Annotated[tuple[str, ...], Meta(description="the tasks that it waits for")] = ()
