"""Events of goals, plans, projects and waiting tasks as sentences."""

from collections.abc import Iterable, Sequence

from obra.events import PlannedTask, TaskReadied
from obra.events import planning as p
from obra.services.console.render.line import Line, because
from obra.services.console.render.registry import of
from obra.services.console.render.text import count, one_line


@of(TaskReadied)
def _readied(e: TaskReadied) -> Iterable[Line]:
    yield Line("ready to be worked on", "quiet", detail=True)
    if e.base:
        yield Line(f"it starts from the accepted work of {count(len(e.base), 'task')}", "quiet")
    if e.complexity.advice:
        yield Line(f"note: {one_line(e.complexity.advice)}", "warning")


@of(p.TaskHeld)
def _held(e: p.TaskHeld) -> Iterable[Line]:
    yield Line(f"queued: {one_line(e.reason)}", "warning")


@of(p.GoalSubmitted)
def _goal(e: p.GoalSubmitted) -> Iterable[Line]:
    yield Line(f"goal: {one_line(e.text)}")
    yield Line(f"repository {e.repo}, agent {e.agent}, {count(len(e.checks), 'check')}", "quiet", detail=True)


@of(p.PlanRequested)
def _requested(e: p.PlanRequested) -> Iterable[Line]:
    yield Line("a plan is being drafted" if e.draft == 1 else f"draft {e.draft} of the plan is being made")


@of(p.PlanDrafted)
def _drafted(e: p.PlanDrafted) -> Iterable[Line]:
    who = e.by or "/".join(filter(None, (e.provider, e.model))) or "the LLM"
    if e.usable:
        yield Line(f"a plan of {count(len(e.tasks), 'task')} was drafted by {who}", "quiet")
    else:
        yield Line(f"no plan{'' if e.provider == 'none' else f' from {who}'}: {one_line(e.reason)}", "warning")


@of(p.PlanAccepted)
def _accepted(e: p.PlanAccepted) -> Iterable[Line]:
    yield Line(f"the plan has {count(len(e.tasks), 'task')}:", "good")
    yield from map(Line, _plan(e.tasks))


def _plan(tasks: Sequence[PlannedTask]) -> list[str]:
    lines = []
    for task in tasks:
        after = f" (after {', '.join(task.after)})" if task.after else ""
        milestone = f" [{task.milestone}]" if task.milestone else ""
        lines.append(f"  {task.task}{milestone}  {one_line(task.text, 100)}{after}")
    return lines


@of(p.PlanRejected)
def _rejected(e: p.PlanRejected) -> Iterable[Line]:
    yield from because("the plan can't be used", e.reasons, "warning")


@of(p.MilestoneReached)
def _reached(e: p.MilestoneReached) -> Iterable[Line]:
    yield Line(f"milestone {e.milestone} is reached: {', '.join(e.tasks)}", "good")


@of(p.GoalCompleted)
def _completed(e: p.GoalCompleted) -> Iterable[Line]:
    yield Line(f"the goal is reached: {count(len(e.tasks), 'task')}, all work in {', '.join(e.branches)}", "good")


@of(p.GoalFailed)
def _failed(e: p.GoalFailed) -> Iterable[Line]:
    yield from because("the goal is not reached", e.reasons, "bad")


@of(p.ProjectPaused)
def _paused(e: p.ProjectPaused) -> Iterable[Line]:
    itself = " by itself" if e.by == "planner" else ""
    yield Line(f"the project is paused{itself}" + (f": {one_line(e.reason)}" if e.reason else ""), "warning")


@of(p.ProjectResumed)
def _resumed(_: p.ProjectResumed) -> Iterable[Line]:
    yield Line("the project goes on", "good")
