"""Takes in what happened, one event at a time."""

from msgspec.structs import replace

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    CalibrationFitted,
    Complexity,
    ComplexityPart,
    DecisionOverridden,
    Event,
    GoalSubmitted,
    MessageDeadLettered,
    PolicyProposed,
    ProjectPaused,
    ProjectResumed,
    QuestionAnswered,
    QuestionAsked,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskHeld,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    TimerFired,
    TimerSet,
)
from obra.events.subjects import PROJECT_LEVEL, Scope
from obra.services.planner import gate
from obra.services.planner import goal as goals
from obra.services.planner.line import moved
from obra.services.planner.state import ENDED, Item, State, Status, open_dependencies
from obra.shared import complexity
from obra.shared.manager import Told
from obra.shared.problems import NEVER, due, problems

ENDS = (TaskCompleted, TaskFailed, TaskRejected, TaskCancelled)
DEADLINE = "deadline"
"""The timer that a held task with a deadline has."""


def evolve(state: State, told: Told) -> State:
    """Take in one event, whatever its scope."""
    scope, event = told.scope, told.event
    match event:
        case CalibrationFitted():
            return replace(state, calibration=event.calibration)
        case PolicyProposed():
            return replace(state, candidate=event.policy)
        case ProjectPaused() | ProjectResumed():
            return _paused(state, scope.project, event)
        case GoalSubmitted() if scope not in state.goals and scope.task != PROJECT_LEVEL:
            return replace(state, goals=state.goals.insert(scope, goals.begun(event)))
        case TaskSubmitted() if scope not in state.tasks and scope.task != PROJECT_LEVEL:
            return replace(state, tasks=state.tasks.insert(scope, submitted(event, told.position)))
        case _:
            return _of_scope(state, told)


def _of_scope(state: State, told: Told) -> State:
    scope, event = told.scope, told.event
    if goal := state.goals.get(scope):
        now = goals.evolve(goal, event, told.id)
        if now is not goal:
            state = gate.passed(replace(state, goals=state.goals.insert(scope, now)), scope)
    item = state.tasks.get(scope)
    if item is None and isinstance(event, ENDS) and scope.task != PROJECT_LEVEL:
        item = Item(place=told.position)  # the stream has forgotten what came before, and keeps the end
    if item is None:
        return state
    if isinstance(event, TaskRolledBack):
        state = _returned(state, scope, item, event)
    elif item.status not in ENDED:
        state = _of_task(_counted(state, scope.project, event), scope, item, told)
    after = state.tasks[scope]
    if after.status == item.status:
        return state
    past = (*after.past, (told.position, replace(after, past=())))
    return replace(state, tasks=state.tasks.insert(scope, replace(after, past=past)))


def _returned(state: State, scope: Scope, item: Item, event: TaskRolledBack) -> State:
    """Return to an end that the task had come to, or rest until a person says how it goes on."""
    then = replace(item.at(event.to), timed=item.timed, late=item.late, past=item.past)
    if then.status in ENDED:
        state = moved(state, scope, replace(then, status=item.status), then.status)
    else:
        again = then.again or then.status in ("new", "blocked", "queued")
        state = moved(state, scope, replace(then, status=item.status, again=again), "person")
    return _released(state, scope) if then.status == "completed" else _held_back(state, scope)


def submitted(task: TaskSubmitted, position: int) -> Item:
    """Return *task* as it stands in line."""
    return Item(
        place=position, priority=task.priority, deadline=_deadline(task), due=task.deadline,
        after=tuple(dict.fromkeys(task.after)), goal=task.goal, repo=task.repo, base=task.base,
        policy=task.policy,
        problems=tuple(problems(task)), size=_size(task),
    )  # fmt: skip


def _deadline(task: TaskSubmitted) -> float:
    at = due(task.deadline)
    return NEVER if at is None else at


def _size(task: TaskSubmitted) -> Complexity:
    """Return how large the task is, and what to do if that is too large."""
    found = complexity.of(task.complexity, task.text, task.checks, task.acceptance)
    most = sorted(found.parts, key=lambda part: -part.points)[:2]
    because = ", ".join(f"{part.name}: {part.because}" for part in most)
    advice = (
        f"this is a large task ({found.total} of 100; {because}): `obra goal` plans it as several smaller ones"
        if found.too_large and not task.goal
        else ""
    )
    parts = (ComplexityPart(name=part.name, points=part.points, because=part.because) for part in found.parts)
    return Complexity(total=found.total, parts=tuple(parts), advice=advice)


def _paused(state: State, project: str, event: ProjectPaused | ProjectResumed) -> State:
    pausing = isinstance(event, ProjectPaused)
    why = event.reason if isinstance(event, ProjectPaused) else ""
    lane = replace(state.lane(project), paused=pausing, why=why, misfires=0, misfire="")
    return replace(state, lanes=state.lanes.insert(project, lane))


def _counted(state: State, project: str, event: Event) -> State:
    """Count the tasks that fail in a row for reasons outside of them; whatever else becomes of work ends the row."""
    lane = state.lane(project)
    match event:
        case TaskFailed(outside=True, reasons=reasons):
            lane = replace(lane, misfires=lane.misfires + 1, misfire=next(iter(reasons), "")[:400])
        case TaskFailed() | TaskCompleted() if lane.misfires:
            lane = replace(lane, misfires=0, misfire="")
        case _:
            return state
    return replace(state, lanes=state.lanes.insert(project, lane))


def _of_task(state: State, scope: Scope, item: Item, told: Told) -> State:
    match told.event:
        case TaskHeld() as held if item.status in ("new", "blocked", "queued"):
            return _held(state, scope, item, held)
        case TaskReadied():
            return moved(state, scope, item, "running")
        case TaskCompleted() as done:
            item = replace(item, branch=done.branch, commit=done.commit)
            return _released(gate.completed(moved(state, scope, item, "completed"), scope, item), scope)
        case TaskFailed() | TaskRejected() | TaskCancelled() as lost:
            status: Status = _lost(lost)
            return moved(state, scope, replace(item, why=_reason(lost)), status)
        case BreakpointRaised() | QuestionAsked(to="person") | MessageDeadLettered() if item.status == "running":
            return moved(state, scope, item, "person")
        case BreakpointResolved(resolution=said) if item.status == "person" and item.again:
            return _in_line(state, scope, replace(item, again=False, held="")) if said == "retry" else state
        case BreakpointResolved() | QuestionAnswered() | DecisionOverridden() if (
            item.status == "person" and not item.again
        ):
            return moved(state, scope, item, "running")
        case TimerSet(timer=timer) if timer == DEADLINE:
            return replace(state, tasks=state.tasks.insert(scope, replace(item, timed=True)))
        case TimerFired(timer=timer) if timer == DEADLINE:
            return replace(state, tasks=state.tasks.insert(scope, replace(item, late=True)))
        case _:
            return state


def _held(state: State, scope: Scope, item: Item, event: TaskHeld) -> State:
    """Put the task in line, as it was said."""
    return _in_line(state, scope, replace(item, held=event.waits_for, why=event.reason))


def _in_line(state: State, scope: Scope, item: Item) -> State:
    """Put the task behind those that it waits for, or in line if there are none any more."""
    waits = open_dependencies(state, scope, item)
    for other in (Scope(scope.project, name) for name in item.after):
        known = state.dependents.get(other, ())
        if scope not in known:
            state = replace(state, dependents=state.dependents.insert(other, (*known, scope)))
    return moved(state, scope, item, "blocked" if waits or gate.shut(state, scope, item) else "queued")


def _released(state: State, scope: Scope) -> State:
    """Put those in line who waited for *scope* alone."""
    for other in state.dependents.get(scope, ()):
        item = state.tasks.get(other)
        if item is None or item.status != "blocked" or open_dependencies(state, other, item):
            continue
        if not gate.shut(state, other, item):
            state = moved(state, other, item, "queued")
    return state


def _held_back(state: State, scope: Scope) -> State:
    """Take those out of the line who grow from what *scope* had done, and does not have any more."""
    for other in state.dependents.get(scope, ()):
        item = state.tasks.get(other)
        if item is not None and item.status == "queued":
            state = moved(state, other, item, "blocked")
    return state


def _lost(event: Event) -> Status:
    match event:
        case TaskCancelled():
            return "cancelled"
        case TaskRejected():
            return "rejected"
        case _:
            return "failed"


def _reason(event: Event) -> str:
    match event:
        case TaskCancelled():
            return event.reason
        case TaskFailed() | TaskRejected():
            return "; ".join(event.reasons[:2])[:400]
        case _:
            return ""
