"""The scorer goes by evidence; a review moves the numbers a little, words alone never."""

from functools import reduce
from typing import Literal

import pytest

from obra.events import (
    AttemptScored,
    BaseChecked,
    Calibration,
    CheckResult,
    Claim,
    ClaimContradicted,
    Denial,
    Event,
    Finding,
    Part,
    Policy,
    TaskCancelled,
    TaskReadied,
    TaskSubmitted,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.services.scorer.decide import DECIDER
from obra.services.scorer.score import score, weights
from obra.shared.evidence import Evidence, gather
from tests.given import given
from tests.services.evidence import (
    LLM,
    NO_LLM,
    READY,
    TASK,
    UNCHECKED,
    finished,
    ran,
    readied,
    reviewed,
    scored,
    task,
)

ALONE = [TASK, READY, NO_LLM]
WITH_REVIEW = [TASK, READY, LLM]


def parts(checks: float | None, change: float, ending: float, review: float | None = None) -> tuple[Part, ...]:
    values = {"checks": checks, "change": change, "ending": ending, "review": review}
    given_ = {name: value for name, value in values.items() if value is not None}
    named = weights(Policy())
    whole = sum(named[name] for name in given_)
    return tuple(Part(name=n, value=v, weight=round(named[n] / whole, 4)) for n, v in given_.items())


def score_of(quality: float, confidence: float, parts: tuple[Part, ...], basis: str = "evidence") -> AttemptScored:
    return AttemptScored(
        attempt=1, run=1, quality=quality, confidence=confidence, confidence_raw=confidence, parts=parts, basis=basis
    )


def base_checked(code: int) -> BaseChecked:
    return BaseChecked(attempt=1, run=1, checks=tuple(CheckResult(command=c, exit_code=code) for c in TASK.checks))


def test_passed_checks_and_a_change_are_worth_the_prior() -> None:
    given(DECIDER, *ALONE, *ran()).when(finished()).then(score_of(1.0, 0.95, parts(1.0, 1.0, 1.0)))


def test_the_prior_is_the_policys() -> None:
    policy = readied(passed_prior=0.7)
    given(DECIDER, TASK, policy, NO_LLM, *ran()).when(finished()).then(score_of(1.0, 0.7, parts(1.0, 1.0, 1.0)))


def test_half_of_the_checks_is_half_of_their_part_and_no_confidence() -> None:
    past = [task(checks=("a", "b")), READY, NO_LLM, *ran(checks={"a": 0, "b": 1})]
    given(DECIDER, *past).when(finished()).then(score_of(0.6875, 0.05, parts(0.5, 1.0, 1.0)))


def test_an_empty_diff_is_worth_no_confidence_even_where_checks_pass() -> None:
    given(DECIDER, *ALONE, *ran(files=())).when(finished()).then(score_of(0.75, 0.05, parts(1.0, 0.0, 1.0)))


def test_checks_that_were_asked_for_and_did_not_run_have_failed() -> None:
    given(DECIDER, *ALONE, *ran(checks={})).when(finished()).then(score_of(0.375, 0.05, parts(0.0, 1.0, 1.0)))


def test_without_any_check_the_unchecked_prior_holds() -> None:
    past = [UNCHECKED, READY, NO_LLM, *ran(checks={})]
    given(DECIDER, *past).when(finished()).then(score_of(0.375, 0.5, parts(0.0, 1.0, 1.0)))


def test_where_the_policy_accepts_without_checks_they_are_no_part_of_the_quality() -> None:
    past = [UNCHECKED, readied(accept_without_checks=True), LLM, *ran(checks={}), finished()]
    given(DECIDER, *past).when(reviewed(approves=True, quality=0.8)).then(
        score_of(0.92, 0.875, parts(None, 1.0, 1.0, 0.8), "evidence and review")
    )


def test_with_a_model_the_score_waits_for_the_review() -> None:
    given(DECIDER, *WITH_REVIEW, *ran()).when(finished()).then_nothing()


def test_checks_that_passed_before_any_work_are_one_weak_witness_against_it() -> None:
    disapproves = reviewed(approves=False, quality=0.2)
    proved, unproved = ran(), [*ran(), base_checked(0)]
    given(DECIDER, *ALONE, *unproved).when(finished()).then(score_of(1.0, 0.855, parts(1.0, 1.0, 1.0)))
    given(DECIDER, *ALONE, *ran(), base_checked(1)).when(finished()).then(score_of(1.0, 0.95, parts(1.0, 1.0, 1.0)))
    beside = given(DECIDER, *WITH_REVIEW, *proved, finished()).when(disapproves).only
    alone = given(DECIDER, *WITH_REVIEW, *unproved, finished()).when(disapproves).only
    assert (beside.confidence, alone.confidence) == (0.855, 0.7695)


@pytest.mark.parametrize(
    ("approves", "quality", "expected"),
    [(True, 0.9, (0.98, 0.96)), (False, 0.2, (0.84, 0.855)), (False, 0.0, (0.8, 0.855))],
)
def test_a_review_moves_the_numbers_and_can_not_veto(
    approves: bool, quality: float, expected: tuple[float, float]
) -> None:
    review = reviewed(approves=approves, quality=quality)
    given(DECIDER, *WITH_REVIEW, *ran(), finished()).when(review).then(
        score_of(*expected, parts(1.0, 1.0, 1.0, quality), "evidence and review")
    )


def test_praise_does_not_lift_failed_checks() -> None:
    review = reviewed(approves=True, quality=1.0)
    given(DECIDER, *WITH_REVIEW, *ran(checks={"pytest -q": 1}), finished()).when(review).then(
        score_of(0.5, 0.05, parts(0.0, 1.0, 1.0, 1.0), "evidence and review")
    )


def test_a_review_that_is_not_usable_leaves_the_evidence_alone() -> None:
    review = reviewed(approves=False, usable=False)
    given(DECIDER, *WITH_REVIEW, *ran(), finished()).when(review).then(score_of(1.0, 0.95, parts(1.0, 1.0, 1.0)))


@pytest.mark.parametrize(
    ("denial", "ending_value"),
    [
        (Denial(tool="Bash", target="make install"), 1.0),
        (Denial(tool="Write", target="/work/a.py"), 1.0),
        (Denial(tool="Write", target="/etc/passwd"), 0.5),
        (Denial(tool="Edit"), 0.5),
    ],
    ids=["another tool", "a file that was written after all", "a file that was not", "no file known"],
)
def test_a_denial_matters_unless_the_work_shows_that_it_does_not(denial: Denial, ending_value: float) -> None:
    quality = 1.0 if ending_value == 1.0 else 0.9375
    given(DECIDER, *ALONE, *ran(ending="denied", denials=(denial,))).when(finished(ending="denied")).then(
        score_of(quality, 0.95, parts(1.0, 1.0, ending_value))
    )


def test_a_denied_command_matters_where_the_checks_fail() -> None:
    past = [*ALONE, *ran(ending="denied", denials=(Denial(tool="Bash"),), checks={"pytest -q": 1})]
    given(DECIDER, *past).when(finished(ending="denied")).then(score_of(0.3125, 0.05, parts(0.0, 1.0, 0.5)))


@pytest.mark.parametrize(
    ("said", "files", "code", "claim", "evidence"),
    [
        ("All 86 tests pass.", ("a.py",), 1, "All 86 tests pass.", "`pytest -q` exited 1"),
        ("Ran it: 12 passed in 3 s", ("a.py",), 1, "Ran it: 12 passed in 3 s", "`pytest -q` exited 1"),
        ("The tests now pass!", ("a.py",), -9, "The tests now pass!", "`pytest -q` was killed by signal 9"),
        ("All checks are green", ("a.py",), 2, "All checks are green", "`pytest -q` exited 2"),
        ("I fixed the bug.", (), 0, "I fixed the bug.", "nothing differs from the commit that the task grew from"),
        ("Created `tests/test_b.py`.", ("a.py",), 0, "Created `tests/test_b.py`.",
         "tests/test_b.py is not among the changed files"),
    ],
)  # fmt: skip
def test_a_claim_that_the_evidence_denies_is_named(
    said: str, files: tuple[str, ...], code: int, claim: str, evidence: str
) -> None:
    past = [*ALONE, *ran(said=said, files=files, checks={"pytest -q": code})]
    first, *_, last = given(DECIDER, *past).when(finished()).events
    assert isinstance(first, ClaimContradicted)
    assert first == ClaimContradicted(attempt=1, run=1, claim=claim, evidence=evidence, kind=first.kind)
    assert isinstance(last, AttemptScored)


@pytest.mark.parametrize(
    "said",
    [
        "All tests pass. Created a.py and wrote `src/a.py`.",
        "I have not created b.py.",
        "Nothing was changed in b.py",
        "If it were needed, I would have added c.py.",
        "I didn't add tests",
        "",
    ],
)
def test_what_is_true_negated_or_conditional_is_no_contradiction(said: str) -> None:
    (score,) = given(DECIDER, *ALONE, *ran(said=said)).when(finished()).events
    assert isinstance(score, AttemptScored)
    assert (score.quality, score.confidence) == (1.0, 0.95)
    assert {claim.verdict for claim in score.claims} <= {"supported"}


@pytest.mark.parametrize(("kind", "factor"), [("ran", 0.85), ("created", 0.9)])
def test_a_fourth_witness_of_a_kind_adds_nothing(kind: Literal["ran", "created"], factor: float) -> None:
    evidence = reduce(gather, [*ran(), finished()], Evidence())
    denied = Claim(kind=kind, text="t", verdict="contradicted")
    sure = [score(evidence, (denied,) * times, Policy(), Calibration(), checked=True).confidence for times in (1, 3, 4)]
    assert sure == [round(0.95 * factor**times, 4) for times in (1, 3, 3)]


def test_one_doubtful_claim_does_not_outweigh_passed_checks_but_with_a_bad_review_it_does() -> None:
    *_, alone = given(DECIDER, *ALONE, *ran(said="Created b.py")).when(finished()).events
    assert isinstance(alone, AttemptScored)
    assert alone.confidence == 0.855
    past = [*WITH_REVIEW, *ran(said="Created b.py"), finished()]
    *_, both = given(DECIDER, *past).when(reviewed(approves=False)).events
    assert isinstance(both, AttemptScored)
    assert both.confidence == 0.7695


def test_at_most_five_claims_are_named() -> None:
    said = " ".join(f"I fixed bug {n}." for n in range(9))
    events = given(DECIDER, *ALONE, *ran(said=said, files=())).when(finished()).events
    assert [type(event) for event in events] == [ClaimContradicted] * 5 + [AttemptScored]


@pytest.mark.parametrize("past", [[*ALONE, *ran(), finished(), scored()], [*ALONE, *ran(), TaskCancelled()]])
def test_nothing_is_scored_twice_or_after_the_end(past: list[Event]) -> None:
    given(DECIDER, *past).when(finished()).then_nothing()


def test_an_ending_that_is_not_judged_is_not_scored() -> None:
    given(DECIDER, *ALONE, *ran(ending="hung", checks={})).when(finished(ending="hung")).then_nothing()


def test_an_older_run_is_not_scored_any_more() -> None:
    given(DECIDER, *ALONE, *ran(), *ran(2)).when(finished(1)).then_nothing()


def test_a_second_submission_does_not_take_the_checks_away() -> None:
    second = TaskSubmitted(text="x", repo="/r")
    past = [TASK, READY, NO_LLM, second, *ran(checks={})]
    given(DECIDER, *past).when(finished()).then(score_of(0.375, 0.05, parts(0.0, 1.0, 1.0)))


def test_claims_are_part_of_the_quality_and_stand_in_the_score() -> None:
    said = "All tests pass. Created b.py."
    _, score = given(DECIDER, *ALONE, *ran(said=said)).when(finished()).events
    assert isinstance(score, AttemptScored)
    assert score.claims == (
        Claim(kind="tests", text="All tests pass.", verdict="supported", evidence="`pytest -q` exited 0"),
        Claim(
            kind="created", text="Created b.py.", verdict="contradicted", evidence="b.py is not among the changed files"
        ),
    )
    assert score.parts[-1] == Part(name="claims", value=0.5, weight=0.1111)
    assert score.quality == 0.9444


def test_a_plain_lie_weighs_heavily() -> None:
    _, score = given(DECIDER, *ALONE, *ran(said="No changes were needed.")).when(finished()).events
    assert isinstance(score, AttemptScored)
    assert score.confidence == 0.8075 < Policy().accept_confidence


def test_the_weights_are_the_policys() -> None:
    policy = readied(weight_checks=1.0, weight_change=0.0, weight_ending=0.0)
    past = [task(checks=("a", "b")), policy, NO_LLM, *ran(checks={"a": 0, "b": 1})]
    (score,) = given(DECIDER, *past).when(finished()).events
    assert isinstance(score, AttemptScored)
    assert (score.quality, [part.weight for part in score.parts]) == (0.5, [1.0, 0.0, 0.0])


def test_work_without_a_flaw_is_of_full_quality_whatever_its_weights_are_rounded_to() -> None:
    policy = readied(weight_checks=0.3, weight_change=0.3, weight_ending=0.3, accept_quality=1.0)
    score = given(DECIDER, TASK, policy, NO_LLM, *ran()).when(finished()).only
    assert isinstance(score, AttemptScored)
    assert (score.quality, [part.weight for part in score.parts]) == (1.0, [0.3333, 0.3333, 0.3333])


def test_weights_that_are_all_nothing_make_a_quality_of_nothing() -> None:
    policy = readied(weight_checks=0.0, weight_change=0.0, weight_ending=0.0)
    (score,) = given(DECIDER, TASK, policy, NO_LLM, *ran()).when(finished()).events
    assert isinstance(score, AttemptScored)
    assert score.quality == 0.0


@pytest.mark.parametrize(("blocks", "confidence"), [(True, 0.05), (False, 0.95)])
def test_what_an_inspection_found_counts_if_it_forbids_acceptance(blocks: bool, confidence: float) -> None:
    found = WorkspaceInspected(
        attempt=1, run=1, findings=(Finding(kind="tests_deleted", detail="test_a is gone", blocks=blocks),)
    )
    (score,) = given(DECIDER, *ALONE, *ran(), found).when(finished()).events
    assert isinstance(score, AttemptScored)
    assert score.confidence == confidence


def test_the_confidence_is_read_off_the_calibration_and_the_raw_one_is_kept() -> None:
    calibration = Calibration(method="isotonic", points=((0.0, 0.0), (0.9, 0.6), (1.0, 0.8)), outcomes=40)
    past = [TASK, TaskReadied(calibration=calibration), NO_LLM, *ran()]
    (score,) = given(DECIDER, *past).when(finished()).events
    assert isinstance(score, AttemptScored)
    assert (score.confidence_raw, score.confidence) == (0.95, 0.7)


def test_the_end_of_an_earlier_run_scores_no_later_one() -> None:
    given(DECIDER, *ALONE, *ran(), finished(), scored(), *ran(1, 2), finished(1, 2)).when(finished()).then_nothing()


def test_what_a_lost_run_left_is_no_evidence_of_work() -> None:
    left = WorkspaceCheckpointed(attempt=1, run=1, commit="c", tree="t", files_total=1, interrupted=True)
    assert gather(Evidence(1, 1), left) == Evidence(1, 1)


def test_what_is_said_late_of_an_older_run_is_no_evidence_of_the_newest() -> None:
    newest = reduce(gather, ran(2), Evidence())
    assert reduce(gather, [*ran(1), finished(), reviewed(approves=True)], newest) == newest
