"""Which events are shown."""

from datetime import UTC, datetime, timedelta

import pytest

from obra.events import AttemptStarted, Event, TaskCancelled
from obra.events.subjects import Scope, subject
from obra.services.console.selection import Selection, bound
from obra.shared.bus import Raw
from obra.shared.envelope import encode, fresh
from obra.shared.errors import BadUsage

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SHOP = Scope("shop", "t1")
STARTED = AttemptStarted(attempt=1, run=1, runner="r")


def raw(position: int, event: Event, scope: Scope = SHOP) -> Raw:
    envelope = fresh(scope, event, "test")
    return Raw(position, subject(scope, event), encode(envelope), 0, envelope)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (None, None),
        ("42", 42),
        ("10m", NOW - timedelta(minutes=10)),
        ("1.5h", NOW - timedelta(hours=1.5)),
        ("2d", NOW - timedelta(days=2)),
        ("2026-01-31T11:00:00+00:00", NOW - timedelta(hours=1)),
        ("2026-01-31T11:00:00Z", NOW - timedelta(hours=1)),
    ],
)
def test_a_bound_is_a_position_a_moment_or_so_long_ago(text: str | None, meaning: object) -> None:
    assert bound(text, NOW, "--since") == meaning


def test_a_bound_that_means_nothing_is_refused() -> None:
    with pytest.raises(BadUsage, match="--until 'soon': give a position"):
        bound("soon", NOW, "--until")


@pytest.mark.parametrize(
    ("selection", "positions"),
    [
        (Selection(), [1, 2, 3]),
        (Selection(task="t1"), [1, 2]),
        (Selection(task="t*"), [1, 2, 3]),
        (Selection(project="oth??", task="t[12]"), [3]),
        (Selection(project="other"), [3]),
        (Selection(types=("attempt.*",)), [1, 3]),
        (Selection(types=("*.cancelled",)), [2]),
        (Selection(since=2), [2, 3]),
        (Selection(until=2), [1, 2]),
        (Selection(since=datetime.now(UTC) + timedelta(hours=1)), []),
        (Selection(until=NOW), []),
    ],
)
def test_what_a_selection_holds(selection: Selection, positions: list[int]) -> None:
    all_ = [raw(1, STARTED), raw(2, TaskCancelled()), raw(3, STARTED, Scope("other", "t2"))]
    assert [r.position for r in all_ if selection.holds(r)] == positions


@pytest.mark.parametrize(
    ("types", "subjects"),
    [
        ((), ["obra.*.t1.>"]),
        (("attempt.*", "attempt.started", "task.failed"), ["obra.*.t1.attempt.*", "obra.*.t1.task.failed"]),
        (("*.failed", "task.failed"), ["obra.*.t1.>"]),
        (("att*",), ["obra.*.t1.>"]),
    ],
)
def test_subjects_narrow_what_the_server_sends_and_never_overlap(types: tuple[str, ...], subjects: list[str]) -> None:
    assert Selection(task="t1", types=types).subjects == subjects


def test_a_glob_over_tasks_is_left_to_the_filter() -> None:
    assert Selection(project="shop", task="t*", types=("attempt.*",)).subjects == ["obra.shop.*.attempt.*"]


def test_a_message_that_is_no_event_is_placed_by_its_subject() -> None:
    odd = Raw(7, "obra.shop.t9.task.submitted", b"{", 1_800_000_000_000_000_000, None)
    assert Selection(task="t9", types=("task.*",), since=NOW).holds(odd)
