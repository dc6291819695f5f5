"""What a task that joins a shared session is told of the others: pure, from what happened to them."""

from collections.abc import Mapping, Sequence

from obra.events import Briefing, Event, PlanAccepted, PlannedTask, SessionJoined, SessionSummarised
from obra.services.session_manager import account

MEMBERS_MAX = 16
MILESTONE_CHARS_MAX = 1_600
OTHERS = "other-tasks"
"""Stands for tasks of the goal that belong to no milestone."""

MATERIAL_CHARS_MAX = 12_000
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
    others: dict[str, list[str]] = {}
    ages: dict[str, int] = {}
    for age, member in enumerate(reversed(before)):
        text, by = _account(pasts.get(member.member, ()))
        if not text:
            continue
        if member.milestone == milestone:
            told.append(Briefing(name=member.member, age=age, by=by, text=account.bounded(text)))
            continue
        ages.setdefault(member.milestone, age)
        others.setdefault(member.milestone, []).insert(0, f"{member.member}: {text}")
    return (*told, *(_earlier(name, accounts, ages[name], goal) for name, accounts in others.items()))


def _earlier(milestone: str, accounts: Sequence[str], age: int, goal: Sequence[Event]) -> Briefing:
    """Return an earlier milestone as one piece: as the LLM summed it up, else from what became of its tasks."""
    written = [e for e in _written(goal) if e.session.partition("/")[2] == milestone]
    text = written[-1].summary.text if written else together(accounts)
    by = written[-1].by if written else EXTRACT
    text = account.bounded(text, MILESTONE_CHARS_MAX)
    return Briefing(name=milestone or OTHERS, kind="earlier", age=age, by=by, text=text)


def together(accounts: Sequence[str], chars: int = MILESTONE_CHARS_MAX) -> str:
    """Return what became of several tasks within *chars* characters, as much of each."""
    each = max(1, chars // max(1, len(accounts)) - 1)
    return "\n".join(account.bounded(text, each) for text in accounts)


def of_milestone(names: Sequence[str], pasts: Mapping[str, Sequence[Event]]) -> str:
    """Return what is to be summed up of a milestone whose tasks are *names*."""
    accounts = [f"{name}: {_account(pasts.get(name, ()))[0]}" for name in names]
    return together(accounts, MATERIAL_CHARS_MAX)


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
    if written := _written(past):
        last = written[-1]
        text = last.summary.text
        return (text if last.by == EXTRACT else f"{account.outcome(past)} {text}"), last.by
    return account.of_task(past), EXTRACT


def _written(past: Sequence[Event]) -> list[SessionSummarised]:
    return [
        event for event in past if isinstance(event, SessionSummarised) and event.usable and event.summary.text.strip()
    ]
