"""A point in a task's past, as a person names it: a position, the end of an attempt, or a time."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptReviewed,
    AttemptScored,
    BudgetSettled,
    ChecksRan,
    ClaimContradicted,
    Event,
    PromptPrepared,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage

ATTEMPT = "attempt:"
POSITIONS = "give a position (digits), a time like 2026-01-31T14:00, or 10m, 2h, 1d for ago"
FORMS = POSITIONS.replace(", a time", ", attempt:N, a time")
AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
OF_THE_END: tuple[type[Event], ...] = (
    AgentExited, WorkspaceCheckpointed, WorkspaceInspected, ChecksRan, AttemptFinished, AttemptInterrupted,
    AttemptReviewed, AttemptScored, ClaimContradicted, BudgetSettled,
)  # fmt: skip
"""What an attempt's end consists of: all that was seen of it, up to its score, before anybody decided on it."""


def position_at(text: str, past: Sequence[Recorded], last: int, now: datetime, what: str) -> int:
    """Return the position that *text* names in *past*, all events of one task, undone ones too.

    *last* is the newest position of the whole stream: what lies behind it has not happened yet.

    ``attempt:N`` is the end of attempt N as it was before the decision on it, ``attempt:0`` what was before the
    first one. A time is the newest event that had happened by then; without a zone it is local. `BadUsage` names
    *what* the text is for, and says what would do.
    """
    if text.startswith(ATTEMPT):
        return end_of(text.removeprefix(ATTEMPT), past, what)
    if text.isascii() and text.isdigit():
        return _within(int(text), past, last, what)
    moment = moment_of(text, now, what, FORMS)
    before = [recorded.position for recorded in past if recorded.envelope.at <= moment]
    if not before:
        began = past[0].envelope.at.isoformat(timespec="seconds")
        raise BadUsage(problem=f"{what} {text!r}: the task did not exist then; it began at {began}")
    return before[-1]


def point_of(text: str, last: int, now: datetime, what: str) -> int | datetime:
    """Return the position or the time that *text* names for many tasks together; *last* is the newest position.

    `BadUsage` names *what* the text is for, and says what would do.
    """
    if not (text.isascii() and text.isdigit()):
        return moment_of(text, now, what)
    return _happened(int(text), last, what)


def moment_of(text: str, now: datetime, what: str, forms: str = POSITIONS) -> datetime:
    """Return the time that *text* means: ISO 8601, or `10m` for ten minutes before *now*; *forms* is what would do."""
    try:
        if ago := AGO.fullmatch(text):
            return now - timedelta(**{UNITS[ago[2]]: float(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadUsage(problem=f"{what} {text!r}: {forms}") from error


def _within(position: int, past: Sequence[Recorded], last: int, what: str) -> int:
    if position < past[0].position:
        began = past[0].position
        raise BadUsage(problem=f"{what} {position}: the task did not exist then; it began at position {began}")
    return _happened(position, last, what)


def _happened(position: int, last: int, what: str) -> int:
    if position > last:
        raise BadUsage(problem=f"{what} {position}: nothing has happened there yet; the newest position is {last}")
    return position


def end_of(number: str, past: Sequence[Recorded], what: str) -> int:
    """Return the position at which attempt *number* had ended and nothing was decided on it yet."""
    if not (number.isascii() and number.isdigit()):
        raise BadUsage(problem=f"{what} {ATTEMPT}{number}: {FORMS}")
    if int(number) == 0:
        return beginning(past) or _nothing(what)
    mine = [r for r in past if isinstance(r.event, OF_THE_END) and getattr(r.event, "attempt", 0) == int(number)]
    if not any(isinstance(recorded.event, AttemptFinished) for recorded in mine):
        raise BadUsage(problem=f"{what} {ATTEMPT}{number}: {_ended(past)}")
    return mine[-1].position


def beginning(past: Sequence[Recorded]) -> int:
    """Return the position just before the first prompt was prepared; 0 where none was."""
    before = 0
    for recorded in past:
        if isinstance(recorded.event, PromptPrepared):
            return before
        before = recorded.position
    return 0


def _nothing(what: str) -> int:
    raise BadUsage(problem=f"{what} {ATTEMPT}0: nothing has been attempted yet")


def _ended(past: Sequence[Recorded]) -> str:
    done = sorted({r.event.attempt for r in past if isinstance(r.event, AttemptFinished)})
    if not done:
        return "no attempt has ended yet"
    return f"no such attempt has ended; {', '.join(f'{ATTEMPT}{n}' for n in done)} did, and {ATTEMPT}0 is before them"
