"""The decider: every rule, in the order in which they are asked."""

from typing import Any

import pytest
from msgspec.structs import replace

from obra.events import (
    HOPELESS,
    AttemptInterrupted,
    BranchDelivered,
    BranchRefused,
    BreakpointRaised,
    BreakpointResolved,
    Breakpoints,
    BudgetExhausted,
    ChecksRan,
    ClaimContradicted,
    Content,
    DecisionMade,
    DecisionOverridden,
    Denial,
    Ending,
    Event,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    TimerSet,
    Tokens,
)
from obra.services.decider.decide import DECIDER
from tests.given import given
from tests.services.evidence import (
    NO_LLM,
    READY,
    TASK,
    UNCHECKED,
    finished,
    ran,
    readied,
    requested,
    reviewed,
    scored,
    task,
)

BEGUN = [TASK, READY, NO_LLM]
GOOD = ("the check passed", "1 file differs from the commit it grew from")
NUMBERS = {"attempts": 1.0, "attempts_max": 3.0}


def numbers(quality: float = 1.0, confidence: float = 0.95, **more: float) -> dict[str, float]:
    named = {"quality": quality, "accept_quality": 0.75, "confidence": confidence, "accept_confidence": 0.85}
    return NUMBERS | named | more


RULES = {"proceed": "accepted", "retry": "again", "stop": "used_up", "escalate": "no_checks", "wait": "outage"}


def decision(action: Any, *reasons: str, numbers: dict[str, float] = NUMBERS, **fields: Any) -> DecisionMade:
    made = {"action": action, "attempt": 1, "run": 1, "reasons": reasons, "numbers": numbers, "rule": RULES[action]}
    return DecisionMade(**{**made, **fields})


def of(quality: float, confidence: float) -> str:
    return f"quality {quality:.2f} (needed: 0.75), confidence {confidence:.2f} (needed: 0.85)"


def ended(ending: Ending, detail: str = "", attempt: int = 1, run: int = 1) -> list[Event]:
    return ran(attempt, run, ending=ending, detail=detail, checks={})


def test_passed_checks_a_change_and_both_numbers_mean_proceed() -> None:
    given(DECIDER, *BEGUN, *ran(), finished()).when(scored()).then(
        decision("proceed", *GOOD, of(1, 0.95), numbers=numbers())
    )


def test_a_denial_that_does_not_matter_does_not_stand_in_the_way() -> None:
    past = [*BEGUN, *ran(ending="denied", denials=(Denial(tool="Bash", target="make"),)), finished(ending="denied")]
    given(DECIDER, *past).when(scored()).then(decision("proceed", *GOOD, of(1, 0.95), numbers=numbers()))


def test_a_review_that_disapproves_of_passed_checks_is_outvoted_and_named() -> None:
    review = reviewed(approves=False, summary="no tests added")
    given(DECIDER, *BEGUN, *ran(), finished(), review).when(scored(confidence=0.855)).then(
        decision(
            "proceed", *GOOD, "quality 1.00 (needed: 0.75), confidence 0.85 (needed: 0.85)",
            "the review disapproves: no tests added", numbers=numbers(confidence=0.855),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "reasons"),
    [
        ({"checks": {"pytest -q": 1}}, ("check `pytest -q` exited 1",)),
        ({"checks": {"pytest -q": -9, "b": 0}}, ("check `pytest -q` was killed by signal 9",)),
        ({"checks": {}}, ("the checks did not run",)),
        ({"files": ()}, ("nothing differs from the commit that the task grew from",)),
        (
            {"ending": "denied", "denials": (Denial(tool="Write", target="/x"),)},
            ("Write was denied for /x, and nothing shows that the work is done without it",),
        ),
    ],
    ids=["a failed check", "a killed check", "no check ran", "empty diff", "a denial that matters"],
)
def test_what_is_wrong_is_tried_again_with_every_reason(run: dict[str, Any], reasons: tuple[str, ...]) -> None:
    ending = run.get("ending", "completed")
    given(DECIDER, *BEGUN, *ran(**run), finished(ending=ending)).when(scored(confidence=0.05)).then(
        decision("retry", *reasons, numbers=numbers(confidence=0.05))
    )


@pytest.mark.parametrize(
    ("quality", "confidence", "reason"),
    [(0.7, 0.95, "quality 0.70 is below 0.75"), (1.0, 0.8, "confidence 0.80 is below 0.85")],
)
def test_a_number_that_is_not_reached_is_a_reason(quality: float, confidence: float, reason: str) -> None:
    score = scored(quality=quality, confidence=confidence)
    given(DECIDER, *BEGUN, *ran(), finished()).when(score).then(
        decision("retry", reason, numbers=numbers(quality, confidence))
    )


def test_contradicted_claims_are_named_among_the_reasons() -> None:
    claim = ClaimContradicted(attempt=1, run=1, claim="All tests pass.", evidence="`pytest -q` exited 1")
    past = [*BEGUN, *ran(checks={"pytest -q": 1}), finished(), claim]
    given(DECIDER, *past).when(scored(confidence=0.05)).then(
        decision(
            "retry", "check `pytest -q` exited 1", 'the agent said "All tests pass.", but `pytest -q` exited 1',
            numbers=numbers(confidence=0.05),
        )
    )  # fmt: skip


def test_the_thresholds_are_the_policys() -> None:
    past = [TASK, readied(accept_confidence=0.99), NO_LLM, *ran(), finished()]
    given(DECIDER, *past).when(scored()).then(
        decision("retry", "confidence 0.95 is below 0.99", numbers=numbers() | {"accept_confidence": 0.99})
    )


def test_when_the_attempts_are_used_up_it_stops_and_never_waits() -> None:
    past = [task(attempts_max=1), READY, NO_LLM, *ran(files=()), finished()]
    empty = "nothing differs from the commit that the task grew from"
    given(DECIDER, *past).when(scored(confidence=0.05)).then(
        decision(
            "stop", empty, "the only attempt is used up",
            numbers=numbers(confidence=0.05) | {"attempts_max": 1.0},
        )
    )  # fmt: skip


def test_without_checks_a_person_must_approve() -> None:
    past = [UNCHECKED, READY, NO_LLM, *ran(checks={}), finished()]
    given(DECIDER, *past).when(scored(quality=0.375, confidence=0.5)).then(
        decision(
            "escalate", "the task has no checks, so a person must approve the work", GOOD[1], of(0.375, 0.5),
            numbers=numbers(0.375, 0.5),
        )
    )  # fmt: skip


@pytest.mark.parametrize("run", [{"files": ()}, {"ending": "denied", "denials": (Denial(tool="Bash"),)}])
def test_without_checks_nobody_is_asked_about_nothing(run: dict[str, Any]) -> None:
    past = [UNCHECKED, READY, NO_LLM, *ran(checks={}, **run), finished(ending=run.get("ending", "completed"))]
    made = given(DECIDER, *past).when(scored(quality=0.3, confidence=0.05)).only
    assert (made.action, made.counted) == ("retry", True)


@pytest.mark.parametrize(("approves", "action"), [(True, "proceed"), (False, "escalate")])
def test_a_policy_may_accept_an_approving_review_in_place_of_checks(approves: bool, action: str) -> None:
    past = [UNCHECKED, readied(accept_without_checks=True), *ran(checks={}), finished(), reviewed(approves=approves)]
    assert given(DECIDER, *past).when(scored(quality=0.92, confidence=0.875)).only.action == action


@pytest.mark.parametrize("ending", ["max_turns", "hung", "timed_out", "killed", "failed", "refused", "workspace_lost"])
def test_endings_that_are_not_judged_are_tried_again(ending: Ending) -> None:
    made = given(DECIDER, *BEGUN, *ended(ending, "it went wrong")).when(finished(ending=ending)).only
    assert (made.action, made.counted, made.numbers) == ("retry", True, NUMBERS)
    assert made.reasons[0].endswith(": it went wrong")


@pytest.mark.parametrize("ending", sorted(HOPELESS))
def test_hopeless_endings_stop_at_once_with_a_sentence_that_helps(ending: Ending) -> None:
    made = given(DECIDER, *BEGUN, *ended(ending)).when(finished(ending=ending)).only
    assert (made.action, len(made.reasons)) == ("stop", 2)


def test_a_cancelled_attempt_stops_the_task() -> None:
    given(DECIDER, *BEGUN, *ended("cancelled")).when(finished(ending="cancelled")).then(
        decision("stop", "a person cancelled it", rule="cancelled")
    )


OUTAGE = "the provider refused because of a rate or usage limit (429): limit"


def test_an_outage_is_waited_out() -> None:
    given(DECIDER, *BEGUN, *ended("rate_limited", "limit")).when(finished(ending="rate_limited")).then(
        decision("wait", OUTAGE, numbers=NUMBERS | {"outages": 0, "outages_max": 3})
    )


def test_each_wait_is_four_times_as_long_up_to_the_bound() -> None:
    past: list[Event] = [TASK, readied(outages_max=3, outage_wait_s=2.0, outage_wait_s_max=20.0), NO_LLM]
    waits = []
    for run in (1, 2, 3):
        past += [*ended("unreachable", run=run), finished(run=run, ending="unreachable")]
        wait = DecisionMade(action="wait", attempt=1, run=run)
        (timer,) = given(DECIDER, *past).when(wait).events
        assert isinstance(timer, TimerSet)
        waits.append((timer.timer, timer.delay_s))
        retry = given(DECIDER, *past, wait, timer).when(TimerFired(timer=timer.timer)).only
        assert (retry.action, retry.run, retry.counted) == ("retry", run, False)
        past += [wait, timer, TimerFired(timer=timer.timer), retry]
    assert [name for name, _ in waits] == ["outage-1", "outage-2", "outage-3"]
    for (_, wait_s), longest in zip(waits, (2.0, 8.0, 20.0), strict=True):
        assert 0.9 * longest <= wait_s < longest
    past += ended("unreachable", run=4)
    stop = given(DECIDER, *past).when(finished(run=4, ending="unreachable")).only
    assert (stop.action, stop.reasons[-1]) == ("stop", "it was waited for 3 times already")


def test_a_timer_that_belongs_to_an_earlier_wait_is_passed_over() -> None:
    wait = decision("wait")
    past = [*BEGUN, *ended("unreachable"), finished(ending="unreachable"), wait, TimerSet(timer="outage-1", delay_s=5)]
    given(DECIDER, *past).when(TimerFired(timer="outage-0")).then_nothing()


LOST = AttemptInterrupted(attempt=1, run=1, reason="the runner was killed")


def test_a_lost_run_is_made_again_and_not_counted() -> None:
    given(DECIDER, *BEGUN, requested()).when(LOST).then(
        decision(
            "retry", "the run was lost: the runner was killed", counted=False, rule="lost",
            numbers=NUMBERS | {"interruptions": 1, "interruptions_max": 20},
        )
    )  # fmt: skip


def test_as_many_lost_runs_as_the_policy_allows_are_made_again() -> None:
    made = given(DECIDER, TASK, readied(interruptions_max=1), requested()).when(LOST).only
    assert (made.action, made.counted) == ("retry", False)


def test_too_many_lost_runs_stop_the_task() -> None:
    made = given(DECIDER, TASK, readied(interruptions_max=0), requested()).when(LOST).only
    assert (made.action, made.reasons) == (
        "stop", ("the run was lost: the runner was killed", "that was the 1st lost run, and 0 are made again"),
    )  # fmt: skip


def test_an_exhausted_budget_stops_the_task() -> None:
    past = [*BEGUN, *ran(files=()), finished(), scored(confidence=0.05), decision("retry")]
    made = given(DECIDER, *past).when(BudgetExhausted(spent_usd=1.2, budget_usd=1.0)).only
    assert (made.action, made.reasons) == ("stop", ("the budget is used up: 1.20 of 1.00 USD are spent",))


ACCEPTED = [*BEGUN, *ran(cost=0.5), finished(), scored(), decision("proceed")]


def test_a_branch_that_can_not_be_made_stops_the_task() -> None:
    made = given(DECIDER, *ACCEPTED).when(BranchRefused(attempt=1, reason="the repository is gone")).only
    assert (made.action, made.reasons) == (
        "stop", ("the work was accepted, but its branch could not be made: the repository is gone",),
    )  # fmt: skip


def test_a_delivered_branch_completes_the_task() -> None:
    given(DECIDER, *ACCEPTED).when(BranchDelivered(attempt=1, branch="obra/t", commit="c9")).then(
        TaskCompleted(
            attempt=1, branch="obra/t", commit="c9", quality=1.0, confidence=0.95, cost_usd=0.5,
            tokens=Tokens(input=10, output=1),
        )
    )  # fmt: skip


@pytest.mark.parametrize("action", ["proceed", "retry"])
def test_on_proceed_and_retry_others_act(action: str) -> None:
    given(DECIDER, *BEGUN, *ran(), finished(), scored()).when(decision(action)).then_nothing()


def test_stop_fails_the_task_with_the_reasons() -> None:
    given(DECIDER, *BEGUN, *ran(), finished(), scored()).when(decision("stop", "no")).then(
        TaskFailed(reasons=("no",), attempts=1)
    )


ASKED = decision("escalate", "look")
WAITING = [UNCHECKED, READY, *ran(checks={}), finished(), scored(confidence=0.5), ASKED]
RAISED = BreakpointRaised(name="no_checks", attempt=1, run=1, reasons=("look",), severity="notice")


def test_escalate_raises_a_breakpoint() -> None:
    given(DECIDER, *WAITING[:-1]).when(ASKED).then(RAISED)


@pytest.mark.parametrize(
    ("resolution", "action", "reason"),
    [
        ("approve", "proceed", "ann approved: fine"),
        ("reject", "stop", "ann rejected the work: fine"),
        ("retry", "retry", "ann wants another attempt: fine"),
    ],
)
def test_a_person_says_how_it_goes_on(resolution: Any, action: str, reason: str) -> None:
    said = BreakpointResolved(resolution=resolution, by="ann", note=Content.of("fine"))
    given(DECIDER, *WAITING, RAISED).when(said).then(
        decision(action, reason, numbers=numbers(confidence=0.5), rule="resolved")
    )


def test_failures_in_a_row_are_counted_anew_once_a_person_has_spoken() -> None:
    policy = readied(breakpoints=Breakpoints(consecutive_failures=True), failures_max=2)
    past: list[Event] = [task(attempts_max=9), policy, NO_LLM]

    def failed(attempt: int) -> str:
        past.extend([*ran(attempt, checks={"pytest -q": 1}), finished(attempt), scored(attempt, confidence=0.05)])
        return decided()

    def decided() -> str:
        [made] = DECIDER.decide(DECIDER.fold(past), past[-1])
        past.extend([made, *DECIDER.decide(DECIDER.fold([*past, made]), made)])
        assert isinstance(made, DecisionMade)
        return made.action

    assert [failed(1), failed(2)] == ["retry", "escalate"]
    past.append(BreakpointResolved(resolution="retry", by="ann"))
    assert [decided(), failed(3), failed(4)] == ["retry", "retry", "escalate"]


def test_a_resolution_where_nothing_waits_changes_nothing() -> None:
    given(DECIDER, *BEGUN, *ran()).when(BreakpointResolved(resolution="approve")).then_nothing()
    given(DECIDER, *WAITING, RAISED, BreakpointResolved(resolution="approve"), decision("proceed")).when(
        BreakpointResolved(resolution="reject")
    ).then_nothing()


@pytest.mark.parametrize("action", ["proceed", "retry", "stop"])
def test_a_person_may_override_where_the_task_waits(action: Any) -> None:
    made = given(DECIDER, *WAITING, RAISED).when(DecisionOverridden(action=action, by="bob", reason="I know")).only
    assert (made.action, made.reasons) == (action, ("bob decided: I know",))


def test_an_override_during_a_run_holds_for_its_end() -> None:
    override = DecisionOverridden(action="proceed", by="bob")
    given(DECIDER, *BEGUN, requested()).when(override).then_nothing()
    past = [*BEGUN, requested(), override, *ran(checks={"pytest -q": 1}), finished()]
    made = given(DECIDER, *past).when(scored(confidence=0.05)).only
    assert (made.action, made.reasons) == ("proceed", ("bob decided",))


def test_a_person_may_stop_a_task_at_once() -> None:
    made = given(DECIDER, *BEGUN, requested()).when(DecisionOverridden(action="stop")).only
    assert (made.action, made.reasons) == ("stop", ("a person decided",))


def test_nothing_can_be_delivered_before_anything_was_recorded() -> None:
    past = [*BEGUN, requested(), finished(ending="unreachable"), decision("wait")]
    given(DECIDER, *past).when(DecisionOverridden(action="proceed")).then_nothing()


@pytest.mark.parametrize(
    "end", [TaskCancelled(), TaskFailed(reasons=()), TaskCompleted(attempt=1, branch="b", commit="c")]
)
@pytest.mark.parametrize(
    "event",
    [scored(), finished(ending="hung"), LOST, decision("stop"), BranchDelivered(attempt=1, branch="b", commit="c")],
)
def test_after_the_end_nothing_is_decided(end: Event, event: Event) -> None:
    given(DECIDER, *BEGUN, *ran(), end).when(event).then_nothing()


def test_a_run_is_decided_on_once() -> None:
    given(DECIDER, *BEGUN, *ran(), finished(), scored(), decision("retry")).when(scored()).then_nothing()
    given(DECIDER, *BEGUN, *ran(), finished(), scored(), decision("retry"), *ran(2)).when(scored()).then_nothing()


@pytest.mark.parametrize(
    ("rule", "ending", "outside"),
    [
        ("hopeless", "not_logged_in", True),
        ("hopeless", "rejected", True),
        ("hopeless", "unavailable", True),
        ("outage", "unreachable", True),
        ("outage", "rate_limited", True),
        ("hopeless", "over_budget", False),
        ("hopeless", "unmergeable", False),
        ("resolved", "rate_limited", False),
    ],
)
def test_a_failure_says_whether_its_reason_lies_outside_of_the_task(rule: str, ending: Ending, outside: bool) -> None:
    past = [*BEGUN, *ended(ending), finished(ending=ending)]
    given(DECIDER, *past).when(decision("stop", "no", rule=rule)).then(
        TaskFailed(reasons=("no",), attempts=1, outside=outside)
    )


def test_a_check_that_passed_only_when_it_was_run_again_is_called_flaky() -> None:
    past = [
        replace(event, checks=(replace(event.checks[0], tries=2),)) if isinstance(event, ChecksRan) else event
        for event in ran()
    ]
    made = given(DECIDER, *BEGUN, *past, finished()).when(scored()).only
    flaky = "check `pytest -q` is flaky: it passed when it was run 2 times"
    assert (made.action, made.reasons[:3]) == ("proceed", (GOOD[0], flaky, GOOD[1]))
