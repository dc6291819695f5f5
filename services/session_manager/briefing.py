"""What a task that joins a shared session is told of the others: pure, from what happened to them."""

from collections.abc import Mapping, Sequence

from obra.events import Briefing, Event, PlanAccepted, PlannedTask, SessionJoined, SessionSummarised
from obra.services.session_manager import account

MEMBERS_MAX = 16
EARLIER_CHARS_MAX = 800
PLANNED_MAX = 40
PLANNED_CHARS_MAX = 160
EXTRACT = "extract"


def members(home: Sequence[Event], task: str) -> tuple[SessionJoined, ...]:
    """Return who joined the session before *task*, the newest last; *home* is what happened in its own scope."""
    joined = list[SessionJoined]()
    for event in home:
        if isinstance(event, SessionJoined):
            if event.member == task:
                break
            joined.append(event)
    return tuple({event.member: event for event in joined}.values())[-MEMBERS_MAX:]


def briefings(
    task: str,
    milestone: str,
    before: Sequence[SessionJoined],
    pasts: Mapping[str, Sequence[Event]],
    goal: Sequence[Event],
) -> tuple[Briefing, ...]:
    """Return what *task* of *milestone* is told: the plan of the *goal*, and each one *before* it in short.

    *pasts* holds what happened to each of those. A summary of the LLM is taken where there is one already, else an
    extract is made.
    """
    told = list[Briefing]()
    if plan := workplan(task, milestone, goal):
        told.append(Briefing(name="workplan", kind="workplan", text=plan))
    for age, member in enumerate(reversed(before)):
        text, by = _account(pasts.get(member.member, ()))
        if not text:
            continue
        same = member.milestone == milestone
        told.append(
            Briefing(
                name=member.member, kind="task" if same else "earlier", age=age, by=by,
                text=account.bounded(text, account.EXTRACT_CHARS_MAX if same else EARLIER_CHARS_MAX),
            )
        )  # fmt: skip
    return tuple(told)


def workplan(task: str, milestone: str, goal: Sequence[Event]) -> str:
    """Return the accepted plan's tasks of *milestone*, in its order, with a mark at *task*; empty without a plan."""
    accepted = [event for event in goal if isinstance(event, PlanAccepted)]
    if not accepted:
        return ""
    tasks = [one for one in accepted[-1].tasks if one.milestone == milestone]
    return account.bounded("\n".join(_planned(one, task) for one in tasks[:PLANNED_MAX]))


def _planned(one: PlannedTask, task: str) -> str:
    after = f" (after {', '.join(one.after)})" if one.after else ""
    mine = " <- this task" if task == one.task or task.endswith(f"-{one.task}") else ""
    return f"- {one.task}: {account.bounded(' '.join(one.text.split()), PLANNED_CHARS_MAX)}{after}{mine}"


def _account(past: Sequence[Event]) -> tuple[str, str]:
    written = [e for e in past if isinstance(e, SessionSummarised) and e.usable and e.summary.text.strip()]
    if written:
        last = written[-1]
        text = last.summary.text
        return (text if last.by == EXTRACT else f"{account.outcome(past)} {text}"), last.by
    return account.of_task(past), EXTRACT
