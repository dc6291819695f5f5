"""`obra sql --examples`: each question has one right answer on what really happened; `answers.json` holds them.

The answers were checked by hand against the histories; whoever changes one does that again.
"""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from obra.events import AttemptReviewed, Tokens
from obra.events.subjects import Scope, subject
from obra.shared.bus import Raw
from obra.shared.envelope import encode, fresh
from obra.shared.store.examples import Example, examples
from obra.shared.store.query import local_query
from tests.archive.stores import made
from tests.histories.test_histories import HISTORIES, messages
from tests.recorded import BEGIN, message

ANSWERS: dict[str, Any] = json.loads((Path(__file__).parent / "answers.json").read_text())
TICK = timedelta(seconds=1)
REVIEWS = {"accepted": (True, True), "retried": (True, True), "failed": (False, True), "approved": (False, False)}
"""What a reviewer said of every attempt of a history, whether it approves and was usable: none was recorded."""

ASKED_OF = (*REVIEWS, "waiting", "cancelled", "crashing", "interrupted", "outage")
"""Histories of one task each."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of recorded histories, one task each. One second lies between events, a run takes 2.5 s."""
    raws = list[Raw]()
    for path in (one for one in HISTORIES if one.stem in ASKED_OF):
        for raw in messages(path):
            _put(raws, raw.subject.replace(".default.t1.", f".default.{path.stem}."), _as_task(raw.data, path.stem))
            if path.stem in REVIEWS and raw.subject.endswith(".attempt.finished"):
                assert raw.envelope
                scope, review = Scope("default", path.stem), _review(raw.envelope.event, *REVIEWS[path.stem])
                _put(raws, subject(scope, review), encode(fresh(scope, review, "supervisor-llm")))
    path = tmp_path_factory.mktemp("examples") / "obra.duckdb"
    made(path, raws)
    return path


def _review(of: Any, approves: bool, usable: bool) -> AttemptReviewed:
    return AttemptReviewed(
        attempt=of.attempt, run=of.run, usable=usable, approves=approves, model="judge", duration_ms=40.0,
        tokens=Tokens(input=70, output=7),
    )  # fmt: skip


def _as_task(data: bytes, task: str) -> bytes:
    """Return an event as one of *task*, by a runner without a number, with a duration that is always the same."""
    data = data.replace(b'"task":"t1"', b'"task":"%s"' % task.encode())
    data = re.sub(rb'"duration_ms":[\d.]+', b'"duration_ms":2500.0', data)
    return re.sub(rb"host:\d+:[0-9a-f]+", b"host", data)


def _put(raws: list[Raw], name: str, data: bytes) -> None:
    """Add a message, one second after the one before."""
    at = (BEGIN + len(raws) * TICK).isoformat().replace("+00:00", "Z")
    raws.append(message(len(raws) + 1, name, re.sub(rb'"at":"[^"]+"', b'"at":"%s"' % at.encode(), data, count=1)))


def test_there_are_twenty_and_each_has_its_answer() -> None:
    assert [example.question for example in examples()] == [*ANSWERS]
    assert len(ANSWERS) == 20


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.question)
def test_an_example_answers_right(example: Example, store: Path) -> None:
    table = local_query(store, example.sql)
    answer = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert answer == ANSWERS[example.question]
    assert answer
