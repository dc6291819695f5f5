"""How large a task is, estimated from its words: 0 (a typo) to 100 (a system), with the parts of the sum.

A heuristic, and honest about it: it counts what a person would look for, weighs it, and shows every part, so that
somebody who disagrees sees with what. Words are matched whole: `small` is not `all`.

| part | counts | most |
|---|---|---|
| length | words of the text, on a logarithmic scale: 8 words give nothing, 800 give all | 20 |
| steps | numbered or bulleted lines, sentences that ask for something, acceptance criteria | 25 |
| breadth | files and folders that are named; words for everything (`all`, `every`, `across`, …) | 20 |
| depth | words for work that is hard to get right (concurrency, migration, security, parsers, …) | 25 |
| doubt | words for not knowing (`investigate`, `flaky`, `sometimes`, …), and that no check exists | 10 |

Words for little work (`typo`, `rename`, `comment`, …) take away up to 15, as the part `ease`, which is negative.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

SPLIT_FROM = 70
"""From this total on a task had better be several."""

BANDS = (25, 50, 75)
"""Totals below the first are simple, below the second moderate, below the third complex, else very complex."""

LENGTH_MAX, STEPS_MAX, BREADTH_MAX, DEPTH_MAX, DOUBT_MAX, EASE_MAX = 20.0, 25.0, 20.0, 25.0, 10.0, 15.0
WORDS_FROM, WORDS_TO = 8, 800
PER_STEP, PER_FILE, PER_SWEEP, PER_DEPTH, PER_DOUBT, PER_EASE = 3.0, 2.5, 5.0, 5.0, 3.0, 7.5
UNCHECKED = 4.0
SCANNED_CHARS = 20_000
"""What comes after them in a text is not looked at: it is long by then, and the time must be bounded."""

WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
ITEM = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S", re.MULTILINE)
ASKS = re.compile(
    r"\b(?:add|build|change|convert|create|delete|document|ensure|extend|extract|fix|handle|implement|improve|"
    r"introduce|make|migrate|move|must|optimi[sz]e|port|provide|refactor|remove|replace|rewrite|should|split|support|"
    r"test|update|validate|write)\b",
    re.IGNORECASE,
)
FILE = re.compile(r"(?<![\w/.-])(?:[\w.-]+/)*[\w-]+\.[A-Za-z][A-Za-z0-9]{0,4}\b|(?<![\w/.-])(?:[\w.-]+/)+[\w.-]*")
SWEEP = re.compile(
    r"\b(?:all|across|any|each|end-to-end|entire|every|everything|everywhere|throughout|whole)\b", re.IGNORECASE
)
DEPTH = re.compile(
    r"\b(?:algorithms?|api|architecture|async|asynchronous|authentication|authori[sz]ation|backwards?|cach(?:e|ing)|"
    r"compilers?|concurren(?:cy|t)|consistency|crypto\w*|databases?|deadlocks?|distributed|encrypt\w*|framework|"
    r"idempoten\w+|index(?:es|ing)|integrat\w+|latency|locks?|locking|memory|migrat\w+|network\w*|parallel|parsers?|"
    r"performance|pipelines?|protocols?|races?|real-time|recovery|redesign|refactor\w*|replicat\w+|rewrite|"
    r"scal(?:e|able|ability)|schedul\w+|schemas?|secur\w+|server|streaming|threads?|transactions?|websockets?)\b",
    re.IGNORECASE,
)
DOUBT = re.compile(
    r"\b(?:debug\w*|diagnos\w+|explore|figure|find out|flaky|intermittent\w*|investigate|maybe|perhaps|possibly|"
    r"probably|research|somehow|sometimes|unclear|unknown|why)\b",
    re.IGNORECASE,
)
EASE = re.compile(
    r"\b(?:bump|comment|docstring|format|just|minor|one-line|only|rename|simple|simply|small|spelling|tiny|trivial|"
    r"typos?|whitespace|wording)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One term of the sum: its points, and what was counted for it."""

    name: str
    points: float
    because: str


@dataclass(frozen=True, slots=True)
class Complexity:
    """The estimate. ``total`` is the sum of the parts, rounded, from 0 to 100."""

    total: int
    parts: tuple[Part, ...] = ()

    @property
    def too_large(self) -> bool:
        """Return whether the task had better be split."""
        return self.total >= SPLIT_FROM

    @property
    def band(self) -> int:
        """Return 0 for simple, 1 for moderate, 2 for complex, 3 for very complex."""
        return sum(self.total >= bound for bound in BANDS)


def estimate(text: str, checks: Sequence[str] = (), acceptance: Sequence[str] = ()) -> Complexity:
    """Return how complex the task is that *text* asks for; the same for the same words, whoever asks."""
    text = text[:SCANNED_CHARS]
    parts = (
        _length(text),
        _steps(text, len(acceptance)),
        _breadth(text),
        _counted("depth", DEPTH, text, PER_DEPTH, DEPTH_MAX),
        _doubt(text, bool(checks)),
        _ease(text),
    )
    total = round(sum(part.points for part in parts))
    return Complexity(max(0, min(100, total)), tuple(part for part in parts if part.points))


def of(complexity: int, text: str, checks: Sequence[str] = (), acceptance: Sequence[str] = ()) -> Complexity:
    """Return what the task itself says of its *complexity*, and the estimate where it says nothing (0)."""
    if complexity:
        return Complexity(complexity, (Part("stated", float(complexity), "the task says so"),))
    return estimate(text, checks, acceptance)


def _length(text: str) -> Part:
    words = len(WORD.findall(text))
    scale = math.log(max(words, WORDS_FROM) / WORDS_FROM) / math.log(WORDS_TO / WORDS_FROM)
    return Part("length", round(min(1.0, scale) * LENGTH_MAX, 1), f"{words} words")


def _steps(text: str, criteria: int) -> Part:
    items, asks = len(ITEM.findall(text)), len(ASKS.findall(text))
    steps = max(items, asks - 1, 0)
    points = min(STEPS_MAX, PER_STEP * (steps + criteria))
    return Part("steps", points, f"{steps} things asked for beyond the first, {criteria} acceptance criteria")


def _breadth(text: str) -> Part:
    files, sweeps = len({found.lower() for found in FILE.findall(text)}), _distinct(SWEEP, text)
    points = min(BREADTH_MAX, PER_FILE * max(0, files - 1) + PER_SWEEP * len(sweeps))
    return Part("breadth", points, f"{files} files or folders named" + _quoted(sweeps))


def _doubt(text: str, checked: bool) -> Part:
    words = _distinct(DOUBT, text)
    points = min(DOUBT_MAX, PER_DOUBT * len(words) + (0.0 if checked else UNCHECKED))
    return Part("doubt", points, ("checked" if checked else "no check") + _quoted(words))


def _ease(text: str) -> Part:
    part = _counted("ease", EASE, text, PER_EASE, EASE_MAX)
    return Part(part.name, -part.points, part.because)


def _counted(name: str, words: re.Pattern[str], text: str, each: float, most: float) -> Part:
    found = _distinct(words, text)
    return Part(name, min(most, each * len(found)), _quoted(found).lstrip(", ") or "none")


def _distinct(words: re.Pattern[str], text: str) -> list[str]:
    return sorted({found.lower() for found in words.findall(text)})


def _quoted(words: Sequence[str]) -> str:
    return ", " + ", ".join(words[:8]) if words else ""
