"""Whose turn it is: a table of every rule, each with the sentence that a person reads."""

import random

import pytest

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Calibration,
    CalibrationFitted,
    MessageDeadLettered,
    Policy,
    PolicyAdopted,
    PolicyProposed,
    ProjectPaused,
    ProjectResumed,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskHeld,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TimerFired,
    TimerSet,
)
from obra.services.planner.line import OLDEST_EVERY
from tests.services.planner.scene import Scene, wish

DONE = TaskCompleted(attempt=1, branch="obra/a", commit="c-a")
FAILED = TaskFailed(reasons=("the check failed",), attempts=3)


def full(tasks: int = 1, **policy: int) -> Scene:
    """Return a scene in which *tasks* tasks take all the room there is."""
    scene = Scene(Policy(tasks_max=tasks, **policy))  # type: ignore[arg-type]
    for number in range(tasks):
        assert scene.when(f"busy{number}", wish()) == [f"busy{number} task.readied"]
    return scene


def order(scene: Scene, *tasks: str) -> list[str]:
    """Return the order in which *tasks*, all waiting, are started, each once the one before is done."""
    started: list[str] = []
    free = "busy0"
    while len(started) < len(tasks):
        said = scene.when(free, DONE)
        [free] = [one.split()[0] for one in said if one.endswith("task.readied")]
        started.append(free)
    return started


def test_a_task_with_room_is_readied_at_once_and_nothing_else_is_said() -> None:
    assert Scene().when("a", wish()) == ["a task.readied"]


def test_a_task_without_room_is_held_and_says_why() -> None:
    scene = full(2)
    assert scene.when("a", wish()) == ["a task.held"]
    assert scene.only("a", TaskHeld) == TaskHeld(
        waits_for="slot", reason="waits for its turn: 2 of 2 tasks are in work"
    )


def test_room_is_counted_by_project_too() -> None:
    scene = full(1, project_tasks_max=1)
    assert scene.when("a", wish()) == ["a task.held"]
    scene = Scene(Policy(tasks_max=3, project_tasks_max=1))
    assert scene.when("a", wish()) == ["a task.readied"]
    assert scene.when("b", wish()) == ["b task.held"]
    assert scene.only("b", TaskHeld) == TaskHeld(
        waits_for="slot", reason="waits for its turn: 1 of 1 tasks of project shop are in work"
    )
    assert scene.when("other/a", wish()) == ["other/a task.readied"]


@pytest.mark.parametrize(
    "end", [DONE, FAILED, TaskCancelled(), TaskRejected(reasons=("x",))], ids=lambda e: type(e).__name__
)
def test_every_end_makes_room(end: TaskCompleted) -> None:
    scene = full()
    scene.when("a", wish())
    assert scene.when("busy0", end) == ["a task.readied"]


@pytest.mark.parametrize(
    "pause",
    [
        BreakpointRaised(name="override"),
        TaskRolledBack(to=9_999),
        MessageDeadLettered(position=1, consumer="scorer", reason="poison"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_a_task_that_waits_for_a_person_takes_no_room(pause: BreakpointRaised) -> None:
    scene = full()
    scene.when("a", wish())
    assert scene.when("busy0", pause) == ["a task.readied"]
    assert scene.when("b", wish()) == ["b task.held"]
    assert scene.when("busy0", BreakpointResolved(resolution="retry")) == []
    assert scene.when("a", DONE) == [], "the resumed one has the room again"
    assert scene.when("busy0", DONE) == ["b task.readied"]


def test_the_most_urgent_goes_first_then_the_earliest_deadline_then_the_oldest() -> None:
    scene = full()
    scene.when("low", wish(priority=1))
    scene.when("old", wish())
    scene.when("new", wish())
    scene.when("due-late", wish(deadline="2026-03-01"))
    scene.when("due-soon", wish(deadline="2026-02-01T10:00+02:00"))
    scene.when("high", wish(priority=10))
    expected = ["high", "due-soon", "due-late", "old", "new", "low"]
    assert order(scene, *expected) == expected


def test_a_newcomer_does_not_overtake_who_waits_although_there_is_room() -> None:
    scene = full()
    scene.when("waits", wish(priority=1))
    scene.hear("busy0", DONE)
    scene.hear("new", wish(priority=1))  # seen before the end of the other was answered
    assert [f"{task} {type(event).__name__}" for task, event in scene.answer(scene.asked[1])] == [
        "new TaskHeld", "waits TaskReadied",
    ]  # fmt: skip


def test_nobody_waits_for_ever_behind_urgent_ones() -> None:
    scene = full()
    scene.when("old", wish(priority=1))
    free, started = "busy0", []
    for number in range(2 * OLDEST_EVERY):
        scene.when(f"urgent{number}", wish(priority=10))
        [free] = [one.split()[0] for one in scene.when(free, DONE) if one.endswith("readied")]
        started.append(free)
    assert started.index("old") < OLDEST_EVERY


def test_a_paused_project_starts_nothing_and_others_go_on() -> None:
    scene = Scene(Policy(tasks_max=5))
    scene.when("-", ProjectPaused(reason="release"))
    assert scene.when("a", wish()) == ["a task.held"]
    assert scene.only("a", TaskHeld) == TaskHeld(
        waits_for="project", reason="project shop is paused (release); `obra project resume shop` lets it start"
    )
    assert scene.when("other/b", wish()) == ["other/b task.readied"]
    assert scene.when("-", ProjectResumed()) == ["a task.readied"]


def test_a_larger_capacity_takes_effect_with_its_policy() -> None:
    scene = full()
    scene.when("a", wish())
    scene.manager = type(scene)(Policy(tasks_max=2)).manager
    scene.state = scene.manager.fold(scene.log)
    assert scene.when("-/-", PolicyAdopted(sha256="", policy=Policy(tasks_max=2))) == ["a task.readied"]


# dependencies


def test_a_task_waits_for_those_it_names_and_starts_from_their_work() -> None:
    scene = Scene(Policy(tasks_max=5))
    scene.when("a", wish())
    scene.when("b", wish())
    assert scene.when("c", wish(after=("a", "b"))) == ["c task.held"]
    assert scene.only("c", TaskHeld) == TaskHeld(waits_for="tasks", reason="waits for a and b", tasks=("a", "b"))
    assert scene.when("a", DONE) == []
    assert scene.when("b", TaskCompleted(attempt=1, branch="obra/b", commit="c-b")) == ["c task.readied"]
    readied = scene.only("c", TaskReadied)
    assert isinstance(readied, TaskReadied)
    assert readied.base == ("c-a", "c-b")


def test_work_of_another_repository_or_beside_a_base_of_ones_own_is_no_base() -> None:
    scene = Scene(Policy(tasks_max=5))
    scene.when("a", wish())
    scene.when("a", DONE)
    scene.when("elsewhere", wish(after=("a",), repo="/other"))
    scene.when("main", wish(after=("a",), base="main"))
    bases = [event.base for event in (scene.only(task, TaskReadied) for task in ("elsewhere", "main"))]  # type: ignore[attr-defined]
    assert bases == [(), ()]


def test_what_it_waited_for_is_there_but_no_room_is() -> None:
    scene = full(2)
    scene.when("c", wish(after=("busy0",)))
    scene.when("d", wish(priority=9))
    assert scene.when("busy0", DONE) == ["d task.readied", "c task.held"]
    assert scene.only("c", TaskHeld) == TaskHeld(
        waits_for="slot", reason="waits for its turn: 2 of 2 tasks are in work"
    )
    assert scene.when("d", DONE) == ["c task.readied"]


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("nobody", "it waits for nobody, and project shop has no such task; submit that one first"),
        ("c", "it waits for itself: c → c"),
        ("lost", "it waits for lost, which failed (the check failed); once that is done, submit this one again"),
        ("gone", "it waits for gone, which was cancelled (no need); once that is done, submit this one again"),
        (
            "bad",
            "it waits for bad, which was rejected (the task's text is blank; say what is to be done); "
            "once that is done, submit this one again",
        ),
    ],
)
def test_what_can_never_be_there_is_a_reason_to_reject(after: str, reason: str) -> None:
    scene = Scene(Policy(tasks_max=9))
    for task, end in (("lost", FAILED), ("gone", TaskCancelled(reason="no need"))):
        scene.when(task, wish())
        scene.when(task, end)
    scene.when("bad", wish(text=" "))
    assert scene.when("c", wish(after=(after,))) == ["c task.rejected"]
    assert scene.only("c", TaskRejected) == TaskRejected(reasons=(reason,))


def test_a_circle_is_named() -> None:
    scene = Scene()
    scene.hear("b", wish(after=("c",)))
    scene.hear("c", wish(after=("a",)))
    scene.hear("a", wish(after=("b",)))
    assert {task for task, event in scene.settle() if isinstance(event, TaskRejected)} == {"a", "b", "c"}
    assert scene.only("b", TaskRejected) == TaskRejected(reasons=("these tasks wait for each other: b → c → a → b",))


def test_a_loss_takes_along_all_that_waited_for_it() -> None:
    scene = Scene(Policy(tasks_max=9))
    scene.when("a", wish())
    scene.when("b", wish(after=("a",)))
    scene.when("c", wish(after=("b",)))
    scene.when("free", wish())
    assert scene.when("a", FAILED) == ["b task.rejected", "c task.rejected"]
    assert scene.only("c", TaskRejected) == TaskRejected(
        reasons=(
            "it waits for b, which was rejected (it waits for a, which failed (the check failed); once that is done, "
            "submit this one again); once that is done, submit this one again",
        )
    )


def test_of_a_task_that_the_stream_has_forgotten_the_end_is_enough() -> None:
    scene = Scene()
    scene.when("a", DONE)
    assert scene.when("b", wish(after=("a",))) == ["b task.readied"]


# deadlines


def test_a_deadline_is_a_timer_while_the_task_waits() -> None:
    scene = full()
    assert scene.when("a", wish(deadline="2026-02-01T00:00Z")) == ["a task.held", "a timer.set"]
    assert scene.only("a", TimerSet) == TimerSet(timer="deadline", at="2026-02-01T00:00Z")
    assert scene.when("a", TimerFired(timer="deadline")) == ["a task.rejected"]
    reason = (
        "its deadline, 2026-02-01T00:00Z, passed before it could start: it waits for its turn: 1 of 1 tasks are in work"
    )
    assert scene.only("a", TaskRejected) == TaskRejected(reasons=(reason,))
    assert scene.when("busy0", DONE) == []


def test_a_deadline_that_passes_once_the_task_has_started_changes_nothing() -> None:
    scene = full()
    scene.when("a", wish(deadline="2026-02-01"))
    scene.when("busy0", DONE)
    assert scene.when("a", TimerFired(timer="deadline")) == []


def test_a_deadline_that_had_passed_at_submission_is_a_reason_to_reject() -> None:
    scene = Scene()
    assert scene.when("a", wish(deadline="2025-12-31")) == ["a task.rejected"]
    assert scene.only("a", TaskRejected) == TaskRejected(
        reasons=("its deadline, 2025-12-31, had passed already when it was submitted",)
    )


@pytest.mark.parametrize("deadline", ["tomorrow", "2026-13-01", "12:00"])
def test_a_deadline_that_is_no_time_is_named(deadline: str) -> None:
    scene = Scene()
    assert scene.when("a", wish(deadline=deadline)) == ["a task.rejected"]
    assert scene.only("a", TaskRejected) == TaskRejected(
        reasons=(f"the deadline must be a time like 2026-12-31T18:00Z, not {deadline!r}",)
    )


def test_a_timer_of_somebody_else_is_not_a_deadline() -> None:
    scene = full()
    scene.when("a", wish(deadline="2026-02-01"))
    assert scene.when("a", TimerFired(timer="outage-1")) == []


# what goes along


def test_the_newest_calibration_goes_along() -> None:
    scene = Scene()
    fitted = Calibration(method="isotonic", points=((0.0, 0.1), (1.0, 0.9)), outcomes=40)
    scene.when("-/-", CalibrationFitted(calibration=Calibration()))
    scene.when("-/-", CalibrationFitted(calibration=fitted))
    scene.when("a", wish())
    readied = scene.only("a", TaskReadied)
    assert isinstance(readied, TaskReadied)
    assert readied.calibration == fitted


def test_the_newest_candidate_goes_along_until_none_is_proposed() -> None:
    scene = Scene()
    candidate = Policy(accept_confidence=0.9)
    scene.when("-/-", PolicyProposed(policy=candidate))
    scene.when("a", wish())
    scene.when("-/-", PolicyProposed())
    scene.when("b", wish())
    assert [scene.only(task, TaskReadied).candidate for task in ("a", "b")] == [candidate, None]  # type: ignore[attr-defined]


def test_a_large_task_starts_all_the_same_with_an_advice() -> None:
    scene = Scene()
    assert scene.when("a", wish(complexity=90)) == ["a task.readied"]
    readied = scene.only("a", TaskReadied)
    assert isinstance(readied, TaskReadied)
    assert readied.complexity.advice == (
        "this is a large task (90 of 100; stated: the task says so): `obra goal` plans it as several smaller ones"
    )


# any number of tasks


@pytest.mark.parametrize("seed", range(60))
def test_any_plan_is_worked_off_in_order_within_its_room_and_without_a_deadlock(seed: int) -> None:
    dice = random.Random(seed)
    most, each = dice.randint(1, 4), dice.choice([0, 1, 2])
    scene = Scene(Policy(tasks_max=most, project_tasks_max=each))
    names = [f"{dice.choice(['shop', 'other'])}/t{number}" for number in range(dice.randint(1, 25))]
    after: dict[str, tuple[str, ...]] = {}
    for number, task in enumerate(names):
        mine = [other for other in names[:number] if other.split("/")[0] == task.split("/")[0]]
        after[task] = tuple(dice.sample(mine, min(len(mine), dice.randint(0, 3))))
    waiting, working, done = list(names), set[str](), set[str]()
    started: list[str] = []
    while waiting or working:
        if waiting and (not working or dice.random() < 0.5):
            task = waiting.pop(0)
            depends = tuple(other.split("/")[1] for other in after[task])
            scene.hear(task.removeprefix("shop/"), wish(after=depends, priority=dice.randint(1, 10)))
        else:
            task = dice.choice(sorted(working))
            working.remove(task)
            done.add(task)
            scene.hear(task.removeprefix("shop/"), DONE)
        for _ in range(dice.randint(0, 2)):  # the stream runs ahead of the answers, and questions come double
            if scene.asked:
                question = scene.asked.popleft()
                scene.answer(question)
                scene.answer(question)
        if not waiting and not working:
            scene.settle()
        fresh = [f"{t.scope.project}/{t.scope.task}" for t in scene.log if isinstance(t.event, TaskReadied)]
        for one in fresh[len(started) :]:
            assert set(after[one]) <= done
            working.add(one)
        started = fresh
        assert len(working) <= most
        assert not each or all(sum(one.startswith(p) for one in working) <= each for p in ("shop/", "other/"))
        if waiting and not working:
            scene.settle()
    assert sorted(started) == sorted(names)
    assert scene.state.running == 0
    assert not scene.state.busy


# a project that is paused by itself

NO_LOGIN = TaskFailed(reasons=("the login is no good",), attempts=1, outside=True)
FUSED = ProjectPaused(
    by="planner", reason="2 tasks in a row failed for a reason that lies outside of them: the login is no good"
)


def night(**policy: int) -> Scene:
    """Return a scene in which three tasks wait in line behind one that is in work."""
    scene = Scene(Policy(tasks_max=1, misfires_max=2, **policy))  # type: ignore[arg-type]
    for task in ("a", "b", "c", "d"):
        scene.when(task, wish())
    return scene


def test_tasks_that_fail_in_a_row_for_want_of_a_login_pause_the_project_before_the_whole_line_does() -> None:
    scene = night()
    assert scene.when("a", NO_LOGIN) == ["b task.readied"]
    assert scene.when("b", NO_LOGIN) == ["- project.paused"]
    assert scene.only("-", ProjectPaused) == FUSED
    assert scene.when("e", wish()) == ["e task.held"]
    held = scene.only("e", TaskHeld)
    assert isinstance(held, TaskHeld)
    assert (held.waits_for, FUSED.reason in held.reason) == ("project", True)
    assert scene.when("-", ProjectResumed(by="me")) == ["c task.readied"]
    assert scene.when("c", NO_LOGIN) == ["d task.readied"], "the row begins anew with a person's word"


@pytest.mark.parametrize("between", [DONE, FAILED], ids=lambda e: type(e).__name__)
def test_what_work_came_to_ends_the_row(between: TaskCompleted) -> None:
    scene = night()
    scene.when("a", NO_LOGIN)
    scene.when("b", between)
    assert scene.when("c", NO_LOGIN) == ["d task.readied"]


def test_a_project_where_nobody_waits_is_not_paused() -> None:
    scene = night()
    for task, end in (("a", DONE), ("b", DONE), ("c", NO_LOGIN), ("d", NO_LOGIN)):
        scene.when(task, end)
    assert scene.when("e", wish()) == ["e task.readied"]


def test_a_policy_may_have_the_line_go_on() -> None:
    scene = Scene(Policy(tasks_max=1, misfires_max=0))
    for task in ("a", "b", "c"):
        scene.when(task, wish())
    assert [scene.when(task, NO_LOGIN) for task in ("a", "b")] == [["b task.readied"], ["c task.readied"]]
