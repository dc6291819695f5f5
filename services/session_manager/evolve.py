"""How what the session-manager remembers follows from a task's events."""

from msgspec.structs import replace

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptStarted,
    BudgetExhausted,
    BudgetReserved,
    BudgetSettled,
    DecisionMade,
    Event,
    LlmSelected,
    Policy,
    PromptEnhanced,
    PromptPrepared,
    QuestionAnswered,
    QuestionAsked,
    SessionBriefed,
    SessionClosed,
    SessionOpened,
    SessionRefreshed,
    SessionSummarised,
    SessionWarned,
    SummaryRequested,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.events.task import TaskEnd
from obra.services.session_manager import account, turns, window
from obra.services.session_manager.state import Answer, Feedback, State
from obra.shared.evidence import Evidence, gather

ACCOUNTS_MAX = 20
ANSWERS_MAX = 10


def evolve(state: State, event: Event) -> State:
    """Take in one event."""
    match event:
        case TaskSubmitted() if state.task is None:
            return replace(state, task=event)
        case TaskReadied() if state.policy is None:
            first = turns.chosen(state.task, event.policy) if state.task else event.policy.turns_max
            return replace(state, policy=event.policy, turns_max=first, chosen_before=state.llm is not None)
        case LlmSelected() if state.llm is None:
            return replace(state, llm=event)
        case TaskCompleted() | TaskFailed() | TaskCancelled() | TaskRejected():
            return _over(state, event)
        case DecisionMade(action="retry" | "checkpoint") if not state.over:
            return _again(state, event)
        case TaskRolledBack() | QuestionAsked() | QuestionAnswered():
            return _from_outside(state, event)
        case SessionOpened() | SessionClosed() | PromptPrepared() | PromptEnhanced() | AttemptRequested():
            return _step(state, event)
        case SessionBriefed() | SessionWarned() | SummaryRequested() | SessionSummarised() | SessionRefreshed():
            return _session(state, event)
        case BudgetReserved() | BudgetSettled() | BudgetExhausted():
            return _money(state, event)
        case _:
            return _observed(state, event)


def _over(state: State, event: TaskEnd) -> State:
    """Keep of a task that is over what the other tasks of its session will want to know."""
    if state.over:
        return state
    told = state.shared and isinstance(event, TaskCompleted | TaskFailed)
    closing = account.of_work(state.task, state.evidence, (*state.earlier, account.outcome([event]))) if told else ""
    return replace(
        state, over=True, closing=closing, last=None, tree=None, evidence=Evidence(), earlier=(), findings=(),
        summary=None, briefings=(), answers=(), asked=None, prompt=None, advice="",
    )  # fmt: skip


def _step(state: State, event: Event) -> State:
    match event:
        case SessionOpened():
            return replace(state, opened=True)
        case SessionClosed():
            return replace(state, closed=True)
        case PromptPrepared() if (event.attempt, event.run) > state.prepared:
            return replace(state, prepared=(event.attempt, event.run), prompt=event, advice="")
        case PromptEnhanced() if (event.attempt, event.run) == state.prepared > state.enhanced:
            return replace(state, enhanced=state.prepared, advice=event.advice.text if event.usable else "")
        case AttemptRequested() if (event.attempt, event.run) > state.requested:
            carried = state.full.used if event.resume else 0
            return replace(
                state, requested=(event.attempt, event.run), run_usd=0.0, evidence=gather(state.evidence, event),
                findings=(), full=replace(state.full, carried=carried, resumable=""),
            )  # fmt: skip
        case _:
            return state


def _session(state: State, event: Event) -> State:
    match event:
        case SessionBriefed() if not state.over:
            return replace(state, briefings=event.briefings)
        case SessionWarned(basis="reported"):
            return replace(state, full=replace(state.full, warned=state.ended))
        case SummaryRequested() if state.over:
            return replace(state, asked_at_end=True)
        case SummaryRequested():
            return replace(state, full=replace(state.full, asked=state.next, asked_of=event.text.sha256))
        case SessionSummarised() if state.over:
            return replace(state, summarised=True)
        case SessionRefreshed() if not state.over:
            full = replace(state.full, refreshed=state.next, used=0, resumable="")
            return replace(state, full=full, summary=event, earlier=())
        case _:
            return state


def _from_outside(state: State, event: TaskRolledBack | QuestionAsked | QuestionAnswered) -> State:
    """Take in a rollback, a question, or the first usable answer to the one that is open."""
    if isinstance(event, TaskRolledBack):
        return state if state.over else replace(
            state, used=event.attempts, spent_usd=event.cost_usd, run_usd=0.0, open_usd=None, exhausted=False,
            asked=None,
        )  # fmt: skip
    if isinstance(event, QuestionAsked):
        return replace(state, asked=event)
    if state.asked is None or state.asked.question != event.question or not event.usable:
        return state
    answer = Answer(state.asked.text.text, event.text.text, event.by, person=not event.model)
    return replace(state, asked=None, answers=(*state.answers, answer)[-ANSWERS_MAX:])


def _money(state: State, event: Event) -> State:
    match event:
        case BudgetReserved() if (event.attempt, event.run) > state.reserved:
            return replace(state, reserved=(event.attempt, event.run), open_usd=event.usd)
        case BudgetSettled() if (event.attempt, event.run) == state.reserved:
            return replace(state, open_usd=None)
        case BudgetExhausted():
            return replace(state, exhausted=True)
        case _:
            return state


def _observed(state: State, event: Event) -> State:
    """Take in what the runner saw. What a run has cost counts as soon as it is known."""
    state = replace(state, evidence=gather(state.evidence, event))
    match event:
        case AgentExited() if (event.attempt, event.run) == state.evidence.key:
            return _exited(state, event)
        case AttemptStarted(base=base):
            return replace(state, base=base)
        case WorkspaceCheckpointed(interrupted=False):
            return replace(state, tree=state.evidence.checkpoint, base=event.base or state.base)
        case WorkspaceInspected() if (event.attempt, event.run) == state.evidence.key:
            return replace(state, findings=event.findings)
        case AttemptFinished() | AttemptInterrupted() if (event.attempt, event.run) > state.ended:
            return _ended(state, event)
        case _:
            return state


def _exited(state: State, event: AgentExited) -> State:
    full = replace(
        state.full, used=window.used_tokens(event, state.full.carried),
        window=window.size_for(state.task, state.policy, event), resumable=event.session,
    )  # fmt: skip
    spent = round(state.spent_usd + event.cost_usd, 6)
    return replace(state, spent_usd=spent, run_usd=round(state.run_usd + event.cost_usd, 6), full=full)


def _ended(state: State, event: AttemptFinished | AttemptInterrupted) -> State:
    state = replace(state, ended=(event.attempt, event.run))
    ran_out = isinstance(event, AttemptFinished) and event.ending == "max_turns"
    if not ran_out:
        return replace(state, full=replace(state.full, resumable=""))
    policy = state.policy or Policy()
    if state.doublings >= policy.turns_doublings_max:
        return state
    return replace(state, turns_max=turns.doubled(state.turns_max, policy), doublings=state.doublings + 1)


def _again(state: State, event: DecisionMade) -> State:
    """Take in a retry: the next attempt with feedback on this one, or the same attempt's next run.

    A checkpoint is the latter: the attempt goes on from what it has done.
    """
    if not event.counted:
        broken_off = state.broken_off or state.evidence.ending is not None
        return replace(state, next=max(state.next, (event.attempt, event.run + 1)), broken_off=broken_off)
    following = max(event.attempt, state.used or 0) + 1
    if (following, 1) <= state.next:
        return state
    before = (account.of_attempt(state.last.evidence, state.last.reasons),) if state.last else ()
    return replace(
        state, next=(following, 1), broken_off=False, earlier=(*state.earlier, *before)[-ACCOUNTS_MAX:],
        last=Feedback(state.evidence, event.reasons, state.findings),
    )  # fmt: skip
