"""What is wrong with a task as it was submitted: every reason, each a sentence that helps.

The edge asks before it submits, the planner again: whoever speaks NATS may submit without our edge.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from obra.events import TaskSubmitted
from obra.shared.llm.names import FORMS, understood
from obra.shared.tuning import fault

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SCRIPTED = "scripted:"
NEVER = float("inf")


def problems(task: TaskSubmitted) -> Iterator[str]:
    """Yield every reason why *task* can't be worked on, but for those that lie in other tasks."""
    yield from _wording(task)
    yield from _choices(task)
    if task.budget_usd is not None and not 0 < task.budget_usd < NEVER:
        yield f"the budget must be more than 0 USD, not {task.budget_usd:g}; leave it out for no limit"
    for name in task.agent_env:
        if not VARIABLE.fullmatch(name):
            yield f"{name!r} is no name of an environment variable"
    if wrong := fault(task.policy):
        yield wrong
    if due(task.deadline) is None:
        yield f"the deadline must be a time like 2026-12-31T18:00Z, not {task.deadline!r}"


def due(deadline: str) -> float | None:
    """Return *deadline* in seconds since 1970, UTC unless it says otherwise; infinity for none, None for nonsense."""
    if not deadline:
        return NEVER
    try:
        at = datetime.fromisoformat(deadline)
        return (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


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
