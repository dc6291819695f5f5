"""Fits the map from raw to calibrated confidence to outcomes.

Few outcomes: logistic, sigmoid(a logit(raw) + b) with a >= 0, which is Platt's scaling ("Probabilistic outputs for
support vector machines", 1999) on the log-odds, so that a = 1, b = 0 is the identity. Many: isotonic regression by
pooling adjacent violators, which assumes nothing but order and needs more data (Niculescu-Mizil and Caruana,
"Predicting good probabilities with supervised learning", ICML 2005). Both by scipy.

Both are fitted to the outcomes and, beside them, to `PRIOR` imagined ones that lie on the identity, spread over
[0, 1]: where nothing was observed, the raw number keeps its meaning. And a map is used only if it would have helped:
if, cross-validated, it doesn't lower the Brier score, the identity stays.
"""

from collections.abc import Callable, Sequence
from math import log

from obra.events import Calibration, CalibrationFitted
from obra.shared.calibration import calibrated
from obra.shared.calibration_measure import Judged, brier
from obra.shared.outcomes import Outcome

ISOTONIC_MIN = 200
"""Outcomes from which on the map may have any monotone shape."""

PRIOR = 10.0
GRID = tuple(n / 10 for n in range(11))
POINTS = 33
POINTS_MAX = 256
FOLDS = 5
EDGE = 0.005
"""Log-odds are taken within [0.005, 0.995]."""

DIGITS = 4
UNFITTED = "scipy is not installed (pip install 'obra[stats]'), so nothing could be fitted"


def fit(outcomes: Sequence[Outcome]) -> CalibrationFitted:
    """Return the map that *outcomes* suggest, with what it gains. Deterministic: the same outcomes, the same map."""
    before = brier([Judged(each.raw, each.good) for each in outcomes])
    identity = Calibration(outcomes=len(outcomes))
    try:
        found = _fitted(outcomes)
        after = brier(_held_out(outcomes))
    except ImportError:
        return CalibrationFitted(calibration=identity, brier_before=_round(before), reason=UNFITTED)
    if after >= before:
        reason = f"a {found.method} map would not have helped: its cross-validated Brier score is {after:.4f}"
        return CalibrationFitted(
            calibration=identity, brier_before=_round(before), brier_after=_round(before), reason=reason
        )
    return CalibrationFitted(calibration=found, brier_before=_round(before), brier_after=_round(after))


def _held_out(outcomes: Sequence[Outcome]) -> list[Judged]:
    """Return each outcome with the confidence that a map fitted to the other folds gives it."""
    judged = []
    for fold in range(FOLDS):
        rest = [each for at, each in enumerate(outcomes) if at % FOLDS != fold]
        found = _fitted(rest, like=len(outcomes))
        judged += [Judged(calibrated(each.raw, found), each.good) for each in outcomes[fold::FOLDS]]
    return judged


def _fitted(outcomes: Sequence[Outcome], like: int = 0) -> Calibration:
    isotonic = max(len(outcomes), like) >= ISOTONIC_MIN
    points = (_isotonic if isotonic else _logistic)(outcomes)
    return Calibration(method="isotonic" if isotonic else "logistic", points=points, outcomes=len(outcomes))


def _weighted(outcomes: Sequence[Outcome]) -> list[tuple[float, float, float]]:
    """Return raw confidence, share of good outcomes and weight, ascending, the imagined outcomes among them."""
    sums: dict[float, tuple[float, float]] = {raw: (raw * PRIOR / len(GRID), PRIOR / len(GRID)) for raw in GRID}
    for each in outcomes:
        raw = round(each.raw, DIGITS)
        good, weight = sums.get(raw, (0.0, 0.0))
        sums[raw] = (good + each.good, weight + 1)
    return [(raw, good / weight, weight) for raw, (good, weight) in sorted(sums.items())]


def _isotonic(outcomes: Sequence[Outcome]) -> tuple[tuple[float, float], ...]:
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 - a heavy extra

    raws, shares, weights = zip(*_weighted(outcomes), strict=True)
    levels = [float(level) for level in isotonic_regression(list(shares), weights=list(weights)).x]
    points = list(zip(raws, levels, strict=True))
    corners = [
        point
        for at, point in enumerate(points)
        if at in (0, len(points) - 1) or not points[at - 1][1] == point[1] == points[at + 1][1]
    ]
    return _ascending(corners[:: len(corners) // POINTS_MAX + 1] + corners[-1:])


def _logistic(outcomes: Sequence[Outcome]) -> tuple[tuple[float, float], ...]:
    import numpy  # noqa: PLC0415 - an extra, and heavy
    from scipy.optimize import minimize  # noqa: PLC0415
    from scipy.special import expit, log_expit  # noqa: PLC0415

    raws, shares, weights = (numpy.array(column) for column in zip(*_weighted(outcomes), strict=True))
    odds = numpy.array([_logit(raw) for raw in raws])

    def loss(at: "numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]") -> float:
        """Return the negative log-likelihood."""
        line = at[0] * odds + at[1]
        return float(-(weights * (shares * log_expit(line) + (1 - shares) * log_expit(-line))).sum())

    slope, offset = minimize(loss, numpy.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.0, 20.0), (-20.0, 20.0)]).x
    squash: Callable[[float], float] = expit
    return _ascending(
        [(at / (POINTS - 1), float(squash(slope * _logit(at / (POINTS - 1)) + offset))) for at in range(POINTS)]
    )


def _ascending(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return *points*, rounded, each raw confidence once."""
    return tuple({round(raw, DIGITS): (round(raw, DIGITS), _round(level)) for raw, level in points}.values())


def _logit(raw: float) -> float:
    inside = min(max(raw, EDGE), 1 - EDGE)
    return log(inside / (1 - inside))


def _round(number: float) -> float:
    return round(min(max(number, 0.0), 1.0), 6)
