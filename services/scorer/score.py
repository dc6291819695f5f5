"""Two numbers from the evidence: quality in named parts, and confidence in what they say."""

from obra.events import AttemptReviewed, AttemptScored, Part, Policy
from obra.shared.evidence import Evidence

WEIGHTS = {"checks": 0.5, "change": 0.2, "ending": 0.1, "review": 0.2}
"""What each part weighs; they add up to 1. Where a part is missing, the others share its weight."""

UNFOUNDED = 0.05
"""Confidence where checks failed or nothing was changed."""

DOUBT = 0.9
"""What a weak witness against the work leaves of the confidence. One alone does not bring passed checks below the
threshold; two do: 0.95 x 0.9 = 0.855 and 0.95 x 0.9 x 0.9 = 0.77, where 0.85 is needed."""

APPROVAL_CLOSES, APPROVAL_CLOSES_UNCHECKED = 0.2, 0.75
"""How much of the way to certainty an approving review goes: beside checks, and where a policy lets it replace them."""

DIGITS = 4


def score(evidence: Evidence, policy: Policy, *, checked: bool) -> AttemptScored:
    """Return the score of one run; *checked* says whether the task has checks."""
    review = evidence.review if evidence.review and evidence.review.usable else None
    parts = _parts(evidence, review, without_checks=policy.accept_without_checks and not checked)
    return AttemptScored(
        attempt=evidence.attempt, run=evidence.run,
        quality=round(min(1.0, sum(part.value * part.weight for part in parts)), DIGITS),
        confidence=_confidence(evidence, review, policy, checked=checked),
        parts=parts, basis="evidence and review" if review else "evidence",
    )  # fmt: skip


def _parts(evidence: Evidence, review: AttemptReviewed | None, *, without_checks: bool) -> tuple[Part, ...]:
    values = {"checks": _share(evidence), "change": float(evidence.changed), "ending": _ending(evidence)}
    if without_checks:
        del values["checks"]
    if review:
        values["review"] = review.quality
    whole = sum(WEIGHTS[name] for name in values)
    return tuple(
        Part(name=name, value=round(value, DIGITS), weight=round(WEIGHTS[name] / whole, DIGITS))
        for name, value in values.items()
    )


def _share(evidence: Evidence) -> float:
    """Return the share of the checks that passed; 0 where none ran."""
    total = len(evidence.checks.checks) if evidence.checks else 0
    return (total - len(evidence.failing)) / total if total else 0.0


def _ending(evidence: Evidence) -> float:
    return 1.0 if evidence.ending == "completed" or not evidence.denials() else 0.5


def _confidence(evidence: Evidence, review: AttemptReviewed | None, policy: Policy, *, checked: bool) -> float:
    if not evidence.changed or (checked and not evidence.passed):
        return UNFOUNDED
    sure = policy.passed_prior if checked else policy.unchecked_prior
    if evidence.contradicted:
        sure *= DOUBT
    if review and not review.approves:
        sure *= DOUBT
    if review and review.approves:
        sure += (1 - sure) * (APPROVAL_CLOSES if checked else APPROVAL_CLOSES_UNCHECKED)
    return round(sure, DIGITS)
