"""Whose turn it is: priority first, then deadline, then age, within the room that the policy gives.

Every so often a project starts the task that has waited longest, whatever its priority, so that a stream of urgent
ones can't keep it waiting for ever.
"""

from msgspec.structs import replace

from obra.events.subjects import Scope
from obra.services.planner.state import Item, Lane, State, Status
from obra.shared.heap import added, rest

OLDEST_EVERY = 16
"""Each so-manieth start in a project is that of the task that waited longest."""


def next_up(state: State) -> Scope | None:
    """Return the task that may start now; None where nobody waits or there is no room."""
    if state.running >= state.policy.tasks_max:
        return None
    found = [
        (item.urgency, scope)
        for project in state.busy
        if has_room(state, lane := state.lane(project)) and (scope := _first(project, lane))
        if (item := state.tasks.get(scope))
    ]
    return min(found)[1] if found else None


def has_room(state: State, lane: Lane) -> bool:
    """Return whether one more task of *lane* may be in work."""
    most = state.policy.project_tasks_max or state.policy.tasks_max
    return not lane.paused and lane.running < most and state.running < state.policy.tasks_max


def _first(project: str, lane: Lane) -> Scope | None:
    if lane.urgent is None or lane.oldest is None:
        return None
    oldest = lane.starts % OLDEST_EVERY == OLDEST_EVERY - 1
    return Scope(project, lane.oldest.first[1] if oldest else lane.urgent.first[3])


def moved(state: State, scope: Scope, item: Item, status: Status) -> State:
    """Return *state* with *item*, now of *status*, as the task *scope*; line and places in work follow."""
    before, lane = item.status, state.lane(scope.project)
    step = (status == "running") - (before == "running")
    if status == "queued" and before != "queued":
        lane = replace(
            lane,
            urgent=added(lane.urgent, (*item.urgency, scope.task)),
            oldest=added(lane.oldest, (item.place, scope.task)),
        )
    lane = replace(lane, running=lane.running + step, starts=lane.starts + (before == "queued" and status == "running"))
    state = replace(
        state, tasks=state.tasks.insert(scope, replace(item, status=status)), running=state.running + step,
    )  # fmt: skip
    lane = _pruned(state, scope.project, lane)
    busy = state.busy | {scope.project} if lane.urgent else state.busy - {scope.project}
    return replace(state, lanes=state.lanes.insert(scope.project, lane), busy=busy)


def _pruned(state: State, project: str, lane: Lane) -> Lane:
    """Return *lane* without those in front who do not queue any more."""
    urgent, oldest = lane.urgent, lane.oldest
    while urgent and not _queues(state, project, urgent.first[3]):
        urgent = rest(urgent)
    while oldest and not _queues(state, project, oldest.first[1]):
        oldest = rest(oldest)
    return lane if urgent is lane.urgent and oldest is lane.oldest else replace(lane, urgent=urgent, oldest=oldest)


def _queues(state: State, project: str, task: str) -> bool:
    item = state.item(project, task)
    return item is not None and item.status == "queued"
