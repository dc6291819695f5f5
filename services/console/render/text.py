"""Text from outside, made safe and short for a terminal."""

import re
from collections.abc import Iterable

import click

CONTROL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    "|[\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""Escape sequences, control characters, and those that break lines or turn the direction of writing."""

LINE_CHARS_MAX = 400


def clean(text: str) -> str:
    """Return *text* without what moves a terminal, or has it show something else; tabs and newlines stay."""
    return CONTROL.sub("", text.replace("\r\n", "\n"))


def page(lines: Iterable[str]) -> None:
    """Print *lines* for a person."""
    for line in lines:
        click.echo(clean(line))


def one_line(text: str, chars_max: int = LINE_CHARS_MAX) -> str:
    """Return the first line of *text*, cleaned, cut where it is longer than *chars_max*."""
    lines = clean(text).strip().splitlines()
    line = lines[0].strip() if lines else ""
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


def last_lines(text: str, count: int) -> list[str]:
    """Return the last *count* lines of *text* that are not blank, cleaned and cut."""
    lines = [line.rstrip() for line in clean(text).splitlines() if line.strip()]
    return [line[:LINE_CHARS_MAX] for line in lines[-count:]]


def duration(ms: float) -> str:
    """Return a span of time as people say it: `340 ms`, `2.4 s`, `3 min 20 s`, `1 h 5 min`.

    A span that ends before it begins is one in which the clock was set back; nobody knows how long it was.
    """
    seconds = ms / 1000
    if seconds < 0:
        return "unknown (the clock was set back)"
    if seconds < 1:
        return f"{ms:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    amount = float(count)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:  # noqa: PLR2004 - steps of units
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return *number* with its noun in the right form: `1 file`, `3 files`; *plural* where it takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def exit_in_words(code: int) -> str:
    """Return how a process ended: `exit 1`, or `signal 9` for a negative code."""
    return f"signal {-code}" if code < 0 else f"exit {code}"


def money(usd: float) -> str:
    """Return a cost in dollars, precise enough that little does not look like nothing."""
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}".rstrip("0").ljust(5, "0")
