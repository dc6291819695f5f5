"""Fitting the map: it helps or stays away, keeps the order, and is the same each time."""

import builtins
import random
from typing import Any

import pytest

from obra.events import AttemptScored, Calibration, CalibrationFitted, Event, TaskCompleted, TaskLabelled
from obra.shared.calibration import calibrated
from obra.shared.calibration_fit import UNFITTED, fit
from obra.shared.calibration_measure import Bin, Judged, bins, brier, calibration_error
from obra.shared.outcomes import Outcome, outcomes

RAWS = (0.05, 0.5, 0.77, 0.855, 0.95, 0.96)


def drawn(number: int, chance: float = 0.6, seed: int = 7) -> list[Outcome]:
    """Return outcomes of a scorer that is far too sure: what it rates r is good with probability r * *chance*."""
    draw = random.Random(seed)
    return [Outcome(raw, draw.random() < raw * chance) for raw in (draw.choice(RAWS) for _ in range(number))]


@pytest.mark.parametrize(("number", "method"), [(40, "logistic"), (199, "logistic"), (200, "isotonic")])
def test_a_scorer_that_is_too_sure_is_brought_down(number: int, method: str) -> None:
    found = fit(drawn(number))
    assert (found.calibration.method, found.calibration.outcomes) == (method, number)
    assert found.brier_after < found.brier_before
    assert calibrated(0.95, found.calibration) < 0.85
    levels = [level for _, level in found.calibration.points]
    raws = [raw for raw, _ in found.calibration.points]
    assert levels == sorted(levels)
    assert raws == sorted(set(raws))
    assert len(raws) <= 256
    assert (raws[0], raws[-1]) == (0.0, 1.0)
    assert fit(drawn(number)) == found


def test_a_scorer_that_is_right_is_left_alone() -> None:
    sure = [Outcome(0.95, good=number % 20 != 0) for number in range(40)]
    found = fit(sure)
    assert found.calibration == Calibration(outcomes=40)
    assert found.reason.startswith("a logistic map would not have helped")
    assert found.brier_after == found.brier_before


def test_where_nothing_was_observed_the_raw_number_keeps_its_meaning() -> None:
    found = fit([Outcome(0.95, good=False) for _ in range(300)])
    assert calibrated(0.95, found.calibration) < 0.05
    assert calibrated(0.05, found.calibration) <= 0.05


def test_a_map_of_many_levels_is_bounded() -> None:
    draw = random.Random(3)
    many = [Outcome(raw, draw.random() < raw**3) for raw in (draw.random() for _ in range(5_000))]
    assert len(fit(many).calibration.points) <= 256


def test_without_scipy_the_identity_stands_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    found = fit(drawn(40))
    assert found == CalibrationFitted(
        calibration=Calibration(outcomes=40), brier_before=found.brier_before, reason=UNFITTED
    )


def test_the_measures_are_those_of_the_books() -> None:
    judged = [Judged(0.9, True), Judged(0.9, False), Judged(0.2, False), Judged(1.0, True)]
    assert round(brier(judged), 6) == round((0.01 + 0.81 + 0.04 + 0.0) / 4, 6)
    high, low = Bin(0.9, 1.0, 3, 2.8 / 3, 2 / 3), Bin(0.2, 0.3, 1, 0.2, 0.0)
    assert bins(judged) == [low, high]
    assert round(calibration_error(judged), 6) == round((1 * 0.2 + 3 * (2.8 / 3 - 2 / 3)) / 4, 6)
    assert (brier([]), calibration_error([]), bins([])) == (0.0, 0.0, [])


def scored(attempt: int, raw: float | None, confidence: float = 0.5) -> AttemptScored:
    return AttemptScored(attempt=attempt, run=1, quality=1.0, confidence=confidence, confidence_raw=raw)


def done(attempt: int) -> TaskCompleted:
    return TaskCompleted(attempt=attempt, branch="b", commit="c")


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        ([scored(1, 0.9)], []),
        ([scored(1, 0.9), TaskLabelled(good=True)], [(0.9, True)]),
        ([scored(1, None, 0.7), TaskLabelled(good=True)], [(0.7, True)]),
        ([scored(1, 0.1), scored(2, 0.9), done(2), TaskLabelled(good=False)], [(0.9, False)]),
        ([scored(1, 0.9), done(1), scored(2, 0.1), TaskLabelled(good=False)], [(0.9, False)]),
        ([scored(1, 0.1), scored(2, 0.9), TaskLabelled(good=True, attempt=1)], [(0.1, True)]),
        ([scored(1, 0.9), TaskLabelled(good=True), TaskLabelled(good=False)], [(0.9, False)]),
        ([scored(1, 0.9), TaskLabelled(good=True, source="hidden_check"),
          TaskLabelled(good=False, source="reverted")], [(0.9, False)]),
        ([scored(1, 0.9), TaskLabelled(good=True), TaskLabelled(good=False, source="reverted")], [(0.9, True)]),
        ([TaskLabelled(good=True)], []),
        ([scored(1, 0.9), TaskLabelled(good=True, attempt=3)], []),
    ],
)  # fmt: skip
def test_what_became_of_an_attempt(past: list[Event], expected: list[tuple[float, bool]]) -> None:
    assert outcomes(past) == [Outcome(*pair) for pair in expected]
