"""What the decider remembers of one task, and what is due."""

from dataclasses import dataclass, field, replace
from typing import Literal

from obra.events import (
    JUDGED,
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptScored,
    BranchDelivered,
    BranchRefused,
    BreakpointRaised,
    BreakpointResolved,
    BudgetExhausted,
    DecisionMade,
    DecisionOverridden,
    Event,
    Policy,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    TimerFired,
    TimerSet,
    Tokens,
)
from obra.shared.evidence import Evidence, Key, gather

Due = Literal[
    "", "score", "ending", "loss", "budget", "refusal", "timer", "resolution", "override", "sequel", "completion"
]
"""What must be answered next: a decision, what follows from the decision just made, or the task's completion."""

OVERRIDES = frozenset({"proceed", "retry", "stop", "escalate"})
"""What a person can decide instead; the other actions would need more than a word."""


@dataclass(frozen=True, slots=True)
class State:
    """One task, as far as a decision depends on it.

    ``stands``: *open* while runs are made or about to be, *waiting* for a timer, *person* at a breakpoint,
    *delivering* after proceed, *closed* after the end or after stop. ``decided`` is the newest run that was
    decided on, so that nothing about an older one is decided again. ``made`` counts the attempts that were made and
    not rolled back, which is less than the newest one's number where some were.
    """

    submitted: bool = False
    policy: Policy = field(default_factory=Policy)
    attempts_max: int = 3
    checks: tuple[str, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    made: int = 0
    stands: Literal["open", "waiting", "person", "delivering", "closed"] = "open"
    due: Due = ""
    decided: Key = (0, 0)
    decision: DecisionMade | None = None
    override: DecisionOverridden | None = None
    resolution: BreakpointResolved | None = None
    budget: BudgetExhausted | None = None
    loss: AttemptInterrupted | None = None
    refusal: str = ""
    delivered: BranchDelivered | None = None
    outages: int = 0
    interruptions: int = 0
    cost_usd: float = 0.0
    tokens: Tokens = field(default_factory=Tokens)

    @property
    def undecided(self) -> bool:
        """Return whether the newest run still waits for its decision."""
        return self.stands == "open" and self.evidence.key > self.decided

    @property
    def timer(self) -> str:
        """Return the name of the timer that the newest wait is for."""
        return f"outage-{self.outages}"


def evolve(state: State, event: Event) -> State:
    """Take in one event. After the task's end nothing changes any more."""
    if state.stands == "closed" and state.due == "":
        return state
    match event:
        case TaskCompleted() | TaskFailed() | TaskRejected() | TaskCancelled():
            return replace(state, stands="closed", due="")
        case TaskSubmitted() if not state.submitted:
            return replace(state, submitted=True, attempts_max=event.attempts_max, checks=event.checks)
        case TaskReadied():
            return replace(state, policy=event.policy)
        case DecisionMade():
            return _decided(state, event)
        case TimerSet() if state.stands == "waiting" and state.due == "sequel":
            return replace(state, due="")
        case BreakpointRaised() if state.stands == "person" and state.due == "sequel":
            return replace(state, due="")
        case BreakpointResolved() | DecisionOverridden():
            return _of_a_person(state, event)
        case TaskRolledBack():
            return _returned(state, event)
        case _:
            return _of_the_run(_gathered(state, event), event)


def _gathered(state: State, event: Event) -> State:
    if isinstance(event, AgentExited):
        state = replace(state, cost_usd=round(state.cost_usd + event.cost_usd, 6), tokens=state.tokens + event.tokens)
    evidence = gather(state.evidence, event)
    return replace(state, evidence=evidence, made=state.made + (evidence.attempt > state.evidence.attempt))


def _returned(state: State, event: TaskRolledBack) -> State:
    """Rest until a person has spoken. What was spent on what is undone was spent all the same."""
    return replace(
        state, stands="person", due="", override=None, resolution=None, cost_usd=event.cost_usd, tokens=event.tokens
    )


def _of_the_run(state: State, event: Event) -> State:
    match event:
        case AttemptScored() if state.undecided and (event.attempt, event.run) == state.evidence.key:
            return replace(state, due="score")
        case AttemptFinished(ending=ending) if (
            state.undecided and ending not in JUDGED and (event.attempt, event.run) == state.evidence.key
        ):
            return replace(state, due="ending")
        case AttemptInterrupted() if state.undecided and (event.attempt, event.run) == state.evidence.key:
            return replace(state, due="loss", loss=event, interruptions=state.interruptions + 1)
        case BudgetExhausted() if state.stands == "open":
            return replace(state, due="budget", budget=event)
        case BranchRefused() if state.stands == "delivering":
            return replace(state, due="refusal", refusal=event.reason)
        case BranchDelivered() if state.stands == "delivering":
            return replace(state, due="completion", delivered=event)
        case TimerFired(timer=timer) if state.stands == "waiting" and timer == state.timer:
            return replace(state, due="timer")
        case _:
            return state


def _of_a_person(state: State, event: BreakpointResolved | DecisionOverridden) -> State:
    """Take in a person's word. It holds at once where the task waits, else when the run in hand ends."""
    if isinstance(event, BreakpointResolved):
        return replace(state, due="resolution", resolution=event) if state.stands == "person" else state
    if event.action not in OVERRIDES or state.stands in ("delivering", "closed"):
        return state
    at_once = event.action == "stop" or state.stands in ("waiting", "person")
    if at_once and event.action == "proceed" and state.evidence.checkpoint is None:
        return state
    return replace(state, override=event, due="override" if at_once else state.due)


def _decided(state: State, event: DecisionMade) -> State:
    state = replace(
        state,
        decision=event, decided=max(state.decided, (event.attempt, event.run)), due="", override=None,
        resolution=None,
    )  # fmt: skip
    match event.action:
        case "proceed":
            return replace(state, stands="delivering")
        case "wait":
            return replace(state, stands="waiting", due="sequel", outages=state.outages + 1)
        case "escalate":
            return replace(state, stands="person", due="sequel")
        case "stop":
            return replace(state, stands="closed", due="sequel")
        case _:
            return replace(state, stands="open")
