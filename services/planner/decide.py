"""Is the task one that can be worked on?"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from obra.events import Event, Policy, TaskCancelled, TaskReadied, TaskRejected, TaskSubmitted
from obra.shared.decider import Decider
from obra.shared.llm.names import FORMS, understood

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True)
class State:
    """What is wrong with the first submission (none: there was none yet), and whether that was answered."""

    problems: tuple[str, ...] | None = None
    answered: bool = False


def evolve(state: State, event: Event) -> State:
    """Take in one event. Only the first submission counts; a second one changes nothing."""
    match event:
        case TaskSubmitted() if state.problems is None:
            return replace(state, problems=tuple(problems(event)))
        case TaskReadied() | TaskRejected() | TaskCancelled():
            return replace(state, answered=True)
        case _:
            return state


def decider(policy: Policy) -> Decider[State]:
    """Return the planner that readies tasks under *policy*."""

    def decide(state: State, event: Event) -> Sequence[Event]:
        if not isinstance(event, TaskSubmitted) or state.answered or state.problems is None:
            return []
        return [TaskRejected(reasons=state.problems)] if state.problems else [TaskReadied(policy=policy)]

    return Decider(
        name="planner",
        initial=State(),
        hears=(TaskSubmitted,),
        says=(TaskReadied, TaskRejected),
        evolve=evolve,
        decide=decide,
    )


def problems(task: TaskSubmitted) -> Iterator[str]:
    """Yield every reason why *task* can't be worked on, each a sentence that helps."""
    yield from _wording(task)
    yield from _choices(task)
    if task.budget_usd is not None and not task.budget_usd > 0:
        yield f"the budget must be more than 0 USD, not {task.budget_usd:g}; leave it out for no limit"
    for name in task.agent_env:
        if not VARIABLE.fullmatch(name):
            yield f"{name!r} is no name of an environment variable"
    if task.after:
        yield "tasks that wait for other tasks are not supported yet; submit it once they are completed"


def _wording(task: TaskSubmitted) -> Iterator[str]:
    if not task.text.strip():
        yield "the task's text is blank; say what is to be done"
    if not task.repo.startswith("/"):
        yield f"the repository must be an absolute path, not {task.repo!r}"
    if any(not check.strip() for check in task.checks):
        yield "a check is blank; give a shell command or leave it out"
    for what, text in (("base", task.base), ("model", task.model)):
        if text.startswith("-"):
            yield f"the {what} can't begin with a dash: {text!r}"
    if any("\0" in text for text in (task.text, task.repo, task.base, task.agent, task.model, *task.checks)):
        yield "a NUL character is in the text, a path, or a check"


def _choices(task: TaskSubmitted) -> Iterator[str]:
    if task.agent != "claude" and not task.agent.startswith(SCRIPTED + "/"):
        yield f"the agent must be `claude` or `scripted:` and an absolute path, not {task.agent!r}"
    if not understood(task.llm):
        yield f"the reviewer must be {FORMS}, not {task.llm!r}"
