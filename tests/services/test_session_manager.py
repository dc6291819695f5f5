"""The session-manager: from a ready task to a request for a run, and what a run has cost."""

from typing import Any

import pytest

from obra.events import (
    AttemptInterrupted,
    AttemptRequested,
    BudgetExhausted,
    BudgetReserved,
    BudgetSettled,
    Content,
    DecisionMade,
    Event,
    PromptEnhanced,
    PromptPrepared,
    SessionClosed,
    SessionOpened,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
)
from obra.services.session_manager.decide import DECIDER
from obra.services.session_manager.prompt import advised
from obra.services.session_manager.prompts import load
from obra.shared import rules, tokens
from obra.shared.llm.names import NOBODY
from tests.given import given
from tests.services.evidence import LLM, NO_LLM, READY, TASK, finished, ran, readied, reviewed, task

OPENED = SessionOpened(session="1", context_tokens_max=200_000)
BEGUN = [TASK, READY, NO_LLM, OPENED]
COSTLY = [task(budget_usd=1.0), READY, NO_LLM, OPENED]


def with_advice(prompt: str, advice: str) -> str:
    return advised(prompt, advice, load("hybrid"))


def counted(prompt: str, advice: str) -> int:
    return tokens.count(with_advice(prompt, advice))


def first_prompt(*past: Event) -> PromptPrepared:
    prepared = given(DECIDER, *past).when(OPENED).only
    assert isinstance(prepared, PromptPrepared)
    return prepared


def prepared(attempt: int = 1, run: int = 1, text: str = "go", stored: bool = False) -> PromptPrepared:
    prompt = Content.of(text)
    return PromptPrepared(
        attempt=attempt, run=run, prompt=prompt.by_reference() if stored else prompt, template="hybrid-1",
        template_sha256="x",
    )  # fmt: skip


def asked(attempt: int = 1, run: int = 1, text: str = "go", **fields: Any) -> AttemptRequested:
    return AttemptRequested(**{"attempt": attempt, "run": run, "prompt": Content.of(text), "turns_max": 15, **fields})


def retry(attempt: int = 1, run: int = 1, *, counted: bool = True, reasons: tuple[str, ...] = ("bad",)) -> DecisionMade:
    return DecisionMade(action="retry", attempt=attempt, run=run, counted=counted, reasons=reasons)


def test_a_session_opens_once_the_task_is_ready_and_the_reviewer_is_chosen() -> None:
    given(DECIDER, TASK).when(READY).then_nothing()
    given(DECIDER, TASK).when(LLM).then_nothing()
    given(DECIDER, TASK, READY).when(LLM).then(OPENED)
    given(DECIDER, TASK, NO_LLM).when(READY).then(OPENED)
    given(DECIDER, TASK, NO_LLM, READY, OPENED).when(READY).then_nothing()


def test_nobody_needs_to_choose_for_a_task_that_asks_for_no_llm() -> None:
    alone = task(llm="none")
    given(DECIDER, alone).when(READY).then(NOBODY)
    given(DECIDER, alone, READY).when(NOBODY).then(OPENED)
    given(DECIDER, alone, READY, NOBODY).when(READY).then_nothing()


def test_money_that_is_set_aside_for_no_task_requests_nothing() -> None:
    given(DECIDER, prepared()).when(BudgetReserved(attempt=1, run=1, usd=0.0)).then_nothing()


def test_an_open_session_prepares_the_first_prompt() -> None:
    made = first_prompt(TASK, READY, NO_LLM)
    told = tuple(rule.id for rule in rules.load().chosen("code"))
    assert made == PromptPrepared(
        attempt=1, run=1, prompt=Content.of(made.prompt.text), template="hybrid-1",
        template_sha256=load("hybrid").sha256, kind="code", rules=told,
        rules_sha256=rules.load().sha256, tokens_estimated=tokens.count(made.prompt.text), tokens_by="cl100k_base",
        tokens_max=80_000 - tokens.count(made.prompt.text),
    )  # fmt: skip


def test_without_a_model_the_prompt_goes_straight_to_the_runner_with_every_limit() -> None:
    past = [task(timeout_s=60.0, silence_s=7.0, turns_max=12), READY, NO_LLM, OPENED]
    given(DECIDER, *past).when(prepared()).then(asked(turns_max=12, timeout_s=60.0, silence_s=7.0))


def test_where_the_task_does_not_say_the_policy_limits_the_turns() -> None:
    given(DECIDER, TASK, readied(turns_max=5), NO_LLM, OPENED).when(prepared()).then(asked(turns_max=5))


def test_with_a_model_the_prompt_waits_for_its_advice() -> None:
    past = [TASK, READY, LLM, OPENED]
    given(DECIDER, *past).when(prepared()).then_nothing()
    advice = PromptEnhanced(attempt=1, run=1, advice=Content.of("look at a.py"))
    given(DECIDER, *past, prepared()).when(advice).then(
        asked(text=with_advice("go", "look at a.py"), tokens_estimated=counted("go", "look at a.py"))
    )
    none = PromptEnhanced(attempt=1, run=1, usable=False, reason="timeout", advice=Content.of("half an"))
    given(DECIDER, *past, prepared()).when(none).then(asked())


def test_advice_for_another_run_is_passed_over() -> None:
    advice = PromptEnhanced(attempt=1, run=1, advice=Content.of("x"))
    given(DECIDER, TASK, READY, LLM, OPENED, prepared(), prepared(1, 2)).when(advice).then_nothing()


def test_a_large_prompt_is_written_again_where_its_event_holds_only_a_reference() -> None:
    large = task(text="do it " + "x" * 100_000)
    whole = first_prompt(large, READY, LLM).prompt
    assert whole.size > 64 * 1024
    past = [large, READY, LLM, OPENED, prepared(text=whole.text, stored=True)]
    advice = PromptEnhanced(attempt=1, run=1, advice=Content.of("look"))
    given(DECIDER, *past).when(advice).then(
        asked(text=with_advice(whole.text, "look"), tokens_estimated=counted(whole.text, "look"))
    )
    without = PromptEnhanced(attempt=1, run=1, usable=False)
    given(DECIDER, *past).when(without).then(asked(prompt=whole.by_reference()))


def test_a_large_prompt_of_another_template_goes_out_as_it_was_recorded() -> None:
    other = prepared(text="y" * 100_000, stored=True)
    advice = PromptEnhanced(attempt=1, run=1, advice=Content.of("look"))
    given(DECIDER, TASK, READY, LLM, OPENED, other).when(advice).then(asked(prompt=other.prompt))


def test_money_is_set_aside_before_a_run_and_the_run_may_spend_no_more() -> None:
    given(DECIDER, *COSTLY).when(prepared()).then(BudgetReserved(attempt=1, run=1, usd=1.0))
    given(DECIDER, *COSTLY, prepared()).when(BudgetReserved(attempt=1, run=1, usd=1.0)).then(asked(budget_usd=1.0))


SPENT = [*COSTLY, prepared(), BudgetReserved(attempt=1, run=1, usd=1.0)]


def test_what_a_run_has_cost_is_settled_when_it_is_over() -> None:
    given(DECIDER, *SPENT, *ran(cost=0.3)).when(finished()).then(BudgetSettled(attempt=1, run=1, usd=0.3))
    lost = AttemptInterrupted(attempt=1, run=1, reason="killed")
    given(DECIDER, *SPENT, asked()).when(lost).then(BudgetSettled(attempt=1, run=1, usd=0.0))


def test_where_nothing_was_set_aside_nothing_is_settled() -> None:
    given(DECIDER, *BEGUN, prepared(), *ran(cost=0.3)).when(finished()).then_nothing()


def test_what_is_set_aside_for_the_next_run_is_not_settled_by_the_one_before() -> None:
    past = [*SPENT, *ran(cost=0.3), finished(), BudgetSettled(attempt=1, run=1, usd=0.3), retry(), prepared(2)]
    late = AttemptInterrupted(attempt=1, run=1, reason="killed")
    given(DECIDER, *past, BudgetReserved(attempt=2, run=1, usd=0.7)).when(late).then_nothing()


def test_the_next_attempt_gets_what_is_left() -> None:
    past = [*SPENT, *ran(cost=0.3), finished(), BudgetSettled(attempt=1, run=1, usd=0.3), retry()]
    given(DECIDER, *past).when(prepared(2)).then(BudgetReserved(attempt=2, run=1, usd=0.7))


def test_where_nothing_is_left_the_budget_is_exhausted() -> None:
    past = [*SPENT, *ran(cost=1.2), finished(), BudgetSettled(attempt=1, run=1, usd=1.2)]
    given(DECIDER, *past).when(retry()).then(BudgetExhausted(spent_usd=1.2, budget_usd=1.0))
    given(DECIDER, *past, retry(), BudgetExhausted(spent_usd=1.2, budget_usd=1.0)).when(retry()).then_nothing()


@pytest.mark.parametrize(
    ("decision", "following"), [(retry(), (2, 1)), (retry(counted=False), (1, 2)), (retry(2, 3, counted=False), (2, 4))]
)
def test_a_retry_prepares_the_next_attempt_or_the_next_run(decision: DecisionMade, following: tuple[int, int]) -> None:
    made = given(DECIDER, *BEGUN, prepared(), *ran(), finished()).when(decision).only
    assert (made.attempt, made.run) == following
    assert made.feedback_from == ((1,) if following == (2, 1) else ())


@pytest.mark.parametrize("action", ["proceed", "wait", "escalate", "stop"])
def test_on_other_decisions_no_prompt_follows(action: Any) -> None:
    past = [*BEGUN, prepared(), *ran(), finished()]
    given(DECIDER, *past).when(DecisionMade(action=action, attempt=1, run=1)).then_nothing()


def test_turns_double_once_after_they_were_used_up() -> None:
    past: list[Event] = [task(turns_max=50), READY, NO_LLM, OPENED, prepared()]
    turns = []
    for attempt in (1, 2, 3):
        past += [*ran(attempt, ending="max_turns", checks={}), finished(attempt, ending="max_turns"), retry(attempt)]
        turns.append(given(DECIDER, *past).when(prepared(attempt + 1)).only.turns_max)
        past.append(prepared(attempt + 1))
    assert turns == [100, 100, 100]


def test_turns_double_as_often_as_the_policy_says_until_its_bound() -> None:
    past: list[Event] = [task(turns_max=50), readied(turns_doublings_max=3), NO_LLM, OPENED, prepared()]
    turns = []
    for attempt in (1, 2, 3):
        past += [*ran(attempt, ending="max_turns", checks={}), finished(attempt, ending="max_turns"), retry(attempt)]
        turns.append(given(DECIDER, *past).when(prepared(attempt + 1)).only.turns_max)
        past.append(prepared(attempt + 1))
    assert turns == [100, 120, 120]


def test_a_larger_wish_than_the_bound_stays() -> None:
    past = [task(turns_max=500), READY, NO_LLM, OPENED, prepared(), *ran(ending="max_turns", checks={})]
    request = given(DECIDER, *past, finished(ending="max_turns"), retry()).when(prepared(2)).only
    assert request.turns_max == 500


@pytest.mark.parametrize(
    "end", [TaskCompleted(attempt=1, branch="b", commit="c"), TaskFailed(reasons=()), TaskCancelled()]
)
def test_the_end_of_the_task_closes_its_session(end: Event) -> None:
    given(DECIDER, *BEGUN).when(end).then(SessionClosed(session="1"))
    given(DECIDER, TASK).when(end).then_nothing()
    given(DECIDER, *BEGUN, end, SessionClosed(session="1")).when(end).then_nothing()


def test_after_the_end_no_run_is_asked_for() -> None:
    given(DECIDER, *BEGUN, TaskCancelled()).when(prepared()).then_nothing()
    given(DECIDER, *BEGUN, prepared(), *ran(), TaskCancelled()).when(retry()).then_nothing()
    given(DECIDER, *SPENT, *ran(cost=0.3), TaskCancelled()).when(finished()).then_nothing()


def test_a_run_is_asked_for_once() -> None:
    given(DECIDER, *BEGUN, prepared(), asked()).when(prepared()).then_nothing()
    given(DECIDER, *BEGUN, prepared(), *ran(), finished(), retry(), prepared(2), asked(2)).when(retry()).then_nothing()


def test_a_review_reaches_the_next_prompt_only_if_it_is_usable() -> None:
    past = [TASK, READY, LLM, OPENED, prepared(), *ran(checks={"pytest -q": 1}), finished()]
    assert (
        "A reviewer" not in given(DECIDER, *past, reviewed(approves=False, usable=False)).when(retry()).only.prompt.text
    )
