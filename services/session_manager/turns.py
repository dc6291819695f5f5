"""How many turns an agent gets: by what the task says, else by how complex it is and of what kind."""

from collections.abc import Mapping

from obra.events import Policy, TaskSubmitted
from obra.shared.complexity import of
from obra.shared.rules.kind import kind_of

BY_KIND: Mapping[str, int] = {
    "code": 15, "refactoring": 20, "debugging": 25, "tests": 15, "documentation": 8, "errors": 15, "security": 20,
    "performance": 20, "analysis": 12, "validation": 10, "planning": 8,
}  # fmt: skip
"""The fewest turns that a kind of task gets, however simple it looks. `Policy.turns_by_kind` overrides rows."""


def chosen(task: TaskSubmitted, policy: Policy) -> int:
    """Return the turns of the first attempt: those of the task, else the larger of two tables, within the bounds."""
    if task.turns_max:
        return task.turns_max
    band = of(task.complexity, task.text, task.checks, task.acceptance).band
    kind = kind_of(task.text, task.kind)
    wanted = max(policy.turns_by_complexity[band], policy.turns_by_kind.get(kind, BY_KIND[kind]))
    return min(max(wanted, policy.turns_min), max(policy.turns_max, 1))


def doubled(turns: int, policy: Policy) -> int:
    """Return twice as many, up to the policy's bound; never fewer than before."""
    return max(turns, min(2 * turns, policy.turns_bound))
