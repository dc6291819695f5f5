"""Whether the work would do, by evidence and numbers alone."""

from obra.services.decider import words
from obra.services.decider.state import State


def acceptable(state: State) -> bool:
    """Return whether nothing speaks against the work, and passed checks, or what the policy takes for them, for it."""
    if state.due != "score" or words.shortcomings(state):
        return False
    return state.evidence.passed or _reviewed(state)


def sound(state: State) -> bool:
    """Return whether the checks passed on a change and nothing plain is wrong, whatever the numbers say."""
    return state.evidence.passed and not words.plain(state)


def lowered(state: State) -> bool:
    """Return whether work that nothing else speaks against falls short by its calibrated confidence alone."""
    policy, score = state.policy, state.evidence.score
    if score is None or score.confidence_raw is None or not sound(state):
        return False
    return (
        score.quality >= policy.accept_quality and score.confidence < policy.accept_confidence <= score.confidence_raw
    )


def _reviewed(state: State) -> bool:
    """Return whether the policy takes a review for checks that do not exist, and there is one that approves."""
    review = state.evidence.review
    allowed = state.policy.accept_without_checks and not state.checks
    return allowed and review is not None and review.usable and review.approves
