"""What the services that think do after a rollback: nothing by themselves, and then what a person says."""

import pytest

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    BranchDelivered,
    BreakpointResolved,
    BudgetExhausted,
    BudgetReserved,
    Content,
    DecisionMade,
    Event,
    PromptPrepared,
    SessionOpened,
    TaskCompleted,
    TaskRolledBack,
    TimerFired,
    Tokens,
)
from obra.services.decider.decide import DECIDER
from obra.services.scorer.decide import DECIDER as SCORER
from obra.services.session_manager.decide import DECIDER as SESSION_MANAGER
from tests.given import given
from tests.services.evidence import NO_LLM, READY, TASK, finished, ran, task

OPENED = SessionOpened(session="1", context_tokens_max=200_000)
SPENT = Tokens(input=5, output=7)


def back(attempts: int = 3, cost_usd: float = 0.3) -> TaskRolledBack:
    """Return a rollback as it is read: with what can't be undone filled in."""
    return TaskRolledBack(to=1, attempts=attempts, cost_usd=cost_usd, tokens=SPENT)


def retry(attempt: int) -> DecisionMade:
    return DecisionMade(action="retry", attempt=attempt, run=1, reasons=("ann wants another attempt: use sqlite",))


ASKED = PromptPrepared(attempt=1, run=1, prompt=Content.of("go"), template="hybrid-1", template_sha256="x")
ONE = [TASK, READY, NO_LLM, OPENED, ASKED, *ran(1), finished(1)]


@pytest.mark.parametrize("resolution", ["approve", "reject", "retry"])
def test_a_persons_word_decides_on_what_counts(resolution: str) -> None:
    said = BreakpointResolved(resolution=resolution, by="ann")  # type: ignore[arg-type]
    decided = given(DECIDER, *ONE, back()).when(said).only
    action = {"approve": "proceed", "reject": "stop", "retry": "retry"}[resolution]
    assert (decided.action, decided.attempt, decided.run) == (action, 1, 1)


@pytest.mark.parametrize(
    "late",
    [
        TimerFired(timer="outage-0"), AttemptFinished(attempt=1, run=1, ending="failed"),
        AttemptInterrupted(attempt=1, run=1, reason="x"), BudgetExhausted(spent_usd=1, budget_usd=1),
        BranchDelivered(attempt=1, branch="b", commit="c"),
    ],
)  # fmt: skip
def test_nothing_else_is_decided_while_it_rests(late: Event) -> None:
    given(DECIDER, *ONE, back()).when(late).then_nothing()


def test_attempts_that_were_undone_use_up_none_of_those_that_are_allowed() -> None:
    past = [*ONE, back(attempts=3), BreakpointResolved(resolution="retry", by="ann"), retry(1)]
    failing = DECIDER.fold([*past, *ran(4)])
    assert (failing.made, failing.attempts_max) == (2, 3)


def test_what_undone_runs_have_cost_is_in_the_sum() -> None:
    spent = AgentExited(attempt=4, run=1, ending="completed", cost_usd=0.2, tokens=SPENT)
    state = DECIDER.fold([*ONE, back(cost_usd=0.3), spent])
    assert (state.cost_usd, state.tokens) == (0.5, SPENT + SPENT)


def test_the_next_attempt_has_a_number_that_was_never_given_and_hears_the_person() -> None:
    prepared = given(SESSION_MANAGER, *ONE, back(attempts=3)).when(retry(1)).only
    assert (prepared.attempt, prepared.run, prepared.feedback_from) == (4, 1, (1,))
    assert "use sqlite" in prepared.prompt.text


def test_from_before_the_first_attempt_it_begins_anew_with_the_persons_word_alone() -> None:
    prepared = given(SESSION_MANAGER, TASK, READY, NO_LLM, OPENED, back(attempts=2)).when(retry(0)).only
    assert (prepared.attempt, prepared.run, prepared.feedback_from) == (3, 1, ())
    assert "# What a person says\n\nWhat was done before was taken back; this begins anew, as attempt 3." in (
        prepared.prompt.text
    )
    assert "use sqlite" in prepared.prompt.text
    assert "not accepted." not in prepared.prompt.text.split("# What a person says")[1]


def test_where_nothing_was_begun_the_first_attempt_is_still_the_first() -> None:
    prepared = given(SESSION_MANAGER, TASK, READY, NO_LLM, OPENED, back(attempts=0)).when(retry(0)).only
    assert (prepared.attempt, prepared.run) == (1, 1)


def test_money_of_undone_runs_counts_against_the_budget() -> None:
    begun = [task(budget_usd=1.0), READY, NO_LLM, OPENED, ASKED, BudgetReserved(attempt=1, run=1, usd=1.0), *ran(1)]
    exhausted = given(SESSION_MANAGER, *begun, back(cost_usd=1.25)).when(retry(1))
    exhausted.then(BudgetExhausted(spent_usd=1.25, budget_usd=1.0))


def test_a_rollback_to_the_end_of_a_task_leaves_it_ended() -> None:
    ended = [*ONE, TaskCompleted(attempt=1, branch="b", commit="c"), back()]
    given(DECIDER, *ended).when(BreakpointResolved(resolution="retry")).then_nothing()
    given(SESSION_MANAGER, *ended).when(retry(1)).then_nothing()


def test_the_scorer_scores_the_next_attempt_as_any() -> None:
    scored = given(SCORER, *ONE, back(), *ran(4)).when(finished(4)).events
    assert [(event.attempt, event.run) for event in scored] == [(4, 1)]  # type: ignore[attr-defined]
