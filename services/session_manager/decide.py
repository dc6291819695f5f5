"""What must happen for the next run to start, a finished one to be paid, and a session to stay in its window?"""

from collections.abc import Sequence

from obra.events import (
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    BudgetExhausted,
    BudgetReserved,
    BudgetSettled,
    Content,
    DecisionMade,
    Event,
    LlmSelected,
    MilestoneReached,
    Policy,
    PromptEnhanced,
    PromptPrepared,
    SessionBriefed,
    SessionClosed,
    SessionJoined,
    SessionOpened,
    SessionRefreshed,
    SessionSummarised,
    SessionWarned,
    SummaryRequested,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
)
from obra.services.session_manager import refresh, window
from obra.services.session_manager.evolve import evolve
from obra.services.session_manager.prompt import advised, render
from obra.services.session_manager.prompts import load as template
from obra.services.session_manager.state import NONE, State
from obra.shared import rules, tokens
from obra.shared.decider import Decider
from obra.shared.llm.names import NOBODY

HEARS: tuple[type[Event], ...] = (
    TaskReadied, LlmSelected, SessionOpened, SessionBriefed, PromptPrepared, PromptEnhanced, BudgetReserved,
    AttemptFinished, AttemptInterrupted, DecisionMade, SessionSummarised, SessionRefreshed, TaskCompleted, TaskFailed,
    TaskCancelled, MilestoneReached,
)  # fmt: skip
SAYS: tuple[type[Event], ...] = (
    LlmSelected, SessionOpened, SessionJoined, SessionBriefed, PromptPrepared, BudgetReserved, AttemptRequested,
    BudgetSettled, BudgetExhausted, SessionWarned, SummaryRequested, SessionSummarised, SessionRefreshed, SessionClosed,
)  # fmt: skip


def decider(own_rules: str = "") -> Decider[State]:
    """Return the session-manager that tells agents the shipped rules, and those of the file *own_rules*."""

    def decide(state: State, event: Event) -> Sequence[Event]:
        match event:
            case TaskCompleted() | TaskFailed():
                return refresh.closed(state, tell=True)
            case TaskCancelled():
                return refresh.closed(state, tell=False)
            case SessionSummarised() if state.over:
                return refresh.closed(state, tell=True)
            case _:
                return [] if state.over else _onward(state, event, own_rules)

    return Decider(name="session-manager", initial=State(), hears=HEARS, says=SAYS, evolve=evolve, decide=decide)


def _onward(state: State, event: Event, own_rules: str) -> Sequence[Event]:
    match event:
        case AttemptFinished() | AttemptInterrupted():
            return [*_settled(state, event), *refresh.warned(state, event)]
        case _ if state.exhausted:
            return []
        case TaskReadied() if state.task and state.task.llm == "none" and not state.chosen_before:
            return [] if state.llm else [NOBODY]  # there is nothing that supervisor-llm could look for
        case TaskReadied() | LlmSelected():
            return _opened(state)
        case SessionOpened() | SessionBriefed():
            told = isinstance(event, SessionBriefed) or not state.shared
            return _prepared(state, own_rules) if told and state.opened and state.prepared == NONE else []
        case DecisionMade(action="retry" | "checkpoint"):
            return _retried(state, own_rules) if state.opened else _opened(state)
        case SessionSummarised():
            return refresh.answered(state, event) if _waits(state) else []
        case SessionRefreshed():
            return _prepared(state, own_rules) if _waits(state) and not refresh.due(state) else []
        case _:
            return _sent(state, event, own_rules)


def _sent(state: State, event: Event, own_rules: str) -> Sequence[Event]:
    """Return the next step of a prompt that is prepared."""
    match event:
        case PromptPrepared() if state.llm and state.llm.provider == "none":
            return _dispatched(state, own_rules)
        case PromptEnhanced() if state.enhanced == state.prepared:
            return _dispatched(state, own_rules)
        case BudgetReserved() if state.task and state.reserved == state.prepared > state.requested:
            return [_request(state, state.open_usd, own_rules)]
        case _:
            return []


def _opened(state: State) -> Sequence[Event]:
    if not (state.task and state.policy and state.llm) or state.opened:
        return []
    size = window.size_for(state.task, state.policy, None)
    return [SessionOpened(session=state.session, context_tokens_max=size)]


def _settled(state: State, event: AttemptFinished | AttemptInterrupted) -> Sequence[Event]:
    key = (event.attempt, event.run)
    if state.open_usd is None or key != state.reserved:
        return []
    return [BudgetSettled(attempt=event.attempt, run=event.run, usd=state.run_usd)]


def _waits(state: State) -> bool:
    """Return whether a run was decided on for which no prompt is prepared yet."""
    begun = state.prepared > NONE or state.used is not None
    return state.task is not None and begun and state.next > state.prepared


def _retried(state: State, own_rules: str) -> Sequence[Event]:
    """Return the next prompt; where the session must be refreshed first, or was, that goes on from the refresh."""
    if not _waits(state) or state.full.refreshed == state.next:
        return []
    return refresh.begun(state) if refresh.due(state) else _prepared(state, own_rules)


def _prepared(state: State, own_rules: str) -> Sequence[Event]:
    """Return the prompt of the next run, unless there is no money left for it."""
    if state.task is None:
        return []
    left = state.left_usd
    if left is not None and left <= 0:
        return [BudgetExhausted(spent_usd=state.spent_usd, budget_usd=state.task.budget_usd or 0.0)]
    prepared = render(state, rules.load(own_rules)).event(state)
    return [prepared, *_expected(state, prepared)]


def _expected(state: State, prepared: PromptPrepared) -> list[Event]:
    """Return the warning that the prompt alone will fill the window so far, by estimate, before it is sent."""
    policy = state.policy or Policy()
    size = window.size_for(state.task, policy, state.last.evidence.exited if state.last else None)
    expected = prepared.tokens_estimated + (state.full.used if prepared.resume else 0)
    share = min(1.0, round(expected / size, 4))
    if share < policy.context_warn:
        return []
    return [SessionWarned(session=state.session, used=share, tokens=expected, window=size, basis="estimated")]


def _dispatched(state: State, own_rules: str) -> Sequence[Event]:
    """Return the request for the run, or what must be set aside for it first."""
    if state.prepared <= max(state.requested, state.reserved) or state.task is None:
        return []
    attempt, run = state.prepared
    if (left := state.left_usd) is not None:
        return [BudgetReserved(attempt=attempt, run=run, usd=left)]
    return [_request(state, None, own_rules)]


def _request(state: State, budget_usd: float | None, own_rules: str) -> AttemptRequested:
    assert state.task is not None
    assert state.prompt is not None
    attempt, run = state.prepared
    prompt = _whole_prompt(state, state.prompt, own_rules)
    same = prompt.sha256 == state.prompt.prompt.sha256
    return AttemptRequested(
        attempt=attempt, run=run, prompt=prompt, turns_max=state.turns_max, timeout_s=state.task.timeout_s,
        silence_s=state.task.silence_s, budget_usd=budget_usd, resume=state.prompt.resume,
        tokens_estimated=state.prompt.tokens_estimated if same else tokens.count(prompt.text),
        stuck_max=state.policy.stuck_max if state.policy else 0,
    )  # fmt: skip


def _whole_prompt(state: State, prepared: PromptPrepared, own_rules: str) -> Content:
    """Return the prompt with the advice.

    A large prompt stands in its event by reference alone, so it is written once more from the same knowledge. If
    a newer template gives another text (the version changed in between), the prompt goes out as it was recorded,
    without advice, since what was announced must be what is sent.
    """
    if not state.advice:
        return prepared.prompt
    try:
        words = template(prepared.template)
    except KeyError:
        return prepared.prompt
    if not prepared.prompt.stored:
        return Content.of(advised(prepared.prompt.text, state.advice, words))
    text = render(state, rules.load(own_rules), prepared.template).text
    same = Content.of(text).sha256 == prepared.prompt.sha256
    return Content.of(advised(text, state.advice, words)) if same else prepared.prompt


DECIDER = decider()
