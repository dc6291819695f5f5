"""How good is the work, and how sure is that?"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from obra.events import (
    JUDGED,
    AttemptFinished,
    AttemptReviewed,
    AttemptScored,
    BaseChecked,
    Calibration,
    ClaimContradicted,
    Event,
    LlmSelected,
    Policy,
    Shadow,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskSubmitted,
)
from obra.services.scorer.claims import claims, contradictions
from obra.services.scorer.score import score
from obra.shared.decider import Decider
from obra.shared.evidence import Evidence, at_base, gather, unproved


class State(msgspec.Struct, frozen=True):
    """The evidence of the newest run, and by what it is scored.

    ``before`` says of each check whether it passed before any work; None: nobody tried.
    """

    submitted: bool = False
    checks: bool = False
    policy: Policy = msgspec.field(default_factory=Policy)
    calibration: Calibration = msgspec.field(default_factory=Calibration)
    candidate: Policy | None = None
    reviewed: bool = False
    before: Mapping[str, bool] | None = None
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    over: bool = False

    @property
    def scorable(self) -> bool:
        """Return whether the newest run is complete, judged, and not scored yet."""
        return not self.over and self.evidence.ending in JUDGED and self.evidence.score is None


def evolve(state: State, event: Event) -> State:
    """Take in one event."""
    match event:
        case TaskSubmitted() if not state.submitted:
            return replace(state, submitted=True, checks=bool(event.checks))
        case TaskReadied():
            return replace(state, policy=event.policy, calibration=event.calibration, candidate=event.candidate)
        case BaseChecked() if not state.over:
            return replace(state, before=at_base(event))
        case LlmSelected():
            return replace(state, reviewed=event.provider != "none")
        case TaskCompleted() | TaskFailed() | TaskCancelled() | TaskRejected():
            return replace(state, over=True, evidence=Evidence())
        case _:
            return state if state.over else replace(state, evidence=gather(state.evidence, event))


def decide(state: State, event: Event) -> Sequence[Event]:
    """Score the newest run once its evidence, and the review where one is due, are complete."""
    match event:
        case AttemptFinished() if not state.reviewed:
            pass
        case AttemptReviewed() if state.evidence.review is not None:
            pass
        case _:
            return []
    if not state.scorable or (event.attempt, event.run) != state.evidence.key:
        return []
    found, calibration = claims(state.evidence), state.calibration
    known = {"checked": state.checks, "unproved": unproved(state.evidence, state.before)}
    scored = score(state.evidence, found, state.policy, calibration, **known)
    if state.candidate is not None:
        other = score(state.evidence, found, state.candidate, calibration, **known)
        shadow = Shadow(
            quality=other.quality, confidence=other.confidence, confidence_raw=other.confidence_raw
        )  # fmt: skip
        scored = replace(scored, shadow=shadow)
    return [*contradictions(state.evidence, found), scored]


DECIDER = Decider(
    name="scorer",
    initial=State(),
    hears=(AttemptFinished, AttemptReviewed),
    says=(AttemptScored, ClaimContradicted),
    evolve=evolve,
    decide=decide,
)
