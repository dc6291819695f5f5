"""Complexity: an estimate with its parts, the same for the same words."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.shared.complexity import SPLIT_FROM, Complexity, Part, estimate, of
from obra.shared.rules.kind import kind_of

SYSTEM = """Build a distributed job scheduler in sched/core.py, sched/api.py, sched/store.py and sched/worker.py.
- Implement an async server with authentication and a streaming protocol
- Support transactions and recovery in the database layer
- Handle every race and deadlock; add locking
- Migrate all existing schemas, and document everything
- Write tests throughout"""


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("fix the typo in README.md", 0, 5),
        ("add a --json flag to the report command", 0, 10),
        ("Refactor the parser so that errors carry the line, and add tests for each of them", 15, 40),
        (SYSTEM, SPLIT_FROM, 100),
    ],
)
def test_more_work_gives_a_higher_total(text: str, low: int, high: int) -> None:
    assert low <= estimate(text, ("pytest -q",)).total <= high


def test_words_are_matched_whole() -> None:
    assert [part.name for part in estimate("make it small and tall", ("true",)).parts] == ["ease"]


def test_each_part_says_what_was_counted() -> None:
    assert estimate("investigate why a.py and b.py deadlock").parts == (
        Part("breadth", 2.5, "2 files or folders named"),
        Part("depth", 5.0, "deadlock"),
        Part("doubt", 10.0, "no check, investigate, why"),
    )


def test_criteria_make_it_larger_and_checks_smaller() -> None:
    assert estimate("do it", (), ("a", "b")).total > estimate("do it").total > estimate("do it", ("true",)).total


def test_what_the_task_states_goes_before_the_estimate() -> None:
    assert of(42, SYSTEM) == Complexity(42, (Part("stated", 42.0, "the task says so"),))
    assert of(0, SYSTEM) == estimate(SYSTEM)


@pytest.mark.parametrize("unit", ["-", "a-", "a.", "a/", "./", "x", "1. ", "- \n", " ", "é", "a.b/c-"])
def test_hostile_texts_take_no_longer_than_others(unit: str) -> None:
    began = time.process_time()
    estimate(unit * (200_000 // len(unit)))
    kind_of(unit * (200_000 // len(unit)))
    assert time.process_time() - began < 1.0


def test_a_task_that_is_too_large_says_so() -> None:
    assert estimate(SYSTEM).too_large
    assert not estimate("add a flag").too_large


def test_totals_fall_into_four_bands() -> None:
    assert [Complexity(total).band for total in (0, 24, 25, 49, 50, 74, 75, 100)] == [0, 0, 1, 1, 2, 2, 3, 3]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.text(max_size=400), checks=st.lists(st.text(), max_size=2), criteria=st.lists(st.text(), max_size=40))
def test_any_text_has_a_total_between_0_and_100_that_is_the_sum_of_its_parts(
    text: str, checks: list[str], criteria: list[str]
) -> None:
    made = estimate(text, checks, criteria)
    assert made == estimate(text, checks, criteria)
    assert 0 <= made.total <= 100
    assert made.total == max(0, min(100, round(sum(part.points for part in made.parts))))
