"""A milestone that is reached is announced once, and a person is to look at it where the policy says so."""

import pytest

from obra.events import Breakpoints, GoalSubmitted, MilestoneReached, PlannedTask, Policy, TaskCompleted
from tests.services.planner.scene import Scene

PLAN = (
    PlannedTask(task="a", text="lex", checks=("true",), milestone="m1"),
    PlannedTask(task="b", text="parse", checks=("true",), milestone="m2", after=("a",)),
)


@pytest.mark.parametrize("review", [False, True])
def test_a_milestone_is_to_be_looked_at_where_the_policy_says_so(review: bool) -> None:
    scene = Scene(Policy(breakpoints=Breakpoints(milestone=review)))
    scene.hear("g", GoalSubmitted(text="a compiler", repo="/r", plan=PLAN))
    scene.settle()
    scene.hear("g-1", TaskCompleted(attempt=1, branch="obra/a", commit="c"))
    scene.settle()
    reached = [told.event for told in scene.log if isinstance(told.event, MilestoneReached)]
    assert reached == [MilestoneReached(milestone="m1", tasks=("g-1",), review=review)]
