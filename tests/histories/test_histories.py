"""Recorded histories of every version: decided again, each decision comes out the same, and so does each story.

A history of a version that was released is never recorded anew. Where a change is meant to decide old tasks otherwise,
it must not: the policy that a task was readied under is in its events, so that a new default leaves old tasks alone.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from obra.events.subjects import Scope
from obra.services.decider.decide import DECIDER
from obra.services.scorer.decide import DECIDER as SCORER
from obra.services.session_manager.decide import DECIDER as SESSION_MANAGER
from obra.shared.bus import Raw
from obra.shared.decider import Decider
from obra.shared.envelope import encode
from obra.shared.outcome import result
from obra.shared.story import fold
from tests.archive.stores import audit, made
from tests.histories.asked import of, questions, steps, worded_alike
from tests.recorded import message

HERE = Path(__file__).parent
HISTORIES = sorted(HERE.glob("v*/*.jsonl"))
DECIDERS: tuple[Decider[Any], ...] = (SESSION_MANAGER, SCORER, DECIDER)
each = pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}-{path.stem}")


def messages(path: Path) -> list[Raw]:
    """Return what was recorded, as it stood in the stream."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [message(line["position"], line["subject"], line["data"].encode()) for line in lines]


def test_there_are_histories_of_every_sort() -> None:
    assert {path.stem for path in HISTORIES} >= {
        "accepted", "retried", "failed", "approved", "waiting", "cancelled", "crashing", "interrupted", "outage",
        "rolled_back", "budgeted", "held", "goal", "reviewed",
    }  # fmt: skip


@each
@pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: decider.name)
def test_every_decision_comes_out_the_same(path: Path, decider: Decider[Any]) -> None:
    for question in questions(messages(path), decider):
        said = tuple(decider.decide(decider.fold(question.past), question.recorded.event))
        if question.answers or any(event not in question.also for event in said):
            assert worded_alike(said, question.answers) == question.answers, question.recorded


@each
def test_everything_that_was_planned_comes_out_the_same(path: Path) -> None:
    """The planner follows all tasks at once: it is asked in the order of the stream."""
    for step in steps(messages(path)):
        assert step.comes_out_the_same, (step.question, step.said)


@each
def test_every_story_comes_out_the_same(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    story = fold(of(messages(path), Scope("default", "t1")))
    told = result(story) | {"text": story.text, "repo": story.repo}
    assert {name: told[name] for name in expected if name in told} == expected


@each
def test_every_message_is_read_stored_and_verified(path: Path, tmp_path: Path) -> None:
    raws = messages(path)
    assert [raw.problem for raw in raws if raw.problem] == []
    made(tmp_path / "obra.duckdb", raws)
    assert audit(tmp_path / "obra.duckdb").fault is None


@each
def test_an_event_of_this_version_is_encoded_as_it_was(path: Path) -> None:
    for raw in messages(path):
        assert raw.envelope
        assert json.loads(encode(raw.envelope)) == json.loads(raw.data)
