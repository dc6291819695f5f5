"""What the session-manager remembers of one task."""

from dataclasses import dataclass, field, replace

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptStarted,
    BudgetExhausted,
    BudgetReserved,
    BudgetSettled,
    Content,
    DecisionMade,
    Event,
    LlmSelected,
    Policy,
    PromptEnhanced,
    PromptPrepared,
    QuestionAnswered,
    QuestionAsked,
    SessionClosed,
    SessionOpened,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    WorkspaceCheckpointed,
)
from obra.shared.evidence import Evidence, Key, gather

NONE: Key = (0, 0)
ACCOUNTS_MAX = 20
ANSWERS_MAX = 10


@dataclass(frozen=True, slots=True)
class Feedback:
    """An attempt that was not accepted: what was seen of it, and why it was not."""

    evidence: Evidence = field(default_factory=Evidence)
    reasons: tuple[str, ...] = ()

    @property
    def account(self) -> str:
        """Return it in a few lines, for later attempts."""
        ending = self.evidence.ending or "no ending"
        return f"Attempt {self.evidence.attempt} ({ending}): " + "; ".join(r[:300] for r in self.reasons[:8])


@dataclass(frozen=True, slots=True)
class Answer:
    """A question that an earlier attempt left open, and what somebody said to it."""

    question: str
    text: str
    by: str
    person: bool


@dataclass(frozen=True, slots=True)
class State:
    """One task's session: how far each step has come, and all that a prompt tells.

    ``prepared``, ``reserved`` and ``requested`` are the newest run that each step was taken for. ``open_usd`` is
    what is set aside for the run in hand; none: nothing. ``used`` is, after a rollback, the highest attempt that
    was ever begun: its number is not given again.
    """

    task: TaskSubmitted | None = None
    policy: Policy | None = None
    llm: LlmSelected | None = None
    opened: bool = False
    closed: bool = False
    over: bool = False
    used: int | None = None
    prepared: Key = NONE
    prompt: Content = field(default_factory=Content)
    advice: str = ""
    enhanced: Key = NONE
    reserved: Key = NONE
    open_usd: float | None = None
    requested: Key = NONE
    exhausted: bool = False
    spent_usd: float = 0.0
    run_usd: float = 0.0
    turns_max: int = 0
    base: str | None = None
    tree: WorkspaceCheckpointed | None = None
    evidence: Evidence = field(default_factory=Evidence)
    ended: Key = NONE
    next: Key = (1, 1)
    broken_off: bool = False
    last: Feedback | None = None
    earlier: tuple[str, ...] = ()
    asked: QuestionAsked | None = None
    answers: tuple[Answer, ...] = ()

    @property
    def left_usd(self) -> float | None:
        """Return what is left of the budget; none: there is no limit."""
        if self.task is None or self.task.budget_usd is None:
            return None
        return max(0.0, round(self.task.budget_usd - self.spent_usd, 6))


def evolve(state: State, event: Event) -> State:
    """Take in one event."""
    match event:
        case TaskSubmitted() if state.task is None:
            return replace(state, task=event)
        case TaskReadied() if state.policy is None:
            turns = state.task.turns_max if state.task else 0
            return replace(state, policy=event.policy, turns_max=turns or event.policy.turns_max)
        case LlmSelected() if state.llm is None:
            return replace(state, llm=event)
        case TaskCompleted() | TaskFailed() | TaskCancelled() | TaskRejected():
            return replace(state, over=True, last=None, tree=None, evidence=Evidence(), earlier=())
        case TaskRolledBack() if not state.over:
            return replace(
                state, used=event.attempts, spent_usd=event.cost_usd, run_usd=0.0, open_usd=None, exhausted=False,
                asked=None,
            )  # fmt: skip
        case DecisionMade(action="retry" | "checkpoint") if not state.over:
            return _again(state, event)
        case QuestionAsked() | QuestionAnswered():
            return _answered(state, event)
        case SessionOpened() | SessionClosed() | PromptPrepared() | PromptEnhanced() | AttemptRequested():
            return _step(state, event)
        case BudgetReserved() | BudgetSettled() | BudgetExhausted():
            return _money(state, event)
        case _:
            return _observed(state, event)


def _step(state: State, event: Event) -> State:
    match event:
        case SessionOpened():
            return replace(state, opened=True)
        case SessionClosed():
            return replace(state, closed=True)
        case PromptPrepared() if (event.attempt, event.run) > state.prepared:
            return replace(state, prepared=(event.attempt, event.run), prompt=event.prompt, advice="")
        case PromptEnhanced() if (event.attempt, event.run) == state.prepared > state.enhanced:
            return replace(state, enhanced=state.prepared, advice=event.advice.text if event.usable else "")
        case AttemptRequested() if (event.attempt, event.run) > state.requested:
            return replace(
                state, requested=(event.attempt, event.run), run_usd=0.0, evidence=gather(state.evidence, event)
            )
        case _:
            return state


def _answered(state: State, event: QuestionAsked | QuestionAnswered) -> State:
    """Take in a question, or the first usable answer to the one that is open."""
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
            spent = round(state.spent_usd + event.cost_usd, 6)
            return replace(state, spent_usd=spent, run_usd=round(state.run_usd + event.cost_usd, 6))
        case AttemptStarted(base=base):
            return replace(state, base=base)
        case WorkspaceCheckpointed(interrupted=False):
            return replace(state, tree=state.evidence.checkpoint, base=event.base or state.base)
        case AttemptFinished() | AttemptInterrupted() if (event.attempt, event.run) > state.ended:
            state = replace(state, ended=(event.attempt, event.run))
            ran_out = isinstance(event, AttemptFinished) and event.ending == "max_turns"
            return replace(state, turns_max=_doubled(state)) if ran_out else state
        case _:
            return state


def _doubled(state: State) -> int:
    """Return twice the turns, up to the policy's bound; never fewer than before."""
    bound = state.policy.turns_bound if state.policy else 0
    return max(state.turns_max, min(2 * state.turns_max, bound))


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
    earlier = (*state.earlier, state.last.account) if state.last else state.earlier
    return replace(
        state, next=(following, 1), broken_off=False, earlier=earlier[-ACCOUNTS_MAX:],
        last=Feedback(state.evidence, event.reasons),
    )  # fmt: skip
