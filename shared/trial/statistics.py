"""Paired statistics of two templates, by scipy: differences on the same input, and whether they can be chance."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from obra.shared.errors import EnvironmentLacks
from obra.shared.trial import Row

PAIRS_MIN = 20
"""Fewer pairs name no winner, however clear they look."""

LEVEL = 0.05
RESAMPLES = 2_000
SEED = 7
ALPHA_TEXT = "Wilcoxon's signed-rank test of the differences, two-sided; Holm's correction over all measures"

MEASURES: tuple[tuple[str, Callable[[Row], float], bool, bool], ...] = (
    ("tokens_estimated", lambda row: row.tokens_estimated, True, False),
    ("tokens_reported", lambda row: row.tokens_reported, True, True),
    ("latency_ms", lambda row: row.latency_ms, True, True),
    ("parsed", lambda row: float(row.parsed), False, True),
    ("agreement", lambda row: row.agreement, False, True),
)
"""Each measure: its name, how it is read off a row, whether less is better, whether a model must have been asked."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure over all pairs. ``difference`` is the mean of B - A, between ``low`` and ``high`` with 95 %.

    ``p`` is the probability of such differences by chance, corrected for the number of measures. ``winner`` is a, b,
    or empty: none could be shown, and ``why`` says why not.
    """

    measure: str
    pairs: int
    mean_a: float
    mean_b: float
    median_difference: float
    difference: float
    low: float
    high: float
    p: float
    winner: str
    why: str


def compare(pairs: Sequence[tuple[Row, Row]]) -> list[Comparison]:
    """Return every measure of *pairs* (a, b) that was taken; `EnvironmentLacks` without scipy."""
    taken = [
        (name, read, less, [(a, b) for a, b in pairs if not asking or (a.asked and b.asked)])
        for name, read, less, asking in MEASURES
    ]
    taken = [each for each in taken if each[3]]
    raw = [_p([read(b) - read(a) for a, b in kept]) for _, read, _, kept in taken]
    return [
        _comparison(name, read, less, kept, p) for (name, read, less, kept), p in zip(taken, _holm(raw), strict=True)
    ]


def _comparison(
    name: str, read: Callable[[Row], float], less: bool, pairs: Sequence[tuple[Row, Row]], p: float
) -> Comparison:
    first, second = [read(a) for a, _ in pairs], [read(b) for _, b in pairs]
    differences = [b - a for a, b in zip(first, second, strict=True)]
    difference = mean(differences)
    low, high = _interval(differences)
    if len(pairs) < PAIRS_MIN:
        winner, why = "", f"{len(pairs)} pairs are too few; at least {PAIRS_MIN} are needed"
    elif p >= LEVEL:
        winner, why = "", f"such a difference can be chance (p = {p:.3g})"
    else:
        winner, why = ("b" if (difference < 0) == less else "a"), ""
    return Comparison(
        name, len(pairs), round(mean(first), 4), round(mean(second), 4), round(median(differences), 4),
        round(difference, 4), round(low, 4), round(high, 4), float(f"{p:.4g}"), winner, why,
    )  # fmt: skip


def _p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; 1 where nothing differs."""
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon  # noqa: PLC0415 - see `available`

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ties and small samples, which `PAIRS_MIN` takes care of
        return float(wilcoxon(differences).pvalue)  # pyright: ignore[reportAttributeAccessIssue] - scipy has no types


def _holm(raw: Sequence[float]) -> list[float]:
    """Return *raw* p-values by Holm's step-down correction."""
    order = sorted(range(len(raw)), key=lambda at: raw[at])
    corrected, highest = [0.0] * len(raw), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, raw[at] * (len(raw) - rank)))
        corrected[at] = highest
    return corrected


def _interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean difference: bootstrap, percentiles, with a fixed seed."""
    if len(set(differences)) < 2:  # noqa: PLR2004 - no spread, nothing to resample
        return differences[0], differences[0]
    import numpy as np  # noqa: PLC0415 - see `available`
    from scipy.stats import bootstrap  # noqa: PLC0415

    found = bootstrap(
        (np.asarray(differences),), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(SEED)
    ).confidence_interval
    return float(found.low), float(found.high)


def available() -> None:
    """Raise `EnvironmentLacks` where scipy is not installed, before anybody is asked anything."""
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("scipy") is None:
        raise EnvironmentLacks(problem="paired statistics need scipy: `pip install 'obra[stats]'`")
