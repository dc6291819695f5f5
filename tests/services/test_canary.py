"""A candidate policy that shadows a task: scored, decided, recorded, and without any effect."""

from typing import Any

from msgspec.structs import replace

from obra.events import DecisionMade, DecisionShadowed, Event, Policy, Shadow, TaskReadied
from obra.events.policy import digest
from obra.services.decider.decide import DECIDER
from obra.services.scorer.decide import DECIDER as SCORER
from tests.given import given
from tests.services.evidence import NO_LLM, TASK, finished, ran

STRICT = Policy(accept_confidence=0.99)
DOUBTFUL = Policy(passed_prior=0.5)


def shadowed(candidate: Policy | None, policy: Policy | None = None) -> list[Event]:
    return [TASK, TaskReadied(policy=policy or Policy(), candidate=candidate), NO_LLM]


def judged(candidate: Policy | None) -> tuple[Any, ...]:
    past = [*shadowed(candidate), *ran()]
    scored = given(SCORER, *past).when(finished()).only
    return given(DECIDER, *past, finished()).when(scored).events


def test_the_scorer_weighs_the_same_evidence_under_both() -> None:
    scored = given(SCORER, *shadowed(DOUBTFUL), *ran()).when(finished()).only
    alone = given(SCORER, *shadowed(None), *ran()).when(finished()).only
    assert scored.shadow == Shadow(quality=1.0, confidence=0.5, confidence_raw=0.5)
    assert replace(scored, shadow=None) == alone


def test_a_stricter_candidate_is_recorded_beside_the_acceptance_and_changes_nothing() -> None:
    made, shadow = judged(STRICT)
    assert [made] == list(judged(None))
    assert isinstance(made, DecisionMade)
    assert isinstance(shadow, DecisionShadowed)
    assert (shadow.was, shadow.action, shadow.differs, shadow.policy_sha256) == (
        "proceed", "retry", True, digest(STRICT),
    )  # fmt: skip
    assert shadow.numbers["accept_confidence"] == 0.99


def test_a_candidate_that_scores_otherwise_decides_on_its_own_numbers() -> None:
    _, shadow = judged(DOUBTFUL)
    assert (shadow.action, shadow.numbers["confidence"]) == ("retry", 0.5)


def test_a_candidate_that_agrees_says_so() -> None:
    _, shadow = judged(Policy(accept_confidence=0.9))
    assert (shadow.was, shadow.action, shadow.differs) == ("proceed", "proceed", False)


def test_nothing_follows_from_a_shadow() -> None:
    past = [*shadowed(STRICT), *ran(), finished()]
    made, shadow = judged(STRICT)
    given(DECIDER, *past, made).when(shadow).then_nothing()
    assert DECIDER.fold([*past, made, shadow]) == DECIDER.fold([*past, made])
