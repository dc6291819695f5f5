"""Laws that every decider keeps, whatever happened before."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.events import BreakpointRaised, Event, Policy, TimerSet
from obra.events.subjects import Scope
from obra.services.decider.decide import DECIDER
from obra.services.planner.decide import planner
from obra.services.scorer.decide import DECIDER as SCORER
from obra.services.session_manager.decide import DECIDER as SESSION_MANAGER
from obra.shared.decider import Decider
from obra.shared.envelope import Unknown
from tests.arbitrary import decoded, events, pasts, plausible

ALL: list[Decider[Any]] = [planner(Policy()).alone(Scope("shop", "t1")), SESSION_MANAGER, SCORER, DECIDER]
each = pytest.mark.parametrize("decider", ALL, ids=lambda d: d.name)
thorough = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@each
@thorough
@given(past=pasts(), event=events())
def test_deciding_again_adds_nothing(decider: Decider[Any], past: list[Event], event: Event) -> None:
    once = decider.decide(decider.fold([*past, event]), event)
    assert not decider.decide(decider.fold([*past, event, *once]), event)


@each
@thorough
@given(past=plausible())
def test_a_whole_past_delivered_again_adds_nothing(decider: Decider[Any], past: list[Event]) -> None:
    """Once nothing is left to answer, no earlier question has an answer any more."""
    said = list(past)
    for _ in range(3):
        for event in past:
            said += decider.decide(decider.fold(said), event)
    state = decider.fold(said)
    assert [answer for event in past for answer in decider.decide(state, event)] == []


@each
@thorough
@given(past=pasts(), event=events())
def test_it_answers_only_what_it_hears_with_what_it_says(
    decider: Decider[Any], past: list[Event], event: Event
) -> None:
    answers = decider.decide(decider.fold([*past, event]), event)
    assert not answers or type(event) in decider.hears
    assert {type(answer) for answer in answers} <= set(decider.says)
    assert [decoded(answer) for answer in answers] == list(answers)


@each
@thorough
@given(past=pasts(), cut=st.integers(0, 30))
def test_replay_may_pause_anywhere(decider: Decider[Any], past: list[Event], cut: int) -> None:
    assert decider.fold(past[cut:], decider.fold(past[:cut])) == decider.fold(past)


@each
@thorough
@given(past=pasts(), cut=st.integers(0, 30))
def test_events_of_an_unknown_type_change_nothing(decider: Decider[Any], past: list[Event], cut: int) -> None:
    strange = [*past[:cut], Unknown(name="from.the.future"), *past[cut:]]
    assert decider.fold(strange) == decider.fold(past)
    assert not decider.decide(decider.fold(strange), Unknown(name="from.the.future"))


@each
@thorough
@given(past=plausible())
def test_the_same_past_gives_the_same_answers(decider: Decider[Any], past: list[Event]) -> None:
    first = [decider.decide(decider.fold(past[: n + 1]), event) for n, event in enumerate(past)]
    assert first == [decider.decide(decider.fold(past[: n + 1]), event) for n, event in enumerate(past)]


def test_no_two_services_say_the_same_and_each_is_heard() -> None:
    """Timers have names, and a breakpoint concerns a goal or a task: each has the one service that raised it."""
    said = [kind for decider in ALL for kind in decider.says if kind not in (TimerSet, BreakpointRaised)]
    assert len(said) == len(set(said))
