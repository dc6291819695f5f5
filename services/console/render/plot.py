"""A reliability diagram in characters: how sure, against how often right."""

from collections.abc import Iterator, Sequence
from typing import Any

WIDTH = 40


def reliability(bins: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield one line a bin: the share that was good as a bar, and where it should end, `|`, were confidence right."""
    yield f"{'confidence':<12} {'attempts':>8}  {'0 % good':<{WIDTH - 8}}100 % good"
    for each in bins:
        good, sure = round(each["good"] * WIDTH), min(round(each["confidence"] * WIDTH), WIDTH)
        cells = ["#" if at < good else "." for at in range(WIDTH + 1)]
        cells[sure] = "|"
        span = f"{each['low']:.1f} to {each['high']:.1f}"
        yield f"{span:<12} {each['count']:>8}  {''.join(cells)}  {each['good']:.0%} of {each['confidence']:.0%}"
    yield f"{'':<12} {'':>8}  # were good; | is where they would end if the confidence were right"
