"""What must happen for the next run to start, and for a finished one to be paid?"""

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
    PromptEnhanced,
    PromptPrepared,
    SessionClosed,
    SessionOpened,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
)
from obra.services.session_manager.prompt import advised, render
from obra.services.session_manager.prompts import ATTEMPT
from obra.services.session_manager.state import NONE, State, evolve
from obra.shared.decider import Decider

SESSION = "1"


def decide(state: State, event: Event) -> Sequence[Event]:
    """Return the next step. After the task's end that is to close its session, and nothing else."""
    match event:
        case TaskCompleted() | TaskFailed() | TaskCancelled():
            return [SessionClosed(session=SESSION)] if state.opened and not state.closed else []
        case _:
            return [] if state.over else _onward(state, event)


def _onward(state: State, event: Event) -> Sequence[Event]:
    match event:
        case AttemptFinished() | AttemptInterrupted():
            return _settled(state, event)
        case _ if state.exhausted:
            return []
        case TaskReadied() | LlmSelected():
            complete = state.task and state.policy and state.llm and not state.opened
            return [SessionOpened(session=SESSION)] if complete else []
        case SessionOpened():
            return _prepared(state) if state.prepared == NONE and state.task else []
        case DecisionMade(action="retry" | "checkpoint"):
            begun = state.prepared > NONE or state.used is not None
            return _prepared(state) if begun and state.next > state.prepared and state.task else []
        case PromptPrepared() if state.llm and state.llm.provider == "none":
            return _dispatched(state)
        case PromptEnhanced() if state.enhanced == state.prepared:
            return _dispatched(state)
        case BudgetReserved() if state.reserved == state.prepared > state.requested:
            return [_request(state, state.open_usd)]
        case _:
            return []


def _settled(state: State, event: AttemptFinished | AttemptInterrupted) -> Sequence[Event]:
    key = (event.attempt, event.run)
    if state.open_usd is None or key != state.reserved:
        return []
    return [BudgetSettled(attempt=event.attempt, run=event.run, usd=state.run_usd)]


def _prepared(state: State) -> Sequence[Event]:
    """Return the prompt of the next run, unless there is no money left for it."""
    attempt, run = state.next
    left = state.left_usd
    if left is not None and left <= 0 and state.task is not None:
        return [BudgetExhausted(spent_usd=state.spent_usd, budget_usd=state.task.budget_usd or 0.0)]
    return [
        PromptPrepared(
            attempt=attempt,
            run=run,
            prompt=Content.of(render(state)),
            template=ATTEMPT.name,
            template_sha256=ATTEMPT.sha256,
            feedback_from=(state.last.evidence.attempt,) if state.last else (),
        )
    ]


def _dispatched(state: State) -> Sequence[Event]:
    """Return the request for the run, or what must be set aside for it first."""
    if state.prepared <= max(state.requested, state.reserved) or state.task is None:
        return []
    attempt, run = state.prepared
    if (left := state.left_usd) is not None:
        return [BudgetReserved(attempt=attempt, run=run, usd=left)]
    return [_request(state, None)]


def _request(state: State, budget_usd: float | None) -> AttemptRequested:
    assert state.task is not None
    attempt, run = state.prepared
    return AttemptRequested(
        attempt=attempt, run=run, prompt=_whole_prompt(state), turns_max=state.turns_max,
        timeout_s=state.task.timeout_s, silence_s=state.task.silence_s, budget_usd=budget_usd,
    )  # fmt: skip


def _whole_prompt(state: State) -> Content:
    """Return the prompt with the advice.

    A large prompt stands in its event by reference alone, so it is written once more from the same knowledge. If
    a newer template gives another text (the version changed in between), the prompt goes out as it was recorded,
    without advice, since what was announced must be what is sent.
    """
    if not state.advice:
        return state.prompt
    if not state.prompt.stored:
        return Content.of(advised(state.prompt.text, state.advice))
    text = render(state)
    same = Content.of(text).sha256 == state.prompt.sha256
    return Content.of(advised(text, state.advice)) if same else state.prompt


DECIDER = Decider(
    name="session-manager",
    initial=State(),
    hears=(
        TaskReadied, LlmSelected, SessionOpened, PromptPrepared, PromptEnhanced, BudgetReserved, AttemptFinished,
        AttemptInterrupted, DecisionMade, TaskCompleted, TaskFailed, TaskCancelled,
    ),
    says=(
        SessionOpened, PromptPrepared, BudgetReserved, AttemptRequested, BudgetSettled, BudgetExhausted, SessionClosed,
    ),
    evolve=evolve,
    decide=decide,
)  # fmt: skip
