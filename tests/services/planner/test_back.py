"""Rolled back, a task leaves the line, and comes back into it where a person wants it to."""

from obra.events import (
    BreakpointResolved,
    Policy,
    ProjectPaused,
    ProjectResumed,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskHeld,
    TaskRejected,
    TaskRolledBack,
)
from tests.services.planner.scene import Scene, wish

DONE = TaskCompleted(attempt=1, branch="obra/a", commit="c-a")
FAILED = TaskFailed(reasons=("the check failed",), attempts=3)
RETRY = BreakpointResolved(resolution="retry", by="ann")


def back(to: int) -> TaskRolledBack:
    return TaskRolledBack(to=to)


def positions(scene: Scene, kind: type) -> list[int]:
    return [told.position for told in scene.log if isinstance(told.event, kind)]


def chain() -> Scene:
    """Return a scene in which b waits for a, which is in work."""
    scene = Scene()
    assert scene.when("a", wish()) == ["a task.readied"]
    assert scene.when("b", wish(after=("a",))) == ["b task.held"]
    return scene


def test_a_task_returned_to_its_work_goes_on_with_it_and_is_not_readied_again() -> None:
    scene = Scene()
    scene.when("a", wish())
    scene.when("a", FAILED)
    assert scene.when("a", back(2)) == []
    assert scene.when("a", RETRY) == []
    assert scene.state.tasks[scene.log[0].scope].status == "running"


def test_a_task_that_was_rejected_because_of_another_waits_for_it_again() -> None:
    scene = chain()
    assert scene.when("a", FAILED) == ["b task.rejected"]
    scene.when("b", back(4))
    scene.when("a", back(2))
    assert scene.when("b", RETRY) == ["b task.held"]
    assert scene.only("b", TaskHeld) == TaskHeld(waits_for="tasks", reason="waits for a", tasks=("a",))
    assert scene.when("a", RETRY) == []
    assert scene.when("a", DONE) == ["b task.readied"]


def test_where_the_other_is_lost_for_good_it_is_rejected_again() -> None:
    scene = chain()
    scene.when("a", FAILED)
    scene.when("b", back(4))
    assert scene.when("b", RETRY) == ["b task.rejected"]
    assert "it waits for a, which failed" in str(scene.only("b", TaskRejected))


def test_a_task_that_was_cancelled_before_it_began_is_brought_back() -> None:
    scene = Scene(Policy(tasks_max=1))
    scene.when("a", wish())
    scene.when("b", wish())
    scene.when("b", TaskCancelled())
    scene.when("b", back(4))
    assert scene.when("b", RETRY) == ["b task.held"]
    assert scene.when("a", DONE) == ["b task.readied"]


def test_only_a_retry_brings_it_back_into_line() -> None:
    scene = chain()
    scene.when("b", back(3))
    assert scene.when("a", DONE) == []
    assert scene.when("b", BreakpointResolved(resolution="reject")) == []


def test_it_waits_for_its_project_too() -> None:
    scene = Scene()
    scene.when("a", wish())
    scene.when("a", TaskCancelled())
    scene.when("a", back(1))
    scene.when("-", ProjectPaused())
    assert scene.when("a", RETRY) == ["a task.held"]
    assert scene.when("-", ProjectResumed()) == ["a task.readied"]


def test_a_rollback_to_an_end_is_that_end_again_and_releases_who_waits() -> None:
    scene = chain()
    scene.when("a", DONE)
    (done,) = positions(scene, TaskCompleted)
    scene.when("a", back(2))
    assert scene.when("c", wish(after=("a",))) == ["c task.held"]
    assert scene.when("a", back(done)) == ["c task.readied"]
    assert scene.state.tasks[scene.log[0].scope].commit == "c-a"


def test_a_task_that_rests_takes_no_room() -> None:
    scene = Scene(Policy(tasks_max=1))
    scene.when("a", wish())
    assert scene.when("b", wish()) == ["b task.held"]
    assert scene.when("a", back(1)) == ["b task.readied"]
    assert scene.when("a", RETRY) == ["a task.held"]
    assert scene.when("b", DONE) == ["a task.readied"]


def test_a_task_that_still_queues_waits_again_for_one_that_was_rolled_back() -> None:
    scene = Scene(Policy(tasks_max=1))
    scene.when("a", wish())
    scene.when("b", wish(after=("a",)))
    scene.when("c", wish(priority=9))
    assert scene.when("a", DONE) == ["c task.readied", "b task.held"]
    assert scene.when("a", back(2)) == ["b task.held"]
    assert scene.only("b", TaskHeld) == TaskHeld(waits_for="tasks", reason="waits for a", tasks=("a",))
    assert scene.when("c", DONE) == []
    assert scene.when("a", RETRY) == []
    assert scene.when("a", DONE) == ["b task.readied"]
