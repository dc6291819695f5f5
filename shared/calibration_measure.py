"""How far confidences can be believed, measured on outcomes: the numbers of `obra calibration`.

- Brier score: the mean of (confidence - outcome)^2, the outcome being 1 or 0 (Brier, "Verification of forecasts
  expressed in terms of probability", Monthly Weather Review 78, 1950). 0 is perfect; always saying the rate of good
  outcomes p scores p (1 - p).
- Expected calibration error: over bins of equal width, the mean of |share that was good - mean confidence|, weighted
  by how many fell into the bin (Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
  binning", AAAI 2015).
- The reliability diagram shows those two numbers bin by bin (DeGroot and Fienberg, The Statistician 32, 1983).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

BINS = 10


class Judged(NamedTuple):
    """A confidence and what became of the work."""

    confidence: float
    good: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """The attempts with a confidence between ``low`` and ``high``: its mean, and the share of good ones."""

    low: float
    high: float
    count: int
    confidence: float
    good: float


def brier(judged: Sequence[Judged]) -> float:
    """Return the Brier score; 0 for nothing."""
    return sum((each.confidence - each.good) ** 2 for each in judged) / len(judged) if judged else 0.0


def bins(judged: Sequence[Judged], number: int = BINS) -> list[Bin]:
    """Return *number* bins of equal width that hold anything; the last one includes 1."""
    held: dict[int, list[Judged]] = {}
    for each in judged:
        held.setdefault(min(int(each.confidence * number), number - 1), []).append(each)
    return [
        Bin(
            low=at / number, high=(at + 1) / number, count=len(inside),
            confidence=sum(each.confidence for each in inside) / len(inside),
            good=sum(each.good for each in inside) / len(inside),
        )
        for at, inside in sorted(held.items())
    ]  # fmt: skip


def calibration_error(judged: Sequence[Judged], number: int = BINS) -> float:
    """Return the expected calibration error over *number* bins; 0 for nothing."""
    return sum(each.count * abs(each.good - each.confidence) for each in bins(judged, number)) / max(len(judged), 1)
