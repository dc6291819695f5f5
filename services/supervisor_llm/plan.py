"""The plan: a goal as a question, and the reply as a draft."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from obra.events import (
    Content,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    PlanAccepted,
    PlanDrafted,
    PlannedTask,
    PlanRequested,
    TaskCancelled,
)
from obra.services.supervisor_llm.kind import Asked, Kind, Seen
from obra.shared.llm.material import Section

REPLY_TOKENS_MAX = 4_096
SETTLED = (PlanAccepted, GoalCompleted, GoalFailed, TaskCancelled)

NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")

Name = Annotated[str, Field(min_length=1, max_length=64)]
Command = Annotated[str, Field(min_length=1, max_length=2_000)]


class Step(BaseModel):
    """One task, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    name: Name
    text: Annotated[str, Field(min_length=1, max_length=8_000)]
    after: Annotated[list[Name], Field(max_length=20)]
    acceptance: Annotated[list[Command], Field(max_length=12)]
    checks: Annotated[list[Command], Field(max_length=8)]
    complexity: Annotated[int, Field(ge=1, le=100)]
    milestone: Annotated[str, Field(max_length=64)]


class Plan(BaseModel):
    """The plan, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    tasks: Annotated[list[Step], Field(min_length=1, max_length=50)]


def goal_of(seen: Seen) -> GoalSubmitted | None:
    """Return the goal that the scope is about."""
    return next((event for event in seen.events if isinstance(event, GoalSubmitted)), None)


def wanted(seen: Seen, requested: PlanRequested) -> bool:
    """Return whether the goal still waits for a plan."""
    return goal_of(seen) is not None and not any(isinstance(event, SETTLED) for event in seen.events)


def llm(seen: Seen) -> str:
    """Return the wish of the goal."""
    goal = goal_of(seen)
    return goal.llm if goal else "none"


def contents(seen: Seen, requested: PlanRequested) -> Mapping[str, Content]:
    """Return the texts that may be in the object store."""
    goal = goal_of(seen)
    return {"goal": requested.goal, "context": goal.context if goal else Content()}


def sections(seen: Seen, requested: PlanRequested, texts: Mapping[str, str]) -> list[Section]:
    """Return what the model sees: the goal, the goal's checks, what was wrong before, and the repository."""
    goal = goal_of(seen)
    checks = "\n".join(goal.checks) if goal and goal.checks else "(none)"
    problems = "\n".join(f"- {problem}" for problem in requested.problems) or "(this is the first draft)"
    return [
        Section("GOAL", texts["goal"], 0.5, "ends"),
        Section("CHECKS", checks, 0.2),
        Section("PROBLEMS", problems, 0.3),
        Section("REPOSITORY", texts["context"] or "(not shown)", 1.0),
    ]


def answer(seen: Seen, requested: PlanRequested, asked: Asked[Plan]) -> PlanDrafted:
    """Return the draft as it is recorded."""
    return PlanDrafted(
        tasks=tuple(_task(step) for step in asked.value.tasks) if asked.value else (),
        draft=requested.draft,
        usable=asked.value is not None,
        reason=asked.reason,
        **asked.record(),
    )


def _task(step: Step) -> PlannedTask:
    return PlannedTask(
        task=step.name.strip(), text=step.text.strip(), after=tuple(name.strip() for name in step.after),
        acceptance=tuple(step.acceptance), checks=tuple(step.checks), complexity=step.complexity,
        milestone=NO_NAME.sub("-", step.milestone.strip()).strip("-"),
    )  # fmt: skip


KIND = Kind(
    hears=PlanRequested, says=PlanDrafted, prompt="plan", shape=Plan, key=lambda event: event.draft,
    wanted=wanted, contents=contents, sections=sections, answer=answer, llm=llm, reply_tokens_max=REPLY_TOKENS_MAX,
)  # fmt: skip
