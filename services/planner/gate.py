"""The gate between milestones: tasks of a goal that wait until a person has looked at what is reached.

A goal is shut from the moment on at which the last task of a milestone is completed. The milestone is then announced;
where nobody needs to look at it, that opens the goal again at once.
"""

from msgspec.structs import replace

from obra.events.subjects import Scope
from obra.services.planner.goal import Goal
from obra.services.planner.line import moved
from obra.services.planner.state import Item, State, open_dependencies


def goal_of(state: State, scope: Scope, item: Item) -> Goal | None:
    """Return the goal that the task *item* belongs to."""
    return state.goals.get(Scope(scope.project, item.goal)) if item.goal else None


def shut(state: State, scope: Scope, item: Item) -> bool:
    """Return whether the task may not start now, whatever room there is."""
    goal = goal_of(state, scope, item)
    return goal is not None and goal.shut


def completed(state: State, scope: Scope, item: Item) -> State:
    """Take in that a task is completed: with the last one of a milestone, that one is finished."""
    goal = goal_of(state, scope, item)
    mine = next((task.milestone for task in (goal.plan if goal else None) or () if task.task == scope.task), "")
    if goal is None or not mine or goal.over:
        return state
    others = (state.item(scope.project, task.task) for task in goal.plan or () if task.milestone == mine)
    if not all(other is not None and other.status == "completed" for other in others):
        return state
    where = Scope(scope.project, item.goal)
    goals = state.goals.insert(where, replace(goal, finished=goal.finished | {mine}))
    return passed(replace(state, goals=goals), where)


def passed(state: State, scope: Scope) -> State:
    """Take the tasks of the goal *scope* out of the line, or let them in again, as the gate now stands."""
    goal = state.goals[scope]
    wrong = "queued" if goal.shut else "blocked"
    for task in goal.plan or ():
        where = Scope(scope.project, task.task)
        item = state.tasks.get(where)
        if item is None or item.goal != scope.task or item.status != wrong or open_dependencies(state, where, item):
            continue
        state = moved(state, where, item, "blocked" if goal.shut else "queued")
    return state
