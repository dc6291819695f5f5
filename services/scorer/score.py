"""Two numbers from the evidence: quality in named parts, and confidence in what they say.

Quality is the weighted mean of the parts that there are; the policy holds the weights. Confidence begins with a stated
prior, loses a factor for each witness against the work, gains where a review approves, and is then read off the
calibration, which was fitted to what became of earlier work. No number is the LLM's word about itself.
"""

from collections.abc import Iterable

from obra.events import AttemptReviewed, AttemptScored, Calibration, Claim, Part, Policy
from obra.shared.calibration import calibrated
from obra.shared.evidence import Evidence, oddities

UNFOUNDED = 0.05
"""Confidence where checks failed, nothing was changed, or something was found that forbids acceptance."""

APPROVAL_CLOSES, APPROVAL_CLOSES_UNCHECKED = 0.2, 0.75
"""How much of the way to certainty an approving review goes: beside checks, and where a policy lets it replace them."""

GRAVE = frozenset({"tests", "count", "ran", "nothing"})
"""Contradictions about what was run or done; one of files may be a file that git ignores, or a slip of the pen."""

WITNESSES_MAX = 3
DIGITS = 4


def score(
    evidence: Evidence, claims: tuple[Claim, ...], policy: Policy, calibration: Calibration, *, checked: bool,
    unproved: bool = False,
) -> AttemptScored:  # fmt: skip
    """Return the score of one run.

    *checked* says whether the task has checks, *unproved* whether all of them are known to have passed before any work.
    """
    review = evidence.review if evidence.review and evidence.review.usable else None
    values = _values(evidence, review, claims, without_checks=policy.accept_without_checks and not checked)
    shares = _shares(values, policy)
    raw = _confidence(evidence, review, claims, policy, checked=checked, unproved=unproved)
    return AttemptScored(
        attempt=evidence.attempt, run=evidence.run,
        quality=round(min(1.0, sum(values[name] * share for name, share in shares.items())), DIGITS),
        confidence=calibrated(raw, calibration), confidence_raw=raw,
        parts=tuple(
            Part(name=name, value=round(values[name], DIGITS), weight=round(share, DIGITS))
            for name, share in shares.items()
        ),
        claims=claims, basis="evidence and review" if review else "evidence",
    )  # fmt: skip


def weights(policy: Policy) -> dict[str, float]:
    """Return what each part weighs; where a part is missing, the others share its weight."""
    return {
        "checks": policy.weight_checks, "change": policy.weight_change, "ending": policy.weight_ending,
        "review": policy.weight_review, "claims": policy.weight_claims,
    }  # fmt: skip


def _values(
    evidence: Evidence, review: AttemptReviewed | None, claims: tuple[Claim, ...], *, without_checks: bool
) -> dict[str, float]:
    """Return what each part comes to, from 0 to 1; where there is nothing to go by, the part is missing."""
    values = {"checks": _share(evidence), "change": float(evidence.changed), "ending": _ending(evidence)}
    if without_checks:
        del values["checks"]
    if review:
        values["review"] = review.quality
    if held := [claim.verdict == "supported" for claim in claims if claim.verdict != "unverified"]:
        values["claims"] = sum(held) / len(held)
    return values


def _shares(values: Iterable[str], policy: Policy) -> dict[str, float]:
    """Return the weight of each part among those that there are. They add up to 1, unless nothing weighs anything."""
    named = weights(policy)
    whole = sum(named[name] for name in values) or 1.0
    return {name: named[name] / whole for name in values}


def _share(evidence: Evidence) -> float:
    """Return the share of the checks that passed; 0 where none ran."""
    total = len(evidence.checks.checks) if evidence.checks else 0
    return (total - len(evidence.failing)) / total if total else 0.0


def _ending(evidence: Evidence) -> float:
    if evidence.exited and evidence.exited.last_words == "refusal":
        return 0.0
    return 1.0 if evidence.ending == "completed" or not evidence.denials() else 0.5


def _confidence(
    evidence: Evidence,
    review: AttemptReviewed | None,
    claims: tuple[Claim, ...],
    policy: Policy,
    *,
    checked: bool,
    unproved: bool,
) -> float:
    if evidence.blocking or not evidence.changed or (checked and not evidence.passed):
        return UNFOUNDED
    sure = policy.passed_prior if checked else policy.unchecked_prior
    denied = [claim.kind for claim in claims if claim.verdict == "contradicted"]
    grave = sum(kind in GRAVE for kind in denied)
    weak = len(denied) - grave + (len(oddities(evidence.exited)) if evidence.exited else 0)
    weak += bool(review and not review.approves) + unproved
    sure *= policy.doubt_contradicted ** min(grave, WITNESSES_MAX) * policy.doubt_weak ** min(weak, WITNESSES_MAX)
    if review and review.approves:
        sure += (1 - sure) * (APPROVAL_CLOSES if checked else APPROVAL_CLOSES_UNCHECKED)
    return round(sure, DIGITS)
