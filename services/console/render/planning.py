"""Events of goals, plans, projects and waiting tasks as sentences."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from obra.events import Event, PlannedTask, TaskReadied
from obra.events import planning as p
from obra.services.console.render.line import Line, because
from obra.services.console.render.text import count, one_line


def readied(e: TaskReadied) -> Iterable[Line]:
    """Say that a task starts, and that it is large if it is."""
    yield Line("ready to be worked on", "quiet", detail=True)
    if e.base:
        yield Line(f"it starts from the accepted work of {count(len(e.base), 'task')}", "quiet")
    if e.complexity.advice:
        yield Line(f"note: {one_line(e.complexity.advice)}", "warning")


def held(e: p.TaskHeld) -> Iterable[Line]:
    """Say what a task waits for."""
    yield Line(f"queued: {one_line(e.reason)}", "warning")


def goal(e: p.GoalSubmitted) -> Iterable[Line]:
    """State the goal."""
    yield Line(f"goal: {one_line(e.text)}")
    yield Line(f"repository {e.repo}, agent {e.agent}, {count(len(e.checks), 'check')}", "quiet", detail=True)


def requested(e: p.PlanRequested) -> Iterable[Line]:
    """Say that the LLM is at it."""
    yield Line("a plan is being drafted" if e.draft == 1 else f"draft {e.draft} of the plan is being made")


def drafted(e: p.PlanDrafted) -> Iterable[Line]:
    """Say who proposes how much."""
    who = e.by or "/".join(filter(None, (e.provider, e.model))) or "the LLM"
    if e.usable:
        yield Line(f"a plan of {count(len(e.tasks), 'task')} was drafted by {who}", "quiet")
    else:
        yield Line(f"no plan{'' if e.provider == 'none' else f' from {who}'}: {one_line(e.reason)}", "warning")


def accepted(e: p.PlanAccepted) -> Iterable[Line]:
    """Show the plan."""
    yield Line(f"the plan has {count(len(e.tasks), 'task')}:", "good")
    yield from map(Line, plan(e.tasks))


def plan(tasks: Sequence[PlannedTask]) -> list[str]:
    """Return *tasks*, a line each."""
    lines = []
    for task in tasks:
        after = f" (after {', '.join(task.after)})" if task.after else ""
        milestone = f" [{task.milestone}]" if task.milestone else ""
        lines.append(f"  {task.task}{milestone}  {one_line(task.text, 100)}{after}")
    return lines


def rejected(e: p.PlanRejected) -> Iterable[Line]:
    """Say why a plan can't be used."""
    yield from because("the plan can't be used", e.reasons, "warning")


def reached(e: p.MilestoneReached) -> Iterable[Line]:
    """Say that a milestone is reached."""
    yield Line(f"milestone {e.milestone} is reached: {', '.join(e.tasks)}", "good")


def completed(e: p.GoalCompleted) -> Iterable[Line]:
    """Say that it is done, and where."""
    yield Line(f"the goal is reached: {count(len(e.tasks), 'task')}, all work in {', '.join(e.branches)}", "good")


def failed(e: p.GoalFailed) -> Iterable[Line]:
    """Say that it is not reached, and why."""
    yield from because("the goal is not reached", e.reasons, "bad")


def paused(e: p.ProjectPaused) -> Iterable[Line]:
    """Say that the project rests."""
    yield Line("the project is paused" + (f": {one_line(e.reason)}" if e.reason else ""), "warning")


def resumed(_: p.ProjectResumed) -> Iterable[Line]:
    """Say that the project goes on."""
    yield Line("the project goes on", "good")


WORDS: dict[type[Event], Callable[[Any], Iterable[Line]]] = {
    TaskReadied: readied, p.TaskHeld: held, p.GoalSubmitted: goal, p.PlanRequested: requested, p.PlanDrafted: drafted,
    p.PlanAccepted: accepted, p.PlanRejected: rejected, p.MilestoneReached: reached, p.GoalCompleted: completed,
    p.GoalFailed: failed, p.ProjectPaused: paused, p.ProjectResumed: resumed,
}  # fmt: skip
"""How each is told."""
