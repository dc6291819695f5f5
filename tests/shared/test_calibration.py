"""The map from raw to calibrated confidence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.events import Calibration
from obra.shared.calibration import calibrated
from obra.shared.config import load
from obra.shared.errors import BadSetting

MAP = Calibration(method="isotonic", points=((0.2, 0.1), (0.6, 0.3), (0.8, 0.9)), outcomes=40)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(0.0, 0.1), (0.2, 0.1), (0.4, 0.2), (0.6, 0.3), (0.7, 0.6), (0.8, 0.9), (1.0, 0.9)],
)
def test_it_is_linear_between_the_points_and_constant_outside_of_them(raw: float, expected: float) -> None:
    assert calibrated(raw, MAP) == expected


@given(st.floats(0, 1))
def test_without_points_it_is_the_raw_number(raw: float) -> None:
    assert calibrated(raw, Calibration()) == raw


@given(st.floats(0, 1), st.floats(0, 1))
def test_it_keeps_the_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert calibrated(low, MAP) <= calibrated(high, MAP)


def test_weights_that_leave_nothing_to_go_by_are_refused(tmp_path: Path) -> None:
    none = {f"OBRA_DECISION__WEIGHT_{name}": "0" for name in ("CHECKS", "CHANGE", "ENDING")}
    with pytest.raises(BadSetting, match="can't all be 0"):
        load(tmp_path, environ=none)
    assert load(tmp_path, environ={"OBRA_DECISION__WEIGHT_CHECKS": "0.9"}).policy().weight_checks == 0.9
