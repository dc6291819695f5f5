"""What may start, what must wait and why, what can't be done any more, and what a goal needs next."""

from collections.abc import Generator, Iterable

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    CalibrationFitted,
    DecisionOverridden,
    Event,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    MessageDeadLettered,
    MilestoneReached,
    PlanAccepted,
    PlanDrafted,
    PlanRejected,
    PlanRequested,
    Policy,
    PolicyAdopted,
    PolicyProposed,
    ProjectPaused,
    ProjectResumed,
    QuestionAnswered,
    QuestionAsked,
    TaskCancelled,
    TaskHeld,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    TimerFired,
    TimerSet,
)
from obra.events.subjects import PROJECT_LEVEL, Scope
from obra.services.planner import gate, steps, words
from obra.services.planner.evolve import DEADLINE, ENDS, evolve
from obra.services.planner.line import has_room, next_up
from obra.services.planner.state import LOST, Item, State, open_dependencies
from obra.shared.manager import Answer, Manager, Told
from obra.shared.tuning import tuned

Saying = Generator[Answer, None, State]
"""Yields answers, and returns the state that they lead to."""

ROOM = (BreakpointRaised, QuestionAsked, MessageDeadLettered, ProjectResumed, PolicyAdopted)
OF_GOALS = (GoalSubmitted, PlanDrafted, PlanAccepted, BreakpointResolved)


def decide(state: State, told: Told) -> Iterable[Answer]:
    """Yield what is still to be said because of what was *told*."""
    scope, event = told.scope, told.event
    match event:
        case TaskSubmitted():
            yield from _admit(state, told)
        case TimerFired(timer=timer) if timer == DEADLINE:
            yield from _expire(state, scope)
        case _ if isinstance(event, ENDS):
            yield from _ended(state, scope)
        case TaskRolledBack():
            yield from _told((yield from _start(state)), state.dependents.get(scope, ()))
        case _ if isinstance(event, ROOM):
            yield from _start(state)
        case BreakpointResolved() if scope in state.tasks:
            yield from _again(state, scope)
        case BreakpointResolved():
            yield from _let_on(state, scope)
        case _ if isinstance(event, OF_GOALS):
            yield from _onward(state, scope)


def _say(state: State, scope: Scope, event: Event) -> Saying:
    yield scope, event
    return evolve(state, Told(scope, event))


def _admit(state: State, told: Told) -> Saying:
    """Answer a task that was submitted: it starts, it is held, or it can't be done."""
    scope = told.scope
    item = state.tasks.get(scope)
    if item is None:
        return state
    if item.status == "new":
        if reasons := tuple(_problems(state, told, item)):
            return (yield from _say(state, scope, TaskRejected(reasons=reasons)))
        waits = open_dependencies(state, scope, item) or gate.shut(state, scope, item)
        if not waits and _may_start(state, scope):
            return (yield from _say(state, scope, _readied(state, scope, item)))
        state = yield from _say(state, scope, _held(state, scope, item))
    return (yield from _wait(state, scope))


def _wait(state: State, scope: Scope) -> Saying:
    """A task is held: its deadline is watched, and where nothing is in work, nobody else would make the line move."""
    if not state.running and (first := next_up(state)):
        state = yield from _say(state, first, _readied(state, first, state.tasks[first]))
    item = state.tasks[scope]
    if item.status in ("blocked", "queued") and item.due and not item.timed:
        state = yield from _say(state, scope, TimerSet(timer=DEADLINE, at=item.due))
    return state


def _again(state: State, scope: Scope) -> Saying:
    """A person wants a task to go on that was returned to before it was readied: it comes into line once more."""
    item = state.tasks[scope]
    if item.status not in ("blocked", "queued") or item.held:
        return state
    if reasons := (*item.problems, *words.of_dependencies(state, scope, item)):
        return (yield from _say(state, scope, TaskRejected(reasons=reasons)))
    if item.status == "queued":
        state = yield from _start(state)
    item = state.tasks[scope]
    if item.status in ("blocked", "queued"):
        state = yield from _say(state, scope, _held(state, scope, item))
    return state


def _problems(state: State, told: Told, item: Item) -> Iterable[str]:
    yield from item.problems
    yield from words.of_dependencies(state, told.scope, item)
    if item.late or told.at.timestamp() >= item.deadline:
        yield f"its deadline, {item.due}, had passed already when it was submitted"


def _may_start(state: State, scope: Scope) -> bool:
    """Return whether there is room for a new task, and nobody in line who comes first."""
    return has_room(state, state.lane(scope.project)) and next_up(state) is None


def _readied(state: State, scope: Scope, item: Item) -> TaskReadied:
    return TaskReadied(
        policy=tuned(state.policy, item.policy),
        calibration=state.calibration,
        candidate=tuned(state.candidate, item.policy) if state.candidate else None,
        complexity=item.size,
        base=_bases(state, scope, item),
    )


def _bases(state: State, scope: Scope, item: Item) -> tuple[str, ...]:
    """Return the accepted work that the task grows from: that of what it waited for, in the same repository."""
    if item.base and not item.goal:
        return ()
    others = (state.item(scope.project, name) for name in item.after)
    return tuple(dict.fromkeys(o.commit for o in others if o and o.commit and o.repo == item.repo))


def _held(state: State, scope: Scope, item: Item) -> TaskHeld:
    lane = state.lane(scope.project)
    if waits := open_dependencies(state, scope, item):
        names = tuple(other.task for other in waits)
        return TaskHeld(waits_for="tasks", reason=f"waits for {words.listed(names)}", tasks=names)
    if (goal := gate.goal_of(state, scope, item)) and goal.shut:
        return TaskHeld(waits_for="milestone", reason=words.of_milestones(item.goal, goal))
    if lane.paused:
        why = f" ({lane.why})" if lane.why else ""
        reason = f"project {scope.project} is paused{why}; `obra project resume {scope.project}` lets it start"
        return TaskHeld(waits_for="project", reason=reason)
    return TaskHeld(waits_for="slot", reason=words.no_room(state, scope.project))


def _start(state: State) -> Saying:
    """Start as many as there is room for, in their order."""
    while scope := next_up(state):
        state = yield from _say(state, scope, _readied(state, scope, state.tasks[scope]))
    return state


def _ended(state: State, scope: Scope) -> Saying:
    """A place is free, others have waited for this task, and its goal may be nearer."""
    state = yield from _fuse(state, scope.project)
    item, dependents = state.tasks.get(scope), state.dependents.get(scope, ())
    if (goal := state.goals.get(scope)) and goal.cancelled:
        state = yield from _cancelled(state, scope)
    if item and item.status in LOST:
        for other in dependents:
            waiting = state.tasks.get(other)
            if waiting and waiting.status == "blocked":
                reasons = tuple(words.of_dependencies(state, other, waiting))
                state = yield from _say(state, other, TaskRejected(reasons=reasons))
    of_goal: tuple[Scope, ...] = ()
    if item and item.goal:
        state = yield from _onward(state, Scope(scope.project, item.goal))
        of_goal = steps.tasks(state, Scope(scope.project, item.goal))
    state = yield from _start(state)
    state = yield from _told(state, dict.fromkeys((*dependents, *of_goal)))
    return state


def _fuse(state: State, project: str) -> Saying:
    """Pause a project where one task after the other fails for the same want, before the whole line does."""
    lane, most = state.lane(project), state.policy.misfires_max
    if lane.paused or not lane.urgent or not most or lane.misfires < most:
        return state
    pause = ProjectPaused(reason=words.of_misfires(lane), by="planner")
    return (yield from _say(state, Scope(project, PROJECT_LEVEL), pause))


def _told(state: State, scopes: Iterable[Scope]) -> Saying:
    """Say what held tasks among *scopes* wait for now, where that is or was something else than their turn."""
    for scope in scopes:
        item = state.tasks.get(scope)
        if item is None or item.status not in ("blocked", "queued") or not item.held:
            continue
        now = _held(state, scope, item)
        if now.waits_for != item.held and {"tasks", "milestone"} & {now.waits_for, item.held}:
            state = yield from _say(state, scope, now)
    return state


def _let_on(state: State, scope: Scope) -> Saying:
    """A person has spoken on a goal: its next step follows, and its tasks may have waited for that."""
    state = yield from _onward(state, scope)
    state = yield from _start(state)
    return (yield from _told(state, steps.tasks(state, scope)))


def _cancelled(state: State, scope: Scope) -> Saying:
    """A goal was taken back: so are its tasks."""
    goal = state.goals[scope]
    for planned in goal.plan or ():
        other = Scope(scope.project, planned.task)
        if (item := state.tasks.get(other)) and item.goal == scope.task and item.status not in (*LOST, "completed"):
            state = yield from _say(state, other, TaskCancelled(reason=f"goal {scope.task} was cancelled"))
    return state


def _expire(state: State, scope: Scope) -> Saying:
    """The deadline of a task has passed: if it has not started, it never will."""
    item = state.tasks.get(scope)
    if item is None or not item.late or item.status not in ("blocked", "queued"):
        return state
    reason = f"its deadline, {item.due}, passed before it could start: it {item.why or 'was held'}"
    return (yield from _say(state, scope, TaskRejected(reasons=(reason,))))


def _onward(state: State, scope: Scope) -> Saying:
    """Say what a goal needs, one step after the other."""
    while answer := steps.following(state, scope):
        state = yield from _say(state, *answer)
    return state


def planner(policy: Policy) -> Manager[State]:
    """Return the planner that works under *policy*."""
    return Manager(
        name="planner",
        initial=State(policy=policy),
        hears=(*OF_GOALS, TaskSubmitted, *ENDS, TimerFired, TaskRolledBack, *ROOM),
        says=(
            TaskReadied, TaskHeld, TaskRejected, TaskSubmitted, TaskCancelled, TimerSet, PlanRequested, PlanAccepted,
            PlanRejected, BreakpointRaised, MilestoneReached, GoalCompleted, GoalFailed, ProjectPaused,
        ),
        follows=(QuestionAnswered, DecisionOverridden, CalibrationFitted, PolicyProposed),
        evolve=evolve,
        decide=decide,
    )  # fmt: skip
