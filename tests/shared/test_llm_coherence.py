"""A reply that has lost the thread: it repeats itself, or what it was told."""

from typing import Any

import pytest
from pydantic import BaseModel

from obra.shared.llm.coherence import distinct, lost

TOLD = """
Your last reply could not be used: $problem
Answer again, with one JSON object of exactly the shape that you were told, and nothing else.
"""


class Reply(BaseModel):
    summary: str = ""
    issues: list[dict[str, str]] = []
    pitfalls: list[str] = []


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"pitfalls": ["a"] * 4}, "the reply repeats itself: a"),
        ({"pitfalls": ["a", "b", "a", "a", "a"]}, "the reply repeats itself: a"),
        ({"pitfalls": ["x" * 300] * 4}, "the reply repeats itself: " + "x" * 120),
        ({"issues": [{"text": "done"}] * 10}, "the reply repeats itself: done"),
        (
            {"pitfalls": ["Well: YOUR last reply could\nnot be used!"]},
            "the reply repeats what it was told: your last reply could not be used",
        ),
        (
            {"issues": [{"text": "one JSON object of exactly the shape"}]},
            "the reply repeats what it was told: one json object of exactly the shape",
        ),
    ],
)
def test_what_small_models_write_when_they_are_lost_is_known(reply: dict[str, Any], why: str) -> None:
    assert lost(Reply.model_validate(reply), TOLD) == why


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"pitfalls": ["a", "a", "a"]},
        {"pitfalls": ["a", "b", "a", "b"]},
        {"issues": [{"text": "same", "path": str(number)} for number in range(10)]},
        {"summary": "Your last reply could be used."},
        {"summary": "The command answers with one JSON object, and nothing else."},
    ],
)
def test_what_is_alike_by_chance_is_an_answer(reply: dict[str, Any]) -> None:
    assert lost(Reply.model_validate(reply), TOLD) == ""


def test_of_what_says_the_same_the_first_stays_in_its_place() -> None:
    assert distinct(["b", "a", "B ", "c  d", "C D"], str) == ["b", "a", "c  d"]
