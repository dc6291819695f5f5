"""History decided again: the same rules, another policy, and nothing claimed that is not known."""

import math
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from obra.events import (
    AttemptFinished,
    AttemptScored,
    BreakpointResolved,
    DecisionMade,
    DecisionShadowed,
    Event,
    Policy,
    TaskLabelled,
    TaskReadied,
)
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded, fresh
from obra.shared.errors import BadUsage
from obra.shared.services import decider
from obra.shared.tuning import apply, changes
from obra.shared.whatif.candidates import Candidates, grid, members, product
from obra.shared.whatif.outcome import known
from obra.shared.whatif.redecide import Divergence, Judges, redecide
from obra.shared.whatif.report import Comparison, Report
from obra.shared.whatif.watched import Sight, Watched, spread
from tests.recorded import played
from tests.simulation.actors import Plan
from tests.simulation.world import World

JUDGES = Judges(decider("scorer"), decider("decider"))
SEEDS = range(60)
GRID: dict[str, list[Any]] = {
    "accept_confidence": [0.3, 0.5, 0.8, 0.85, 0.9, 0.96, 1.0],
    "passed_prior": [0.4, 0.95],
    "accept_quality": [0.1, 0.75, 0.99],
    "outages_max": [0, 3],
}
SCOPE = Scope("shop", "t1")


@cache
def past(seed: int) -> tuple[Recorded, ...]:
    return played(World(seed), SCOPE)


def accepted() -> tuple[Recorded, ...]:
    """Return the past of a task that was accepted at once, in a world without any disturbance."""
    return played(World(0, Plan(doubled=0, lost=0, meddles=0)), SCOPE)


def repeatable() -> list[tuple[Recorded, ...]]:
    return [past(seed) for seed in SEEDS if redecide(past(seed), JUDGES, None) is None]


def policy_of(one: tuple[Recorded, ...]) -> Policy:
    return next((r.event.policy for r in one if isinstance(r.event, TaskReadied)), Policy())


def compared(pasts: list[tuple[Recorded, ...]], tried: list[dict[str, Any]]) -> Report:
    comparison = Comparison(Candidates(tried), JUDGES, details=True)
    for number, one in enumerate(pasts):
        comparison.take(Scope("shop", f"t{number}"), one)
    return comparison.report()


# numbers that remember


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    value=st.floats(0, 1), other=st.floats(0, 1),
    seen=st.lists(st.tuples(st.sampled_from(["<", "<=", ">", ">="]), st.floats(0, 1), st.booleans()), max_size=6),
)  # fmt: skip
def test_whoever_is_seen_alike_would_have_compared_alike(
    value: float, other: float, seen: list[tuple[str, float, bool]]
) -> None:
    tried = Candidates([{"accept_confidence": value}, {"accept_confidence": other}])
    policy, sight = tried.watched(0, b"", Policy())

    def compare(number: float) -> list[bool]:
        return [
            {"<": number < bound, "<=": number <= bound, ">": number > bound, ">=": number >= bound}[sign]
            if not flipped
            else {"<": bound < number, "<=": bound <= number, ">": bound > number, ">=": bound >= number}[sign]
            for sign, bound, flipped in seen
        ]

    now = compare(policy.accept_confidence)
    alike = set(members(tried.alike(0, sight)))
    assert 0 in alike
    if 1 in alike:
        assert compare(other) == now


@pytest.mark.parametrize(
    "calculate",
    [lambda n: n * 2, lambda n: 2 - n, lambda n: round(n, 1), int, bool, lambda n: n == 0.5,
     lambda n: {n: 1}, lambda n: -n, math.floor, float, lambda n: n.is_integer()],
)  # fmt: skip
def test_a_number_that_was_calculated_with_answers_for_itself_alone(calculate: Any) -> None:
    sight = Sight()
    calculate(Watched.of(0.5, "n", sight))
    assert sight.exact == {"n"}


def test_a_number_that_goes_on_as_it_is_answers_for_itself_alone() -> None:
    sight = Sight()
    number = Watched.of(0.5, "n", sight)
    spread((AttemptScored(attempt=1, run=1, quality=0.1, confidence=number, parts=()),), sight)
    assert sight.exact == {"n"}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(own=st.sampled_from([0.1, 0.3, 0.5, 0.7]), tried=st.sampled_from([0.1, 0.3, 0.5, 0.7]), bound=st.floats(0, 1))
def test_a_policy_as_it_is_is_answered_for_where_it_would_have_been_seen_alike(
    own: float, tried: float, bound: float
) -> None:
    candidates = Candidates([{"accept_confidence": tried}, {"accept_confidence": 0.9}])
    policy, sight = candidates.watched(0, b"", Policy())
    now = policy.accept_confidence >= bound
    alike = candidates.sees_alike(0, sight, Policy(accept_confidence=own))
    assert not alike or (own >= bound) == now


def test_printing_a_number_says_nothing_about_it() -> None:
    sight = Sight()
    number = Watched.of(0.5, "n", sight)
    assert (f"{number:.2f}", str(number), sight.names()) == ("0.50", "0.5", set())


# one task


def test_the_policy_that_was_in_force_changes_nothing() -> None:
    pasts = repeatable()
    assert len(pasts) > len(SEEDS) // 2
    assert all(redecide(one, JUDGES, policy_of(one)) is None for one in pasts)


def test_a_stricter_policy_turns_an_acceptance_into_another_attempt() -> None:
    one = accepted()
    found = redecide(one, JUDGES, apply(policy_of(one), {"accept_confidence": 1.0}))
    decision = next(r for r in one if isinstance(r.event, DecisionMade))
    assert found is not None
    assert (found.position, found.attempt, found.was) == (decision.position, 1, "proceed")
    assert found.would_be != "proceed"


class Shadowed(World):
    """A world in which a candidate policy shadows the task."""

    candidate: dict[str, Any]

    def _planned(self, at: int) -> list[Event]:
        return [
            replace(event, candidate=replace(event.policy, **self.candidate))
            if isinstance(event, TaskReadied)
            else event
            for event in super()._planned(at)
        ]


@pytest.mark.parametrize("candidate", [{"passed_prior": 0.4}, {"accept_confidence": 0.97}, {"outages_max": 0}])
def test_what_would_have_been_is_what_the_same_policy_said_beside_the_live_decisions(candidate: dict[str, Any]) -> None:
    changed = 0
    for seed in range(20):
        plan = Plan(doubled=0, lost=0, fails=0.5, endings=("completed", "completed", "unreachable"))
        world = Shadowed(seed, plan)
        world.candidate = candidate
        one = played(world, SCOPE)
        if redecide(one, JUDGES, None) is not None:
            continue  # it ended between a question and its answer
        readied = next(r.event for r in one if isinstance(r.event, TaskReadied))
        found = redecide(one, JUDGES, readied.candidate)
        made = {r.envelope.cause: r.position for r in one if isinstance(r.event, DecisionMade)}
        said = [
            (made[r.envelope.cause], r.event.was, r.event.action)
            for r in one
            if isinstance(r.event, DecisionShadowed) and r.event.differs
        ]
        assert said[:1] == ([(found.position, found.was, found.would_be)] if found else [])
        changed += found is not None
    assert changed


def test_a_decision_that_saw_the_score_before_it_was_asked_about_it_is_the_same_decision() -> None:
    """The decider hears that the attempt is over, and finds the score in the past already."""
    one = accepted()
    finished = next(r for r in one if isinstance(r.event, AttemptFinished))
    early = tuple(
        replace(r, envelope=replace(r.envelope, cause=finished.envelope.id)) if isinstance(r.event, DecisionMade) else r
        for r in one
    )
    stricter = {"accept_confidence": 0.999}
    assert redecide(early, JUDGES, None) is None
    assert redecide(early, JUDGES, apply(policy_of(one), stricter)) == redecide(
        one, JUDGES, apply(policy_of(one), stricter)
    )
    assert compared([early], [stricter]).verdicts[0].tasks_changed == 1


# all candidates at once


def test_a_grid_says_of_each_candidate_what_trying_it_alone_says() -> None:
    pasts, tried = repeatable(), product({}, GRID)
    report = compared(pasts, tried)
    alone = [
        [redecide(one, JUDGES, apply(policy_of(one), candidate)) for one in pasts if any_readied(one)]
        for candidate in tried
    ]
    assert [verdict.tasks_changed for verdict in report.verdicts] == [
        sum(found is not None for found in each) for each in alone
    ]
    for verdict, each in zip(report.verdicts, alone, strict=True):
        assert sorted(verdict.changes.elements()) == sorted(found.change for found in each if found)
    assert len({verdict.tasks_changed for verdict in report.verdicts}) > 3


def any_readied(one: tuple[Recorded, ...]) -> bool:
    return any(isinstance(r.event, TaskReadied) for r in one)


def test_what_was_accepted_wrongly_is_known_by_its_label() -> None:
    one = accepted()
    label = fresh(SCOPE, TaskLabelled(good=False), "edge")
    labelled = (*one, Recorded(len(one) + 1, label))
    report = compared([labelled], [{"accept_confidence": 0.0}, {"accept_confidence": 1.0}])
    assert (report.tasks, report.labelled, report.false_accepts) == (1, 1, 1)
    assert [verdict.false_accepts for verdict in report.verdicts] == [1, 0]
    assert [found.was for _, found in report.divergences] == ["proceed"]


def test_an_approval_is_ground_truth_until_a_label_says_otherwise() -> None:
    escalated = [
        DecisionMade(action="escalate", attempt=2, run=1), BreakpointResolved(resolution="approve"),
    ]  # fmt: skip
    assert known(escalated).truth(2) is True
    assert known([*escalated, TaskLabelled(good=False, attempt=2)]).truth(2) is False
    assert known(escalated).truth(1) is None


def test_a_divergence_names_what_was_nothing() -> None:
    assert Divergence(1, 1, "", "escalate").change == ("nothing", "escalate")


# what can be tried


def test_settings_and_grids_become_candidates() -> None:
    fixed = changes(["decision.accept_without_checks=true", "decision.breakpoints.low_confidence=true"])
    tried = product(fixed, grid(["decision.accept_confidence=0.8,0.9", "decision.turns_max=10,20"]))
    assert len(tried) == 4
    assert tried[3] == {
        "accept_without_checks": True, "breakpoints.low_confidence": True, "accept_confidence": 0.9, "turns_max": 20,
    }  # fmt: skip
    made = apply(Policy(), tried[3])
    assert (made.accept_confidence, made.turns_max, made.breakpoints.low_confidence) == (0.9, 20, True)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("accept_confidence=1", "is no `decision.KEY=VALUE`"),
        ("decision.accept_confidence", "is no `decision.KEY=VALUE`"),
        ("decision.nonsense=1", "a policy has no 'nonsense'"),
        ("decision.breakpoints.nonsense=1", "a policy has no 'breakpoints.nonsense'"),
        ("decision.accept_confidence=2", "no policy has accept_confidence like that"),
        ("decision.accept_confidence=high", "no policy has accept_confidence like that"),
        ("decision.accept_confidence=NaN", "NaN is no value"),
        ("decision.accept_confidence=", "no policy has accept_confidence like that"),
    ],
)
def test_what_no_policy_can_be_is_refused_by_name(setting: str, says: str) -> None:
    with pytest.raises(BadUsage, match=says):
        changes([setting])


def test_a_grid_that_is_too_large_is_refused() -> None:
    with pytest.raises(BadUsage, match="1,000,000 combinations"):
        product({}, {f"k{n}": list(range(10)) for n in range(6)})
