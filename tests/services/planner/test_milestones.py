"""A milestone that is reached is announced once; where the policy says so, its goal waits for a person's word on it."""

import pytest

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Breakpoints,
    Content,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    MilestoneReached,
    PlannedTask,
    Policy,
    TaskCancelled,
    TaskCompleted,
    TaskHeld,
)
from obra.shared.manager import Told
from tests.services.planner.scene import NOON, Scene, scope

PLAN = (
    PlannedTask(task="a", text="lex", checks=("true",), milestone="m1"),
    PlannedTask(task="b", text="parse", checks=("true",), milestone="m2", after=("a",)),
)
WIDE = (
    PlannedTask(task="a", text="lex", checks=("true",), milestone="m1"),
    PlannedTask(task="b", text="print", checks=("true",), milestone="m2"),
    PlannedTask(task="c", text="parse", checks=("true",), milestone="m3", after=("a",)),
    PlannedTask(task="d", text="draw", checks=("true",), milestone="m3"),
)
APPROVED = BreakpointResolved(resolution="approve", by="ann")


def done(task: str) -> TaskCompleted:
    return TaskCompleted(attempt=1, branch=f"obra/{task}", commit=f"c-{task}")


def begun(plan: tuple[PlannedTask, ...] = PLAN, *, review: bool = True, tasks_max: int = 4) -> Scene:
    scene = Scene(Policy(breakpoints=Breakpoints(milestone=review), tasks_max=tasks_max))
    scene.hear("g", GoalSubmitted(text="a compiler", repo="/r", plan=plan))
    scene.settle()
    return scene


def asked_about(milestone: str) -> BreakpointRaised:
    said = f"milestone {milestone} is reached: `obra approve g` lets the goal go on, `obra reject g` ends it"
    return BreakpointRaised(name="milestone", milestone=milestone, severity="notice", reasons=(said,))


@pytest.mark.parametrize("review", [False, True])
def test_a_milestone_is_to_be_looked_at_where_the_policy_says_so(review: bool) -> None:
    scene = begun(review=review)
    scene.when("g-1", done("a"))
    reached = [told.event for told in scene.log if isinstance(told.event, MilestoneReached)]
    assert reached == [MilestoneReached(milestone="m1", tasks=("g-1",), review=review)]
    assert scene.readied() == (["g-1"] if review else ["g-1", "g-2"])


def test_the_next_milestone_waits_until_a_person_has_approved_the_last() -> None:
    scene = begun()
    assert scene.when("g-1", done("a")) == ["g milestone.reached", "g breakpoint.raised", "g-2 task.held"]
    assert scene.only("g", BreakpointRaised) == asked_about("m1")
    reason = "milestone m1 of g is reached: `obra approve g` lets its goal go on"
    assert scene.only("g-2", TaskHeld) == TaskHeld(waits_for="milestone", reason=reason)
    assert scene.when("g", APPROVED) == ["g-2 task.readied"]
    assert scene.when("g-2", done("b")) == ["g milestone.reached", "g breakpoint.raised"]
    assert scene.when("g", APPROVED) == ["g goal.completed"]
    assert scene.only("g", GoalCompleted) == GoalCompleted(tasks=("g-1", "g-2"), branches=("obra/b",))


def test_what_is_in_work_goes_on_and_nothing_else_of_the_goal_starts() -> None:
    scene = begun(WIDE, tasks_max=2)
    assert scene.readied() == ["g-1", "g-2"]
    assert scene.when("g-1", done("a")) == [
        "g milestone.reached", "g breakpoint.raised", "g-3 task.held", "g-4 task.held",
    ]  # fmt: skip
    assert scene.when("g-2", done("b")) == ["g milestone.reached", "g breakpoint.raised"]
    assert scene.state.running == 0
    assert sorted(scene.when("g", APPROVED)) == ["g-3 task.readied", "g-4 task.readied"]


def test_each_of_two_milestones_is_approved_by_its_id() -> None:
    scene = begun(WIDE, tasks_max=2)
    for task in ("a", "b"):
        scene.when(f"g-{1 + (task == 'b')}", done(task))
    first, second = (
        Told(told.scope, told.event, NOON, told.position, f"id-{told.position}")
        for told in scene.log
        if isinstance(told.event, BreakpointRaised)
    )
    state = scene.manager.fold([*(t for t in scene.log if t.position not in (first.position, second.position))])
    state = scene.manager.fold([first, second], state)
    state = scene.manager.fold([Told(scope("g"), BreakpointResolved(resolution="approve", breakpoint=first.id))], state)
    assert state.goals[scope("g")].unseen == {"m2": second.id}
    assert state.goals[scope("g")].shut


def test_a_rejected_milestone_ends_the_goal_and_takes_back_what_is_left() -> None:
    scene = begun(WIDE, tasks_max=2)
    scene.when("g-1", done("a"))
    said = BreakpointResolved(resolution="reject", by="ann", note=Content.of("wrong way"))
    assert scene.when("g", said) == [
        "g-2 task.cancelled", "g-3 task.cancelled", "g-4 task.cancelled", "g goal.failed",
    ]  # fmt: skip
    why = "ann rejected milestone m1: wrong way"
    assert scene.only("g-2", TaskCancelled) == TaskCancelled(reason=why)
    lost = tuple(f"g-{number} was cancelled: {why}" for number in (2, 3, 4))
    assert scene.only("g", GoalFailed) == GoalFailed(reasons=(why, *lost), completed=("g-1",))


def test_a_milestone_that_is_to_be_tried_again_is_asked_about_once_more() -> None:
    scene = begun()
    scene.when("g-1", done("a"))
    assert scene.when("g", BreakpointResolved(resolution="retry")) == ["g breakpoint.raised"]
    again = scene.only("g", BreakpointRaised)
    assert isinstance(again, BreakpointRaised)
    assert "can't be tried again as a whole" in again.reasons[0]
    assert scene.when("g", APPROVED) == ["g-2 task.readied"]


def test_a_goal_that_is_cancelled_at_a_milestone_takes_its_tasks_with_it() -> None:
    scene = begun()
    scene.when("g-1", done("a"))
    assert scene.when("g", TaskCancelled(by="ann")) == ["g-2 task.cancelled"]


def test_other_goals_and_tasks_start_meanwhile() -> None:
    scene = begun()
    scene.when("g-1", done("a"))
    scene.hear("h", GoalSubmitted(text="another", repo="/r", plan=PLAN))
    assert "h-1 task.readied" in [f"{where} {what.__struct_config__.tag}" for where, what in scene.settle()]


def test_a_goal_may_want_its_milestones_looked_at_by_a_policy_of_its_own() -> None:
    scene = Scene(Policy(tasks_max=4))
    own = ("decision.breakpoints.milestone=true",)
    scene.hear("g", GoalSubmitted(text="a compiler", repo="/r", plan=PLAN, policy=own))
    scene.settle()
    assert scene.when("g-1", done("a")) == ["g milestone.reached", "g breakpoint.raised", "g-2 task.held"]
