"""What a rollback would do, and whether it may: a plan from a task's past, made before anything is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from obra.events import (
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptStarted,
    BranchDelivered,
    LlmSelected,
    TaskRolledBack,
    TaskSubmitted,
    WorkspaceCheckpointed,
    WorkspaceRestored,
)
from obra.events.subjects import Scope
from obra.shared.bus import Past
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage
from obra.shared.history import standing, until
from obra.shared.story import Story, fold

RETURNED = (TaskRolledBack, WorkspaceRestored)


class RollbackRefused(BadUsage):
    """{task}: {reason}"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollback of one task, before it is said.

    ``expected`` is the task's newest position; ``now`` and ``then`` are its story before and after. ``undone`` are
    the positions that will not count any more, ``restored`` those that will count again, since the rollback takes
    back an earlier one. ``commit`` is the checkpoint that the workspace returns to, empty for the base. ``branches``
    were delivered by what is undone, and stay in the repository. ``worked``: there is a workspace somewhere;
    ``there``: the task was returned to this very state, and nothing has happened since.
    ``in_hand`` is the attempt that runs, 0: none. ``earliest`` is where
    the task first stood so that it can go on from there; 0: it was only just submitted.
    """

    scope: Scope
    to: int
    expected: int
    task: TaskSubmitted | None
    now: Story
    then: Story
    undone: tuple[int, ...]
    restored: tuple[int, ...]
    attempts: tuple[int, ...]
    commit: str
    branches: tuple[BranchDelivered, ...]
    worked: bool
    there: bool
    in_hand: int
    earliest: int

    @property
    def gone(self) -> bool:
        """Return whether the task had not been submitted at that point: it vanishes, until that is rolled back."""
        return not self.then.submitted_at

    def event(self, reason: str, by: str) -> TaskRolledBack:
        """Return what is to be said."""
        return TaskRolledBack(to=self.to, reason=reason, by=by)


def plan(scope: Scope, whole: Past, to: int) -> Plan:
    """Return what a rollback of *scope*, whose whole past is *whole*, to position *to* would do."""
    past = whole.events
    now, then = standing(past), standing(until(past, to))
    left, back = {r.position for r in then}, {r.position for r in now}
    checkpoint, attempts = tree_of(then), {r.event.attempt for r in now if isinstance(r.event, AttemptRequested)}
    kept = {r.event.attempt for r in then if isinstance(r.event, AttemptRequested)}
    delivered = tuple(r.event for r in now if isinstance(r.event, BranchDelivered) and r.position not in left)
    return Plan(
        scope=scope, to=to, expected=whole.position, now=fold(past), then=fold(until(past, to)),
        task=next((r.event for r in past if isinstance(r.event, TaskSubmitted)), None),
        undone=tuple(sorted(back - left)), restored=tuple(sorted(left - back)), attempts=tuple(sorted(attempts - kept)),
        commit=checkpoint.commit if checkpoint else "", branches=delivered,
        worked=any(isinstance(r.event, AttemptStarted) and r.event.workspace for r in past),
        there=not left - back and all(isinstance(r.event, RETURNED) for r in now if r.position not in left),
        in_hand=in_hand(now), earliest=next((r.position for r in past if isinstance(r.event, LlmSelected)), 0),
    )  # fmt: skip


def in_hand(counting: Sequence[Recorded]) -> int:
    """Return the attempt that was requested and has not ended, among events that count; 0 if there is none."""
    asked = 0
    for recorded in counting:
        match recorded.event:
            case AttemptRequested(attempt=attempt):
                asked = attempt
            case AttemptFinished() | AttemptInterrupted():
                asked = 0
    return asked


def tree_of(counting: Sequence[Recorded]) -> WorkspaceCheckpointed | None:
    """Return the newest complete checkpoint among events that count; None: the files are those of the base."""
    found = [r.event for r in counting if isinstance(r.event, WorkspaceCheckpointed) and not r.event.interrupted]
    return max(found, key=lambda event: (event.attempt, event.run), default=None)


def check(made: Plan, *, stopped: bool = False) -> None:
    """Raise `RollbackRefused` with the reason if *made* can't be done as things are, or once they are *stopped*."""
    if reason := _reason(made, stopped=stopped):
        raise RollbackRefused(task=made.scope.task, reason=reason)


def _reason(made: Plan, *, stopped: bool) -> str:
    if moving(made.now) and not stopped:
        what = f"attempt {made.in_hand} is in hand" if made.in_hand else f"it is {made.now.status}"
        return f"{what}; --cancel stops it first, or wait until it ends"
    if not made.gone and not made.earliest:
        return "it was only just submitted, so there is nothing to go back from"
    if not made.gone and made.to < made.earliest:
        return f"it was only just submitted at position {made.to}; {made.earliest} is the earliest point"
    if not made.undone and not made.restored:
        return f"nothing has happened since position {made.to}"
    if made.there:
        return f"it was returned to position {made.to} already, and nothing has happened since"
    return ""


def moving(story: Story) -> bool:
    """Return whether the task moves by itself, so that it must be stopped before it is rolled back."""
    return bool(story.submitted_at) and story.status != "submitted" and not story.over and not story.resting


def as_json(made: Plan) -> dict[str, Any]:
    """Return *made* as one JSON object."""
    return {
        "task": made.scope.task,
        "project": made.scope.project,
        "to": made.to,
        "status_before": made.now.status if made.now.submitted_at else "none",
        "status_then": made.then.status if made.then.submitted_at else "none",
        "events_undone": len(made.undone),
        "events_restored": len(made.restored),
        "attempts_undone": list(made.attempts),
        "commit": made.commit,
        "branches_kept": [{"branch": one.branch, "commit": one.commit} for one in made.branches],
    }
