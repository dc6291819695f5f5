"""What is a refusal and what only sounds like one."""

import pytest

from obra.shared.refusal import refuses


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, I can\u2019t assist with this request.",
        "I cannot do that.",
        "nope",
        "No.",
        "I won't do this.",
        "I am unable to complete this task.",
        "Sorry, I am not able to continue with this.",
        "Unfortunately, I cannot proceed with this request.",
        "As an AI language model, I can't perform this.",
        "I must decline to help with this.",
        "I apologize, but I cannot create that.",
        "I could not do it",
        "**I'm not going to write malware.**",
    ],
)
def test_a_refusal(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Done. I can't see any other callers.",
        "I fixed the function that could not help users log in.",
        "No changes were needed.",
        "I created slug.py. It won't do anything on empty input.",
        "The tests can't be run here, but the change is complete.",
        "Sorry handling was added to the form.",
        "All 12 tests pass.",
        "I could not find a config file, so I created one.",
    ],
)
def test_no_refusal(text: str) -> None:
    assert not refuses(text)
