"""What happens next with the task?"""

from collections.abc import Sequence

from obra.events import (
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
    TaskCompleted,
    TaskFailed,
    TimerFired,
    TimerSet,
)
from obra.services.decider import words
from obra.services.decider.rules import verdict
from obra.services.decider.state import State, evolve
from obra.shared.decider import Decider

FIRST_OUTAGE, LONGER = 1, 4.0
QUESTIONS = (
    AttemptScored, AttemptFinished, AttemptInterrupted, BudgetExhausted, BranchRefused, TimerFired,
    BreakpointResolved, DecisionOverridden,
)  # fmt: skip


def decide(state: State, event: Event) -> Sequence[Event]:
    """Return the decision that is due, or what follows from the one just made."""
    match event:
        case DecisionMade() if state.due == "sequel":
            return [_sequel(state)]
        case BranchDelivered() if state.due == "completion":
            return [_completed(state)]
        case _ if isinstance(event, QUESTIONS) and state.due not in ("", "sequel", "completion"):
            return [_decision(state)]
        case _:
            return []


def _decision(state: State) -> DecisionMade:
    said = verdict(state)
    return DecisionMade(
        action=said.action, attempt=state.evidence.attempt, run=state.evidence.run, reasons=said.reasons,
        numbers=words.numbers(state), counted=said.counted,
    )  # fmt: skip


def _sequel(state: State) -> Event:
    assert state.decision is not None
    match state.stands:
        case "waiting":
            return TimerSet(timer=state.timer, delay_s=_wait_s(state))
        case "person":
            return BreakpointRaised(
                name="override" if state.checks else "no_checks",
                attempt=state.decision.attempt, run=state.decision.run, reasons=state.decision.reasons,
            )  # fmt: skip
        case _:
            return TaskFailed(reasons=state.decision.reasons, attempts=state.made)


def _wait_s(state: State) -> float:
    """Return how long to wait for the provider: four times as long each time, up to the policy's bound."""
    longest = state.policy.outage_wait_s_max
    wait_s = state.policy.outage_wait_s
    for _ in range(FIRST_OUTAGE, state.outages):
        wait_s = min(wait_s * LONGER, longest)
    return min(wait_s, longest)


def _completed(state: State) -> TaskCompleted:
    assert state.delivered is not None
    score = state.evidence.score
    return TaskCompleted(
        attempt=state.delivered.attempt, branch=state.delivered.branch, commit=state.delivered.commit,
        quality=score.quality if score else 0.0, confidence=score.confidence if score else 0.0,
        cost_usd=state.cost_usd, tokens=state.tokens,
    )  # fmt: skip


DECIDER = Decider(
    name="decider",
    initial=State(),
    hears=(*QUESTIONS, DecisionMade, BranchDelivered),
    says=(DecisionMade, TimerSet, BreakpointRaised, TaskCompleted, TaskFailed),
    evolve=evolve,
    decide=decide,
)
