"""What the planner says to people."""

from collections.abc import Iterator, Sequence

from obra.events.subjects import Scope
from obra.services.planner.goal import Goal
from obra.services.planner.state import ENDED, LOST, Item, Lane, State

NAMED_MAX = 5


def listed(names: Sequence[str]) -> str:
    """Return *names* as people list them: `a, b and c`."""
    shown = list(names[:NAMED_MAX]) + [f"{len(names) - NAMED_MAX} more"] * (len(names) > NAMED_MAX)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def no_room(state: State, project: str) -> str:
    """Return why a task that could start has to wait for its turn."""
    lane, most = state.lane(project), state.policy.project_tasks_max
    if most and lane.running >= most:
        return f"waits for its turn: {lane.running} of {most} tasks of project {project} are in work"
    return f"waits for its turn: {state.running} of {state.policy.tasks_max} tasks are in work"


def of_misfires(lane: Lane) -> str:
    """Return why a project was paused without anybody's word."""
    return f"{lane.misfires} tasks in a row failed for a reason that lies outside of them: {lane.misfire}"


def of_milestones(name: str, goal: Goal) -> str:
    """Return why a task waits for a person's word on its goal."""
    if goal.stopped:
        return goal.stopped
    reached = listed(sorted(goal.unseen or goal.finished - goal.reached))
    return f"milestone {reached} of {name} is reached: `obra approve {name}` lets its goal go on"


def of_dependencies(state: State, scope: Scope, item: Item) -> Iterator[str]:
    """Yield why what the task waits for can never be there."""
    for name in item.after:
        other = state.item(scope.project, name)
        if name == scope.task:
            yield f"it waits for itself: {name} → {name}"
        elif other is None:
            yield f"it waits for {name}, and project {scope.project} has no such task; submit that one first"
        elif other.status in LOST:
            why = f" ({other.why})" if other.why else ""
            yield f"it waits for {name}, which {_verb(other)}{why}; once that is done, submit this one again"
    if loop := _loop(state, scope):
        yield f"these tasks wait for each other: {' → '.join(loop)}"


def _verb(item: Item) -> str:
    return {"failed": "failed", "cancelled": "was cancelled"}.get(item.status, "was rejected")


def _loop(state: State, scope: Scope) -> list[str]:
    """Return the way from the task over those that it waits for back to itself, if there is one."""
    came_from: dict[str, str] = {}
    todo = [scope.task]
    while todo:
        name = todo.pop()
        item = state.item(scope.project, name)
        for other in item.after if item and item.status not in ENDED else ():
            if other == scope.task and name != scope.task:
                back = [name]
                while back[-1] != scope.task:
                    back.append(came_from[back[-1]])
                return [*reversed(back), scope.task]
            if other not in came_from and other != scope.task:
                came_from[other] = name
                todo.append(other)
    return []
