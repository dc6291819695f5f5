"""Points in a task's past, as people name them."""

from datetime import UTC, datetime, timedelta

import pytest

from obra.events import (
    AttemptFinished,
    AttemptScored,
    DecisionMade,
    Event,
    PromptPrepared,
    TaskReadied,
    TaskRolledBack,
    TaskSubmitted,
)
from obra.events.base import Content
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage
from obra.shared.moment import position_at
from tests.recorded import BEGIN, envelopes, messages

NOW = BEGIN + timedelta(hours=1)
LAST = 100


def prepared(attempt: int) -> PromptPrepared:
    return PromptPrepared(attempt=attempt, run=1, prompt=Content(), template="t", template_sha256="s")


def attempt(number: int) -> list[Event]:
    return [
        prepared(number),
        AttemptFinished(attempt=number, run=1, ending="completed"),
        AttemptScored(attempt=number, run=1, quality=0.5, confidence=0.5),
        DecisionMade(action="retry", attempt=number, run=1),
    ]


TASK = TaskSubmitted(text="x", repo="/r")
EVENTS: list[Event] = [TASK, TaskReadied(), *attempt(1), *attempt(2), TaskRolledBack(to=15), prepared(3)]
PAST = [
    Recorded(raw.position, raw.envelope)
    for raw in messages(*envelopes(Scope("shop", "t1"), EVENTS), after=10)
    if raw.envelope
]


def at(text: str) -> int:
    return position_at(text, PAST, LAST, NOW, "--to")


def time(position: int) -> str:
    return next(r.envelope.at for r in PAST if r.position == position).isoformat()


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("11", 11), ("21", 21), ("100", 100), ("attempt:0", 12), ("attempt:1", 15), ("attempt:2", 19),
        (time(14), 14), ((BEGIN + timedelta(milliseconds=70)).isoformat(), 14), ("1s", 22), ("0.5h", 22),
    ],
)  # fmt: skip
def test_a_point_is_a_position_an_attempts_end_or_a_time(text: str, position: int) -> None:
    assert at(text) == position


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10", "--to 10: the task did not exist then; it began at position 11"),
        ("101", "--to 101: nothing has happened there yet; the newest position is 100"),
        ("2h", "--to '2h': the task did not exist then; it began at 2026-01-02T03:04:00+00:00"),
        (
            "attempt:3",
            "--to attempt:3: no such attempt has ended; attempt:1, attempt:2 did, and attempt:0 is before them",
        ),
    ],
)
def test_a_point_that_is_none_is_refused_with_what_would_do(text: str, problem: str) -> None:
    with pytest.raises(BadUsage) as error:
        at(text)
    assert str(error.value) == problem


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "attempt:", "attempt:x", "attempt:-1", "soon", "²", "2026-13-01", "9999999999d"]
)
def test_what_is_no_point_is_answered_with_what_one_is(text: str) -> None:
    with pytest.raises(BadUsage, match=r"give a position \(digits\), attempt:N, a time like"):
        at(text)


def test_before_anything_was_attempted_there_is_no_attempt_to_return_to() -> None:
    with pytest.raises(BadUsage, match="nothing has been attempted yet"):
        position_at("attempt:0", PAST[:2], LAST, NOW, "--to")
    with pytest.raises(BadUsage, match="no attempt has ended yet"):
        position_at("attempt:1", PAST[:2], LAST, NOW, "--to")


def test_a_time_without_a_zone_is_local() -> None:
    local = (BEGIN + timedelta(seconds=5)).astimezone().replace(tzinfo=None).isoformat()
    assert at(local) == 22
    assert datetime.fromisoformat(local).astimezone(UTC) == BEGIN + timedelta(seconds=5)
