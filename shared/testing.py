"""What runs of tests look like: which command is one, and what its output counts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

TESTING = re.compile(
    r"test|spec\b|\btox\b|\bnox\b|\b(?:make|just|npm run|yarn|pnpm) (?:check|verify|ci)\b|\bjest\b|\bctest\b",
    re.IGNORECASE,
)
"""A command that runs tests, as far as its wording shows."""

NO_RUNNERS = re.compile(
    r"\s*(?:\w+=\S*\s+)*(?:ls|cat|head|tail|git|grep|rg|find|rm|cp|mv|mkdir|touch|sed|awk|echo|cd|wc|less|chmod|test|\[)\b"
)
PARTS = re.compile(r"&&|\|\||[;|\n]")

NUMBER = r"(\d{1,7})"
PYTEST = re.compile(rf"\b{NUMBER} (passed|failed|errors?)\b")
UNITTEST = re.compile(rf"^Ran {NUMBER} tests? in", re.MULTILINE)
UNITTEST_BAD = re.compile(r"\b(?:failures|errors)=(\d{1,7})")
CARGO = re.compile(rf"^test result: \w+\. {NUMBER} passed; {NUMBER} failed", re.MULTILINE)
JEST = re.compile(rf"^Tests:\s+(?:{NUMBER} failed, )?(?:\d+ \w+, )*?{NUMBER} passed", re.MULTILINE)
MOCHA = re.compile(rf"\b{NUMBER} (passing|failing)\b")
TELLING = re.compile(
    r"\d+ (?:passed|failed|passing|failing|tests?\b)|^(?:OK|FAILED|PASS|FAIL)\b|test result:", re.IGNORECASE
)


def runs_tests(command: str) -> bool:
    """Return whether *command* looks like a run of tests, in any of its parts; `cat tests/a.py` does not."""
    return any(TESTING.search(part) and not NO_RUNNERS.match(part) for part in PARTS.split(command))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests passed and how many did not."""

    passed: int
    failed: int = 0


def counts(output: str) -> Counts | None:
    """Return what the *output* of a test runner counts (pytest, unittest, cargo, jest, mocha); None if it doesn't."""
    if found := CARGO.findall(output):
        return Counts(sum(int(passed) for passed, _ in found), sum(int(failed) for _, failed in found))
    if match := JEST.search(output):
        return Counts(int(match[2]), int(match[1] or 0))
    if match := UNITTEST.search(output):
        bad = sum(map(int, UNITTEST_BAD.findall(output)))
        return Counts(max(int(match[1]) - bad, 0), bad)
    if found := MOCHA.findall(output):
        return Counts(_of(found, "passing"), _of(found, "failing"))
    last = next((line for line in reversed(output.splitlines()) if PYTEST.search(line)), "")
    if found := PYTEST.findall(last):
        return Counts(_of(found, "passed"), _of(found, "failed") + _of(found, "error") + _of(found, "errors"))
    return None


def _of(found: Iterable[tuple[str, str]], word: str) -> int:
    return sum(int(number) for number, said in found if said == word)


def summary_line(output: str) -> str:
    """Return the line of *output* that tells how a run of tests went; empty if none does."""
    return next((line.strip() for line in reversed(output.splitlines()) if TELLING.search(line)), "")
