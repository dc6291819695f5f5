"""Is a plan sound? And the names under which its tasks are submitted."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from obra.events import GoalSubmitted, PlannedTask, TaskSubmitted
from obra.events.subjects import TOKEN

TEXT_CHARS_MAX = 20_000
CHECK_CHARS_MAX, CRITERION_CHARS_MAX, KIND_CHARS_MAX = 8_192, 2_000, 32
LIST_MAX = 32


def faults(goal: GoalSubmitted, tasks: Sequence[PlannedTask], tasks_max: int) -> Iterator[str]:
    """Yield every reason why *tasks* are no plan for *goal*, so that who drafted them can mend it."""
    if not tasks:
        yield "the plan has no tasks"
    if len(tasks) > tasks_max:
        allowed = f"{tasks_max} are allowed (decision.plan_tasks_max)"
        yield f"the plan has {len(tasks)} tasks; {allowed}: make them larger, or fewer"
    names = [task.task for task in tasks]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two tasks are called {name!r}"
    for task in tasks:
        yield from _faults(task, frozenset(names), checked=bool(goal.checks))
    if loop := cycle({task.task: task.after for task in tasks}):
        yield f"these tasks wait for each other: {' → '.join(loop)}"


def _faults(task: PlannedTask, names: frozenset[str], *, checked: bool) -> Iterator[str]:
    who = f"task {task.task!r}"
    if not task.task.strip():
        yield "a task has no name"
    if not task.text.strip() or len(task.text) > TEXT_CHARS_MAX:
        yield f"{who} says nothing to do" if not task.text.strip() else f"{who} is over {TEXT_CHARS_MAX:,} characters"
    if task.task in task.after:
        yield f"{who} waits for itself"
    for name in task.after:
        if name not in names:
            yield f"{who} waits for {name!r}, which is no task of the plan"
    if not (task.checks or task.acceptance or checked):
        yield f"{who} can't be verified: give it a check or acceptance criteria"
    sized = [(text, CHECK_CHARS_MAX) for text in task.checks] + [
        (text, CRITERION_CHARS_MAX) for text in task.acceptance
    ]
    if any(not text.strip() or len(text) > most for text, most in sized) or len(task.kind) > KIND_CHARS_MAX:
        yield f"{who} has a check, a criterion or a kind that is blank or endless"
    if max(len(task.checks), len(task.acceptance)) > LIST_MAX:
        yield f"{who} has more than {LIST_MAX} checks or criteria"
    if task.milestone and not TOKEN.fullmatch(task.milestone):
        yield f"{who}: a milestone is called by letters, digits, dashes and underscores, not {task.milestone!r}"


def cycle(after: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a loop in *after* (each name with those it waits for) as its names, the first again last; or nothing."""
    done: set[str] = set()
    for start in after:
        path: list[str] = []
        stack = [(start, iter(after[start]))] if start not in done else []
        while stack:
            name, waits = stack[-1]
            if len(path) < len(stack):
                path.append(name)
            following = next((one for one in waits if one in after and one not in done), None)
            if following is None:
                done.add(name)
                path.pop()
                stack.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            else:
                stack.append((following, iter(after[following])))
    return []


def named(goal: str, tasks: Sequence[PlannedTask]) -> tuple[PlannedTask, ...]:
    """Return *tasks*, which are sound, in an order in which none comes before what it waits for, as ``GOAL-1``…"""
    ordered: list[PlannedTask] = []
    names: dict[str, str] = {}
    left = list(tasks)
    while left:
        task = next(task for task in left if all(name in names for name in task.after))
        left.remove(task)
        names[task.task] = f"{goal}-{len(ordered) + 1}"
        ordered.append(replace(task, task=names[task.task], after=tuple(names[name] for name in task.after)))
    return tuple(ordered)


def sinks(tasks: Sequence[PlannedTask]) -> tuple[str, ...]:
    """Return the tasks that no other waits for."""
    waited = {name for task in tasks for name in task.after}
    return tuple(task.task for task in tasks if task.task not in waited)


def submission(name: str, goal: GoalSubmitted, task: PlannedTask, *, last: bool) -> TaskSubmitted:
    """Return *task* of the accepted plan as it is submitted.

    A task with checks of its own runs those, one without runs the goal's, and the *last* ones, which nothing waits
    for, run both: what the goal demands as a whole may not hold before.
    """
    checks = tuple(dict.fromkeys((*task.checks, *(goal.checks if last or not task.checks else ()))))[:LIST_MAX]
    return TaskSubmitted(
        text=task.text, repo=goal.repo, base=goal.base, checks=checks, agent=goal.agent, model=goal.model, llm=goal.llm,
        template=goal.template,
        sandbox=goal.sandbox, attempts_max=goal.attempts_max, turns_max=goal.turns_max, budget_usd=goal.budget_usd,
        timeout_s=goal.timeout_s, silence_s=goal.silence_s, check_timeout_s=goal.check_timeout_s,
        agent_env=goal.agent_env, priority=task.priority or goal.priority, after=task.after,
        acceptance=task.acceptance, kind=task.kind, goal=name, milestone=task.milestone, complexity=task.complexity,
        deadline=goal.deadline, policy=goal.policy,
    )  # fmt: skip
