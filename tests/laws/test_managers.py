"""Laws that a process manager keeps over many scopes, whatever happened in any of them."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.events import Policy
from obra.events.subjects import Scope
from obra.services.planner.decide import planner
from obra.shared.envelope import Unknown
from obra.shared.manager import Answer, Manager, Told
from tests.arbitrary import decoded, events

PLANNER: Manager[Any] = planner(Policy(tasks_max=2, plan_drafts_max=2))
SCOPES = [Scope("shop", "a"), Scope("shop", "b"), Scope("shop", "-"), Scope("other", "a")]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANSWERS_MAX = 100
OF_INTEREST = (*PLANNER.hears, *PLANNER.says, *PLANNER.follows)
thorough = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@st.composite
def pasts(draw: st.DrawFn) -> list[Told]:
    """Return what happened in several scopes; names are drawn such that tasks and goals meet."""
    said = draw(st.lists(st.tuples(st.sampled_from(SCOPES), events(*OF_INTEREST)), min_size=1, max_size=15))
    return [Told(scope, event, NOON + timedelta(seconds=n), n) for n, (scope, event) in enumerate(said, 1)]


def answered(past: list[Told]) -> tuple[list[Told], list[Answer]]:
    """Return *past* with all that its last event leads to, said as the shell does, and those answers."""
    log, answers = list(past), list[Answer]()
    while due := next(iter(PLANNER.decide(PLANNER.fold(log), past[-1])), None):
        answers.append(due)
        assert len(answers) < ANSWERS_MAX, answers
        log.append(Told(*due, NOON, len(log) + 1))
    return log, answers


@thorough
@given(past=pasts())
def test_every_answer_leads_on_and_they_come_to_an_end(past: list[Told]) -> None:
    log, answers = answered(past)
    assert not list(islice(PLANNER.decide(PLANNER.fold(log), past[-1]), 1))
    assert not answers or type(past[-1].event) in PLANNER.hears
    assert {type(event) for _, event in answers} <= set(PLANNER.says)
    assert [decoded(event) for _, event in answers] == [event for _, event in answers]


@thorough
@given(past=pasts())
def test_what_is_announced_at_once_is_what_is_said_one_by_one(past: list[Told]) -> None:
    announced = list(islice(PLANNER.decide(PLANNER.fold(past), past[-1]), ANSWERS_MAX))
    assert announced == answered(past)[1]


@thorough
@given(past=pasts(), cut=st.integers(0, 15))
def test_replay_may_pause_anywhere(past: list[Told], cut: int) -> None:
    assert PLANNER.fold(past[cut:], PLANNER.fold(past[:cut])) == PLANNER.fold(past)


@thorough
@given(past=pasts(), cut=st.integers(0, 15))
def test_events_of_an_unknown_type_change_nothing(past: list[Told], cut: int) -> None:
    strange = [*past[:cut], Told(SCOPES[0], Unknown(name="from.the.future"), NOON, 99), *past[cut:]]
    assert PLANNER.fold(strange) == PLANNER.fold(past)


@thorough
@given(past=pasts())
def test_room_is_counted_right(past: list[Told]) -> None:
    state = PLANNER.fold(past)
    working = [scope for scope, item in state.tasks.items() if item.status == "running"]
    assert state.running == len(working)
    for scope in SCOPES:
        assert state.lane(scope.project).running == sum(one.project == scope.project for one in working)
        queued = [s for s, item in state.tasks.items() if item.status == "queued" and s.project == scope.project]
        assert (scope.project in state.busy) == bool(queued)
