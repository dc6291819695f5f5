"""Prints figures as a table."""

import sys
from collections.abc import Sequence
from statistics import quantiles


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    sys.stdout.write(
        f"\n{title}\n{lines[0]}\n{'-|-'.join('-' * width for width in widths)}\n" + "\n".join(lines[1:]) + "\n"
    )
    sys.stdout.flush()


def percentile(values: Sequence[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
