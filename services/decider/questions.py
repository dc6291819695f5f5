"""Where work can't go on well before something is known: the questions, and what their answers lead to."""

from obra.services.decider import words
from obra.services.decider.compare import conflict
from obra.services.decider.judged import sound
from obra.services.decider.state import State
from obra.services.decider.verdict import Verdict


def agent_asks(state: State) -> Verdict | None:
    """The agent asked a person who was not there, and its work is not acceptable without the answer."""
    exited = state.evidence.exited
    if state.due != "score" or exited is None or not exited.questions or not may_ask(state):
        return None
    return Verdict(
        "clarify",
        ("the agent asked, and its work can't be accepted as it is", *words.shortcomings(state)),
        "agent_asks",
        question="\n".join(exited.questions),
    )


def contradictory(state: State) -> Verdict | None:
    """Checks pass, but what else is known speaks against the work, and another attempt has not settled it."""
    policy, score = state.policy, state.evidence.score
    between = score is not None and policy.clarify_confidence <= score.confidence < policy.accept_confidence
    if state.due != "score" or not between or not sound(state) or not may_ask(state):
        return None
    against = (*words.against(state), *conflict(state))
    if not against or state.evidence.attempt < policy.clarify_from_attempt:
        return None
    question = "The checks pass, but " + "; ".join(against) + ". What should the agent do about it?"
    return Verdict("clarify", ("the evidence is contradictory", *words.shortcomings(state)), "contradictory",
                   question=question)  # fmt: skip


def may_ask(state: State) -> bool:
    """Return whether an answer could still be used, and not too much was asked already."""
    return state.attempts_left and state.questions < state.policy.questions_max


def answered(state: State) -> Verdict | None:
    """The question has its answer, which the next prompt tells."""
    if state.due != "answer" or state.answer is None:
        return None
    said = state.answer
    return Verdict("retry", (words.person("answered", said.by, said.text.text),), "answered")
