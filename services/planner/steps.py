"""What a goal needs next, from its statement to its end: one step at a time."""

from collections.abc import Sequence

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Content,
    Event,
    GoalCompleted,
    GoalFailed,
    MilestoneReached,
    PlanAccepted,
    PlanDrafted,
    PlannedTask,
    PlanRejected,
    PlanRequested,
    Policy,
    TaskCancelled,
)
from obra.events.subjects import TOKEN, Scope
from obra.services.planner import plan
from obra.services.planner.goal import Goal
from obra.services.planner.state import ENDED, Item, State
from obra.shared.manager import Answer
from obra.shared.problems import problems
from obra.shared.tuning import tuned

SHOWN_MAX = 30


def following(state: State, scope: Scope) -> Answer | None:
    """Return the next thing to be said about the goal in *scope*; None where it waits or has ended."""
    goal = state.goals.get(scope)
    if goal is None or goal.over or goal.waiting:
        return None
    if goal.plan is not None:
        return _carried_out(state, scope, goal, goal.plan)
    said = _planned(state, scope, goal)
    return (scope, said) if said else None


def _planned(state: State, scope: Scope, goal: Goal) -> Event | None:
    """Return the next step on the way to a plan."""
    if goal.word:
        return _spoken(state, scope, goal, goal.word)
    if goal.draft:
        return _judged(state, scope, goal, goal.draft)
    if goal.number:
        return None
    if wrong := _statement(scope, goal):
        return GoalFailed(reasons=wrong)
    return PlanRequested(goal=Content.of(goal.goal.text), draft=1)


def _policy(state: State, goal: Goal) -> Policy:
    """Return the policy that holds for the goal itself."""
    return tuned(state.policy, goal.goal.policy)


def _statement(scope: Scope, goal: Goal) -> tuple[str, ...]:
    """Return what is wrong with the goal itself."""
    task = plan.submission(scope.task, goal.goal, PlannedTask(task="", text=goal.goal.text), last=True)
    return tuple(problems(task))


def _faults(state: State, scope: Scope, goal: Goal, draft: PlanDrafted) -> tuple[str, ...]:
    if not draft.usable:
        return (draft.reason or "there is no usable plan",)
    found = list(plan.faults(goal.goal, draft.tasks, _policy(state, goal).plan_tasks_max))
    for number in range(1, len(draft.tasks) + 1):
        name = f"{scope.task}-{number}"
        if not TOKEN.fullmatch(name) or Scope(scope.project, name) in state.tasks:
            found.append(f"the plan's task {number} would be called {name!r}, which is too long or taken")
    return tuple(found)


def _judged(state: State, scope: Scope, goal: Goal, draft: PlanDrafted) -> Event:
    """Return what becomes of a draft: a plan, a word from a person, another draft, or the end."""
    faults = _statement(scope, goal) or _faults(state, scope, goal, draft)
    if not faults:
        tasks = plan.named(scope.task, draft.tasks)
        if not goal.goal.review:
            return PlanAccepted(tasks=tasks)
        return BreakpointRaised(name="plan_review", reasons=("the plan waits for your word", *_told(tasks)))
    if not goal.rejected:
        return PlanRejected(reasons=faults, draft=draft.draft)
    if draft.by == "file" and goal.number == 1:
        return GoalFailed(reasons=faults)
    if draft.by or draft.provider == "none" or goal.asked >= _policy(state, goal).plan_drafts_max:
        return _stuck(goal, draft, faults)
    return PlanRequested(goal=Content.of(goal.goal.text), problems=faults, draft=goal.number + 1)


def _stuck(goal: Goal, draft: PlanDrafted, faults: Sequence[str]) -> BreakpointRaised:
    if draft.by:
        why = "the plan can't be used"
    elif draft.provider == "none":
        why = "there is no LLM to draft a plan"
    else:
        why = f"none of {goal.asked} drafts could be used" if goal.asked > 1 else "the draft could not be used"
    hint = "give a plan with `obra goal edit GOAL --plan FILE`, or let the LLM draft another with `obra retry GOAL`"
    return BreakpointRaised(name="plan_needed", reasons=(f"{why}; {hint}", *faults))


def _spoken(state: State, scope: Scope, goal: Goal, word: BreakpointResolved) -> Event:
    """Return what follows from a person's word."""
    note = (word.note.text,) if word.note.text else ()
    if word.resolution == "reject":
        return GoalFailed(reasons=(f"{word.by or 'a person'} rejected the plan", *note))
    if word.resolution == "retry":
        problems = note or ("a person wants another plan",)
        return PlanRequested(goal=Content.of(goal.goal.text), problems=problems, draft=goal.number + 1)
    if goal.draft is None or _faults(state, scope, goal, goal.draft):
        reasons = ("there is no plan that could be approved; give one with `obra goal edit GOAL --plan FILE`",)
        return BreakpointRaised(name="plan_needed", reasons=reasons)
    return PlanAccepted(tasks=plan.named(scope.task, goal.draft.tasks))


def _told(tasks: Sequence[PlannedTask]) -> list[str]:
    """Return the plan as lines."""
    lines = []
    for task in tasks[:SHOWN_MAX]:
        after = f" (after {', '.join(task.after)})" if task.after else ""
        first = task.text.strip().splitlines()[0]
        lines.append(f"{task.task}: {first[:200]}{after}")
    return lines


def _carried_out(state: State, scope: Scope, goal: Goal, tasks: Sequence[PlannedTask]) -> Answer | None:
    """Return the next step of an accepted plan: a task to submit or to take back, a milestone, the end."""
    last = plan.sinks(tasks)
    for task in tasks if not goal.stopped else ():
        where = Scope(scope.project, task.task)
        if where not in state.tasks:
            return where, plan.submission(scope.task, goal.goal, task, last=task.task in last)
    if step := _milestone(state, scope, goal, tasks):
        return scope, step
    items = {task.task: item for task in tasks if (item := state.item(scope.project, task.task))}
    going_on = [name for name, item in items.items() if item.status not in ENDED]
    if going_on and goal.stopped:
        return Scope(scope.project, going_on[0]), TaskCancelled(reason=goal.stopped)
    if going_on or goal.unseen:
        return None
    return scope, _end(items, last, goal.stopped)


def _milestone(state: State, scope: Scope, goal: Goal, tasks: Sequence[PlannedTask]) -> Event | None:
    """Return what is to be said of a milestone: that it is reached, or that a person must look at it."""
    for name in dict.fromkeys(task.milestone for task in tasks if task.milestone):
        if name in goal.finished - goal.reached:
            members = tuple(task.task for task in tasks if task.milestone == name)
            return MilestoneReached(milestone=name, tasks=members, review=_policy(state, goal).breakpoints.milestone)
    for name, raised in goal.unseen.items():
        if raised is None:
            return BreakpointRaised(
                name="milestone", milestone=name, severity="notice", reasons=_to_look_at(scope.task, goal, name)
            )
    return None


def _to_look_at(who: str, goal: Goal, name: str) -> tuple[str, ...]:
    if name in goal.sent_back:
        return (
            f"milestone {name} can't be tried again as a whole: approve it and submit what is still to be done as a "
            "task of its own, or reject it, which ends the goal",
        )
    return (f"milestone {name} is reached: `obra approve {who}` lets the goal go on, `obra reject {who}` ends it",)


def tasks(state: State, scope: Scope) -> tuple[Scope, ...]:
    """Return the tasks of the goal in *scope*, as its plan has them."""
    goal = state.goals.get(scope)
    return tuple(Scope(scope.project, task.task) for task in (goal.plan if goal else None) or ())


def _end(items: dict[str, Item], last: Sequence[str], stopped: str) -> Event:
    done = tuple(name for name, item in items.items() if item.status == "completed")
    if len(done) == len(items) and not stopped:
        return GoalCompleted(tasks=done, branches=tuple(items[name].branch for name in last))
    lost = tuple(f"{name} {_verb(item)}" for name, item in items.items() if item.status != "completed")
    return GoalFailed(reasons=(stopped, *lost) if stopped else lost, completed=done)


def _verb(item: Item) -> str:
    verb = {"failed": "failed", "cancelled": "was cancelled"}.get(item.status, "was not begun")
    return f"{verb}: {item.why}" if item.why else verb
