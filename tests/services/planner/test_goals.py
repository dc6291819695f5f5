"""From a goal over a plan to its end: what the planner says at each step."""

from typing import Any

import pytest

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Content,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    MilestoneReached,
    PlanAccepted,
    PlanDrafted,
    PlannedTask,
    PlanRejected,
    PlanRequested,
    Policy,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskSubmitted,
)
from tests.services.planner.scene import Scene

GOAL = GoalSubmitted(text="a shop", repo="/r", checks=("pytest -q",), llm="ollama/m", attempts_max=2, priority=7)
A = PlannedTask(task="api", text="write the api", checks=("pytest api",), milestone="core", complexity=40)
B = PlannedTask(task="ui", text="write the ui", after=("api",), acceptance=("it shows",), milestone="core")
DRAFT = PlanDrafted(tasks=(B, A), provider="ollama", model="m")
PLAN = (
    PlannedTask(task="g-1", text="write the api", checks=("pytest api",), milestone="core", complexity=40),
    PlannedTask(task="g-2", text="write the ui", after=("g-1",), acceptance=("it shows",), milestone="core"),
)
BAD = PlanDrafted(tasks=(PlannedTask(task="a", text="do", after=("b",)),), provider="ollama", model="m")
BAD_REASONS = ("task 'a' waits for 'b', which is no task of the plan",)
NONE = PlanDrafted(tasks=(), usable=False, reason="no model answers", provider="none")


def scene() -> Scene:
    return Scene(Policy(tasks_max=5, plan_drafts_max=3, plan_tasks_max=4))


def planned(**wishes: Any) -> Scene:
    """Return a scene in which the plan was drafted."""
    made = scene()
    made.when("g", GoalSubmitted(**{"text": "a shop", "repo": "/r", "checks": ("pytest -q",)} | wishes))
    made.when("g", DRAFT)
    return made


def done(task: str) -> TaskCompleted:
    return TaskCompleted(attempt=1, branch=f"obra/{task}", commit=f"c-{task}")


def test_a_goal_asks_for_a_plan() -> None:
    made = scene()
    assert made.when("g", GOAL) == ["g plan.requested"]
    assert made.only("g", PlanRequested) == PlanRequested(goal=Content.of("a shop"))


def test_a_goal_that_can_not_be_worked_on_fails_with_the_reasons() -> None:
    made = scene()
    assert made.when("g", GoalSubmitted(text="a shop", repo="here", llm="gpt")) == ["g goal.failed"]
    assert made.only("g", GoalFailed) == GoalFailed(
        reasons=(
            "the repository must be an absolute path, not 'here'",
            "the reviewer must be `auto`, `none`, `ollama/MODEL` or `openai/MODEL`, not 'gpt'",
        )
    )


def test_a_sound_draft_becomes_tasks_in_order_with_all_that_the_goal_says() -> None:
    made = scene()
    made.when("g", GOAL)
    assert made.when("g", DRAFT) == [
        "g plan.accepted", "g-1 task.submitted", "g-2 task.submitted", "g-1 task.readied", "g-2 task.held",
    ]  # fmt: skip
    assert made.only("g", PlanAccepted) == PlanAccepted(tasks=PLAN)
    common = {"repo": "/r", "llm": "ollama/m", "attempts_max": 2, "priority": 7, "goal": "g", "milestone": "core"}
    assert made.only("g-1", TaskSubmitted) == TaskSubmitted(
        text="write the api",
        checks=("pytest api",),
        complexity=40,
        **common,  # type: ignore[arg-type]
    )
    assert made.only("g-2", TaskSubmitted) == TaskSubmitted(
        text="write the ui",
        checks=("pytest -q",),
        acceptance=("it shows",),
        after=("g-1",),
        **common,  # type: ignore[arg-type]
    )


def test_what_nothing_waits_for_runs_the_goals_checks_beside_its_own() -> None:
    made = scene()
    made.when("g", GOAL)
    made.when("g", PlanDrafted(tasks=(A,)))
    submitted = made.only("g-1", TaskSubmitted)
    assert isinstance(submitted, TaskSubmitted)
    assert submitted.checks == ("pytest api", "pytest -q")


def test_tasks_build_on_each_other_and_reach_milestone_and_goal() -> None:
    made = planned()
    assert made.when("g-1", done("g-1")) == ["g-2 task.readied"]
    readied = made.only("g-2", TaskReadied)
    assert isinstance(readied, TaskReadied)
    assert readied.base == ("c-g-1",)
    assert made.when("g-2", done("g-2")) == ["g milestone.reached", "g goal.completed"]
    assert made.only("g", MilestoneReached) == MilestoneReached(milestone="core", tasks=("g-1", "g-2"))
    assert made.only("g", GoalCompleted) == GoalCompleted(tasks=("g-1", "g-2"), branches=("obra/g-2",))


def test_a_task_that_is_lost_ends_those_behind_it_and_then_the_goal() -> None:
    made = planned()
    assert made.when("g-1", TaskFailed(reasons=("the check failed",))) == ["g-2 task.rejected", "g goal.failed"]
    assert made.only("g", GoalFailed) == GoalFailed(
        reasons=(
            "g-1 failed: the check failed",
            "g-2 was not begun: it waits for g-1, which failed (the check failed); once that is done, submit this one "
            "again",
        )
    )


def test_a_bad_draft_goes_back_with_the_reasons_and_not_for_ever() -> None:
    made = scene()
    made.when("g", GOAL)
    for number in (1, 2):
        assert made.when("g", numbered(BAD, number)) == ["g plan.rejected", "g plan.requested"]
        assert made.only("g", PlanRejected) == PlanRejected(reasons=BAD_REASONS, draft=number)
        assert made.only("g", PlanRequested) == PlanRequested(
            goal=Content.of("a shop"), problems=BAD_REASONS, draft=number + 1
        )
    assert made.when("g", numbered(BAD, 3)) == ["g plan.rejected", "g breakpoint.raised"]
    raised = made.only("g", BreakpointRaised)
    assert isinstance(raised, BreakpointRaised)
    assert raised.name == "plan_needed"
    assert raised.reasons[0].startswith("none of 3 drafts could be used; give a plan with")
    assert made.when("g", BreakpointResolved(resolution="retry", note=Content.of("smaller"))) == ["g plan.requested"]
    assert made.only("g", PlanRequested) == PlanRequested(goal=Content.of("a shop"), problems=("smaller",), draft=4)
    assert made.when("g", PlanDrafted(tasks=(A,), draft=4))[0] == "g plan.accepted"


def numbered(draft: PlanDrafted, number: int) -> PlanDrafted:
    return PlanDrafted(tasks=draft.tasks, draft=number, provider="ollama", model="m")


def test_without_a_model_a_person_is_asked_for_a_plan_and_can_give_one() -> None:
    made = scene()
    made.when("g", GOAL)
    assert made.when("g", NONE) == ["g plan.rejected", "g breakpoint.raised"]
    raised = made.only("g", BreakpointRaised)
    assert isinstance(raised, BreakpointRaised)
    assert raised.reasons[0].startswith("there is no LLM to draft a plan; give a plan with")
    assert made.when("g", BreakpointResolved(resolution="approve")) == ["g breakpoint.raised"]
    assert made.when("g", PlanDrafted(tasks=BAD.tasks, draft=2, by="ann")) == ["g plan.rejected", "g breakpoint.raised"]
    assert made.when("g", PlanDrafted(tasks=(A,), draft=3, by="ann"))[0] == "g plan.accepted"


def test_a_plan_from_a_file_needs_no_draft_and_a_bad_one_is_the_end() -> None:
    made = scene()
    assert made.when("g", GoalSubmitted(text="x", repo="/r", plan=(A, B)))[0] == "g plan.accepted"
    made = scene()
    assert made.when("g", GoalSubmitted(text="x", repo="/r", plan=BAD.tasks)) == ["g plan.rejected", "g goal.failed"]


def test_a_plan_under_review_waits_for_a_word() -> None:
    made = planned(review=True)
    assert made.only("g", BreakpointRaised) == BreakpointRaised(
        name="plan_review",
        reasons=("the plan waits for your word", "g-1: write the api", "g-2: write the ui (after g-1)"),
    )
    assert made.when("g", BreakpointResolved(resolution="approve", by="ann"))[:2] == [
        "g plan.accepted", "g-1 task.submitted",
    ]  # fmt: skip


def test_a_plan_under_review_can_be_rejected_redrafted_or_replaced() -> None:
    made = planned(review=True)
    assert made.when("g", BreakpointResolved(resolution="reject", by="ann", note=Content.of("no need"))) == [
        "g goal.failed"
    ]
    assert made.only("g", GoalFailed) == GoalFailed(reasons=("ann rejected the plan", "no need"))
    made = planned(review=True)
    assert made.when("g", BreakpointResolved(resolution="retry")) == ["g plan.requested"]
    made = planned(review=True)
    assert made.when("g", PlanDrafted(tasks=(A,), draft=2, by="ann")) == ["g breakpoint.raised"]
    made.when("g", BreakpointResolved(resolution="approve"))
    assert made.only("g", PlanAccepted) == PlanAccepted(tasks=PLAN[:1])


def test_a_goal_that_is_cancelled_takes_its_tasks_along() -> None:
    made = planned()
    assert made.when("g", TaskCancelled(reason="enough")) == ["g-1 task.cancelled", "g-2 task.cancelled"]
    assert made.only("g-1", TaskCancelled) == TaskCancelled(reason="goal g was cancelled")
    made = scene()
    made.when("g", GOAL)
    made.when("g", TaskCancelled())
    assert made.when("g", DRAFT) == []


def test_what_comes_after_the_plan_or_the_end_changes_nothing() -> None:
    made = planned()
    assert made.when("g", PlanDrafted(tasks=(A, A), draft=9, by="ann")) == []
    made.when("g-1", done("g-1"))
    made.when("g-2", done("g-2"))
    assert made.when("g", BreakpointResolved(resolution="retry")) == []
    assert made.when("g-2", TaskRejected(reasons=("late",))) == []


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ((), "the plan has no tasks"),
        ((A,) * 2, "two tasks are called 'api'"),
        (
            tuple(PlannedTask(task=f"t{n}", text="x", checks=("c",)) for n in range(5)),
            "the plan has 5 tasks; 4 are allowed (decision.plan_tasks_max): make them larger, or fewer",
        ),
        ((PlannedTask(task="a", text=" ", checks=("c",)),), "task 'a' says nothing to do"),
        ((PlannedTask(task="a", text="x" * 20_001, checks=("c",)),), "task 'a' is over 20,000 characters"),
        ((PlannedTask(task=" ", text="x", checks=("c",)),), "a task has no name"),
        ((PlannedTask(task="a", text="x", after=("a",), checks=("c",)),), "task 'a' waits for itself"),
        ((PlannedTask(task="a", text="x"),), "task 'a' can't be verified: give it a check or acceptance criteria"),
        (
            (PlannedTask(task="a", text="x", checks=(" ",)),),
            "task 'a' has a check, a criterion or a kind that is blank or endless",
        ),
        (
            (PlannedTask(task="a", text="x", checks=("c",) * 33),),
            "task 'a' has more than 32 checks or criteria",
        ),
        (
            (PlannedTask(task="a", text="x", checks=("c",), milestone="a b"),),
            "task 'a': a milestone is called by letters, digits, dashes and underscores, not 'a b'",
        ),
        (
            (
                PlannedTask(task="a", text="x", after=("b",), checks=("c",)),
                PlannedTask(task="b", text="x", after=("c",), checks=("c",)),
                PlannedTask(task="c", text="x", after=("a",), checks=("c",)),
            ),
            "these tasks wait for each other: a → b → c → a",
        ),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(tasks: tuple[PlannedTask, ...], reason: str) -> None:
    made = scene()
    made.when("g", GoalSubmitted(text="x", repo="/r"))
    made.when("g", PlanDrafted(tasks=tasks, provider="ollama"))
    rejected = made.only("g", PlanRejected)
    assert isinstance(rejected, PlanRejected)
    assert reason in rejected.reasons


def test_a_name_that_is_taken_is_a_fault_of_the_plan() -> None:
    made = scene()
    made.when("g-1", TaskSubmitted(text="x", repo="/r"))
    made.when("g", GOAL)
    assert made.when("g", PlanDrafted(tasks=(A,))) == ["g plan.rejected", "g plan.requested"]
