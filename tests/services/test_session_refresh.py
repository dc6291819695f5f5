"""A session whose context fills up: warned of, refreshed from a summary, or from an extract when there is no time."""

from typing import Any

import pytest
from msgspec.structs import replace

from obra.events import (
    AgentExited,
    AttemptRequested,
    Content,
    DecisionMade,
    Event,
    Policy,
    PromptPrepared,
    SessionRefreshed,
    SessionSummarised,
    SessionWarned,
    SummaryRequested,
    TaskReadied,
    TaskRolledBack,
    Tokens,
)
from obra.services.session_manager.decide import DECIDER
from obra.services.session_manager.window import size
from tests.given import given
from tests.services.evidence import LLM, NO_LLM, READY, TASK, finished, ran, readied, task
from tests.services.test_session_manager import OPENED, prepared, retry

SAID = Content.of("The parser is done; the report is open.")


def filled(context: int = 0, window: int = 200_000, ending: Any = "completed", **exited: Any) -> list[Event]:
    """Return a run that left so many tokens in the agent's context."""
    return [
        replace(event, context_tokens=context, context_window=window, session="s-1", **exited)
        if isinstance(event, AgentExited)
        else event
        for event in ran(ending=ending, checks={"pytest -q": 1})
    ]


def past(context: int, llm: Event = NO_LLM, ready: TaskReadied = READY, **fields: Any) -> list[Event]:
    return [task(**fields) if fields else TASK, ready, llm, OPENED, prepared(), *filled(context)]


def warned(share: float, tokens: int) -> SessionWarned:
    return SessionWarned(session="1", used=share, tokens=tokens, window=200_000)


@pytest.mark.parametrize(("tokens", "share"), [(140_000, 0.7), (165_000, 0.825), (400_000, 1.0)])
def test_from_70_percent_on_a_run_is_warned_of_once(tokens: int, share: float) -> None:
    given(DECIDER, *past(tokens)).when(finished()).then(warned(share, tokens))
    given(DECIDER, *past(tokens), finished(), warned(share, tokens)).when(finished()).then_nothing()


def test_below_nothing_is_said() -> None:
    given(DECIDER, *past(139_000)).when(finished()).then_nothing()


def test_thresholds_are_policy() -> None:
    strict = readied(context_warn=0.1)
    given(DECIDER, *past(20_000, ready=strict)).when(finished()).then(warned(0.1, 20_000))


def test_an_agent_that_reports_only_sums_is_taken_at_those() -> None:
    tokens = Tokens(input=100_000, cache_read=40_000, cache_write=5_000, output=5_000)
    run = filled(0, 0, tokens=tokens)
    given(DECIDER, TASK, READY, NO_LLM, OPENED, prepared(), *run).when(finished()).then(warned(0.75, 150_000))


def test_a_full_session_goes_on_from_an_extract_where_there_is_no_llm() -> None:
    before = [*past(170_000), finished(), warned(0.85, 170_000)]
    refreshed = given(DECIDER, *before).when(retry()).only
    assert isinstance(refreshed, SessionRefreshed)
    assert refreshed == SessionRefreshed(
        session="1", summary=refreshed.summary, by="extract", reason="no LLM serves this task", used=0.85
    )
    assert refreshed.summary.text == (
        "Asked: add a flag\nChanged 1 files, +0 -0 lines: a.py (added)\nCheck `pytest -q` exited 1.\n"
        "Attempt 1 (completed): bad"
    )
    following = given(DECIDER, *before, retry()).when(refreshed).only
    assert isinstance(following, PromptPrepared)
    assert (following.attempt, following.resume) == (2, "")
    assert "What was done in this task so far, summarised by Obra:" in following.prompt.text
    given(DECIDER, *before, retry(), refreshed, following).when(refreshed).then_nothing()
    given(DECIDER, *before, retry(), refreshed).when(retry()).then_nothing()


def test_with_an_llm_its_summary_is_waited_for() -> None:
    before = [*past(170_000, LLM), finished(), warned(0.85, 170_000)]
    requested = given(DECIDER, *before).when(retry()).only
    assert isinstance(requested, SummaryRequested)
    summarised = SessionSummarised(session="1", summary=SAID, of=requested.text.sha256, by="ollama/m")
    refreshed = SessionRefreshed(session="1", summary=SAID, by="ollama/m", used=0.85)
    given(DECIDER, *before, retry(), requested).when(summarised).then(refreshed)
    given(DECIDER, *before, retry(), requested).when(retry()).then_nothing()
    following = given(DECIDER, *before, retry(), requested, summarised).when(refreshed).only
    assert "summarised by ollama/m:" in following.prompt.text
    assert SAID.text in following.prompt.text


def test_a_summary_that_was_not_asked_for_changes_nothing() -> None:
    before = [*past(170_000, LLM), finished(), retry()]
    given(DECIDER, *before).when(SessionSummarised(session="1", summary=SAID, of="else")).then_nothing()


def test_an_unusable_summary_is_replaced_by_an_extract_and_said_to_be_one() -> None:
    before = [*past(170_000, LLM), finished(), warned(0.85, 170_000)]
    requested = given(DECIDER, *before).when(retry()).only
    failed = SessionSummarised(
        session="1", summary=Content(), of=requested.text.sha256, usable=False, reason="no answer within 120 s"
    )
    refreshed = given(DECIDER, *before, retry(), requested).when(failed).only
    assert (refreshed.by, refreshed.reason, refreshed.summary) == ("extract", "no answer within 120 s", requested.text)


def test_from_95_percent_on_no_summary_is_waited_for() -> None:
    refreshed = given(DECIDER, *past(190_000, LLM), finished()).when(retry()).only
    assert (type(refreshed), refreshed.emergency, refreshed.by, refreshed.reason) == (
        SessionRefreshed, True, "extract", "the window is nearly full"
    )  # fmt: skip


def ran_out(context: int = 50_000, **policy: Any) -> list[Event]:
    """Return the past of a task of Claude Code whose first attempt used up its turns."""
    run = [event for event in filled(context, ending="max_turns")]
    return [TASK, readied(**policy), NO_LLM, OPENED, prepared(), *run, finished(ending="max_turns")]


@pytest.mark.parametrize("decision", [retry(), DecisionMade(action="checkpoint", attempt=1, run=1, counted=False)])
def test_after_the_turn_limit_the_agents_own_session_is_resumed_with_twice_the_turns(decision: DecisionMade) -> None:
    made = given(DECIDER, *ran_out()).when(decision).only
    assert made.resume == "s-1"
    assert "This goes on in the same conversation, with 30 turns" in made.prompt.text
    request = given(DECIDER, *ran_out(), decision).when(made).only
    assert isinstance(request, AttemptRequested)
    assert (request.resume, request.turns_max) == ("s-1", 30)


@pytest.mark.parametrize(
    ("before", "fresh"),
    [
        (ran_out(resume_after_max_turns=False), "the policy wants a fresh session for each run"),
        ([*past(50_000), finished()], ""),
        ([task(agent="scripted:/s.json"), *ran_out()[1:]], "Obra can't go on with a session of the agent scripted"),
    ],
    ids=["by policy", "another ending", "an agent that can't"],
)
def test_otherwise_every_attempt_begins_a_session_of_its_own_and_after_the_turn_limit_says_why(
    before: list[Event], fresh: str
) -> None:
    made = given(DECIDER, *before).when(retry()).only
    assert (made.resume, made.fresh) == ("", fresh)


def test_after_a_rollback_to_the_turn_limit_the_session_that_was_put_back_is_resumed() -> None:
    back = TaskRolledBack(to=9, attempts=2)
    made = given(DECIDER, *ran_out(), back).when(retry()).only
    assert (made.attempt, made.resume) == (3, "s-1")


def test_a_conversation_that_is_too_full_is_not_resumed() -> None:
    before = ran_out(170_000)
    refreshed = given(DECIDER, *before).when(retry()).only
    assert isinstance(refreshed, SessionRefreshed)
    made = given(DECIDER, *before, retry()).when(refreshed).only
    assert (made.resume, made.fresh) == ("", "its conversation is too full to go on")


def test_a_resumed_conversation_carries_what_it_held() -> None:
    made = given(DECIDER, *ran_out()).when(retry()).only
    request = given(DECIDER, *ran_out(), retry()).when(made).only
    second = AgentExited(attempt=2, run=1, ending="completed", tokens=Tokens(input=100_000))
    before = [*ran_out(), retry(), made, request, second]
    assert given(DECIDER, *before).when(finished(2)).only.tokens == 150_000


def test_a_prompt_that_alone_fills_the_window_is_warned_of_before_it_is_sent() -> None:
    before = [task(text="word " * 8_000), readied(context_window=10_000), NO_LLM]
    made, warning = given(DECIDER, *before).when(OPENED).events
    assert isinstance(made, PromptPrepared)
    assert warning == SessionWarned(
        session="1", used=round(made.tokens_estimated / 10_000, 4), tokens=made.tokens_estimated, window=10_000,
        basis="estimated",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "reported", "override", "tokens"),
    [
        ("claude-sonnet-4-5", 0, 0, 200_000),
        ("claude-opus[1m]", 0, 0, 1_000_000),
        ("gpt-5-codex", 0, 0, 400_000),
        ("something", 0, 0, 200_000),
        ("claude-opus-5-5", 1_000_000, 0, 1_000_000),
        ("claude-opus-5-5", 1_000_000, 50_000, 50_000),
    ],
)
def test_the_window_is_what_the_policy_the_agent_or_the_table_says(
    model: str, reported: int, override: int, tokens: int
) -> None:
    assert size(Policy(context_window=override), model, reported) == tokens
