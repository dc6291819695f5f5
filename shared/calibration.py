"""From a raw confidence to one that can be believed: the map that outcomes were fitted to, applied."""

from bisect import bisect_right

from obra.events import Calibration

DIGITS = 4


def calibrated(raw: float, calibration: Calibration) -> float:
    """Return what *raw* is worth: linear between the points, constant outside of them, itself where there are none."""
    points = calibration.points
    if not points:
        return raw
    at = bisect_right(points, raw, key=lambda point: point[0])
    if at == 0:
        return points[0][1]
    if at == len(points):
        return points[-1][1]
    (left, low), (right, high) = points[at - 1], points[at]
    return round(low + (high - low) * (raw - left) / (right - left), DIGITS)
