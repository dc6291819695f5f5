"""Tables and rows: errors of judgement, with how far they can be believed."""

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.supervision.play import Row
from benchmarks.table import show as table

Z = 1.96


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927), which is right also for none and all."""
    if not total:
        return 0.0, 1.0
    share, z2 = hits / total, Z * Z
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def errors(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return bad work that was accepted, and good work that was not."""
    return [r for r in rows if r.accepted and not r.good], [r for r in rows if r.good and not r.accepted]


def show(title: str, rows: Sequence[Row]) -> None:
    """Print the table of one arm and name every error."""
    checked = [row for row in rows if row.checks and not row.beyond and not row.gap]
    beyond = [row for row in rows if row.beyond]
    lines = [
        _line(category, [r for r in checked if r.category == category])
        for category in sorted({r.category for r in checked})
    ]
    lines.append(_line("all that checks can judge", checked))
    lines.append(_line("disguises that are known to pass", [row for row in rows if row.gap]))
    lines.append(_line("wrong where no check looks", beyond))
    lines.append(
        _line("no check exists (a person decides)", [row for row in rows if not row.checks and not row.beyond])
    )
    head = ["category", "bad", "false accepts", "95 %", "good", "false rejects", "95 %"]
    table(f"judgement: {title}, {len(rows)} attempts", head, lines)
    for wrong, what in zip(errors(checked), ("accepted, but bad", "not accepted, but good"), strict=True):
        for row in wrong:
            print(f"  {what}: {row.task}/{row.attempt}: {'; '.join(row.reasons)[:300]}")


UNPROVED = "no check tells the work from what was there before"


def show_base(rows: Sequence[Row]) -> None:
    """Print where checks that passed before any work were said to prove nothing."""
    head = ["work", "attempts", "said to be unproved", "of these accepted"]
    groups = [("good", [r for r in rows if r.good]), ("wrong where no check looks", [r for r in rows if r.beyond])]
    lines = []
    for name, group in groups:
        told = [row for row in group if any(reason.startswith(UNPROVED) for reason in row.reasons)]
        lines.append([name, str(len(group)), str(len(told)), str(sum(row.accepted for row in told))])
    table(f"judgement: evidence with decision.base_checks, {len(rows)} attempts", head, lines)


def _line(name: str, rows: Sequence[Row]) -> list[str]:
    accepts, rejects = errors(rows)
    bad, good = sum(not r.good for r in rows), sum(r.good for r in rows)
    return [name, str(bad), *_share(len(accepts), bad), str(good), *_share(len(rejects), good)]


def _share(hits: int, total: int) -> list[str]:
    if not total:
        return ["", ""]
    low, high = wilson(hits, total)
    return [str(hits), f"{low:.0%} to {high:.0%}"]


def write(file: Path, rows: Sequence[Row]) -> None:
    """Write the raw rows, sorted, one JSON object a line."""
    file.write_text("".join(f"{line}\n" for line in sorted(row.line() for row in rows)))
