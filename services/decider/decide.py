"""What happens next with the task?"""

import hashlib
from collections.abc import Sequence

from msgspec.structs import replace

from obra.events import (
    OUTSIDE,
    AttemptFinished,
    AttemptInterrupted,
    AttemptScored,
    BranchDelivered,
    BranchRefused,
    BreakpointRaised,
    BreakpointResolved,
    BudgetExhausted,
    Content,
    DecisionMade,
    DecisionOverridden,
    DecisionShadowed,
    Event,
    Policy,
    QuestionAnswered,
    QuestionAsked,
    Severity,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    TimerSet,
)
from obra.events.policy import digest
from obra.services.decider import words
from obra.services.decider.fold import evolve
from obra.services.decider.rules import verdict
from obra.services.decider.state import State
from obra.services.decider.verdict import SEVERITIES
from obra.shared.decider import Decider
from obra.shared.rulebook import named

FIRST_OUTAGE, LONGER = 1, 4.0
JITTER, JITTER_S_MAX = 0.1, 30.0
QUESTIONS = (
    AttemptScored, AttemptFinished, AttemptInterrupted, BudgetExhausted, BranchRefused, TimerFired,
    BreakpointResolved, DecisionOverridden, QuestionAnswered,
)  # fmt: skip


def decide(state: State, event: Event) -> Sequence[Event]:
    """Return the decision that is due, or what follows from the one just made."""
    match event:
        case DecisionMade() if state.due == "sequel":
            return [_sequel(state)]
        case QuestionAnswered() if state.due == "no_answer":
            return [_to_a_person(state)]
        case BranchDelivered() if state.due == "completion":
            return [_completed(state)]
        case _ if isinstance(event, QUESTIONS) and state.due not in ("", "sequel", "completion", "no_answer"):
            return _decided(state)
        case _:
            return []


def _decided(state: State) -> Sequence[Event]:
    """Return the decision and, where a candidate policy shadows the task, what that one would have decided."""
    made = _decision(state)
    return [made] if state.candidate is None else [made, _shadow(state, state.candidate, made)]


def _shadow(state: State, candidate: Policy, made: DecisionMade) -> DecisionShadowed:
    score = state.evidence.score
    if score is not None and score.shadow is not None:
        other = score.shadow
        score = replace(
            score, quality=other.quality, confidence=other.confidence, confidence_raw=other.confidence_raw
        )  # fmt: skip
    said = _decision(replace(state, policy=candidate, evidence=replace(state.evidence, score=score)))
    return DecisionShadowed(
        action=said.action, attempt=said.attempt, run=said.run, was=made.action, counted=said.counted,
        differs=(said.action, said.counted) != (made.action, made.counted), reasons=said.reasons,
        numbers=said.numbers, rule=said.rule, policy_sha256=digest(candidate),
    )  # fmt: skip


def _decision(state: State) -> DecisionMade:
    said = verdict(state)
    return DecisionMade(
        action=said.action, attempt=state.evidence.attempt, run=state.evidence.run, reasons=said.reasons,
        numbers=words.numbers(state), counted=said.counted, rule=said.rule,
        question=Content.of(said.question) if said.question else Content(),
    )  # fmt: skip


def _sequel(state: State) -> Event:
    assert state.decision is not None
    match state.stands:
        case "waiting":
            return TimerSet(timer=state.timer, delay_s=_wait_s(state))
        case "person":
            name = state.decision.rule or ("override" if state.checks else "no_checks")
            return BreakpointRaised(
                name=name, attempt=state.decision.attempt, run=state.decision.run, reasons=state.decision.reasons,
                severity=_severity(state, name),
            )  # fmt: skip
        case "asking":
            return _question(state, state.decision)
        case _:
            outside = state.decision.rule in ("hopeless", "outage") and state.evidence.ending in OUTSIDE
            return TaskFailed(reasons=state.decision.reasons, attempts=state.made, outside=outside)


def _severity(state: State, name: str) -> Severity:
    """Return how urgent a breakpoint is: as its rule says, where it is one of the policy's own."""
    own: dict[str, Severity] = {named(rule, place): rule.severity for place, rule in enumerate(state.policy.rules, 1)}
    return own.get(name) or SEVERITIES.get(name, "warning")


def _question(state: State, decision: DecisionMade) -> QuestionAsked:
    """Ask. What an agent wanted to know the LLM may know too; a contradiction is for a person to settle."""
    by_llm = decision.rule == "agent_asks" and state.llm and state.policy.clarify_by_llm
    return QuestionAsked(
        question=f"q{state.questions}", text=decision.question, to="llm" if by_llm else "person",
        attempt=decision.attempt, run=decision.run, reasons=decision.reasons,
    )  # fmt: skip


def _to_a_person(state: State) -> QuestionAsked:
    """Ask a person what the LLM could not answer."""
    assert state.asked is not None
    assert state.answer is not None
    return QuestionAsked(
        question=f"{state.asked.question}-person", text=state.asked.text, attempt=state.asked.attempt,
        run=state.asked.run, reasons=(*state.asked.reasons, f"the LLM has no answer: {state.answer.reason}"),
    )  # fmt: skip


def _wait_s(state: State) -> float:
    """Return how long to wait for the provider: at least until the limit resets, where the provider has said so.

    Up to a tenth is jitter, so that tasks that met one limit together don't come back together: it shortens a wait
    of our own, and lengthens one until a reset, by half a minute at most. It follows from what ended, so the same
    past gives the same wait; the timer has it on record.
    """
    exited = state.evidence.exited
    seed = f"{exited.session if exited else ''}/{state.evidence.key}/{state.task.text if state.task else ''}"
    share = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "replace")).digest()[:4], "big") / 2**32
    reset_s = exited.retry_after_s if exited else 0.0
    shorter, longer = _backoff_s(state) * (1 - JITTER * share), reset_s + share * min(reset_s * JITTER, JITTER_S_MAX)
    return round(max(shorter, longer), 3)


def _backoff_s(state: State) -> float:
    """Return a wait of our own: four times as long each time, up to the policy's bound."""
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
    says=(DecisionMade, DecisionShadowed, TimerSet, BreakpointRaised, QuestionAsked, TaskCompleted, TaskFailed),
    evolve=evolve,
    decide=decide,
)
