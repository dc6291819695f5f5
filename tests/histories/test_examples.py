"""`obra sql --examples`: every question is answered, on what really happened."""

from pathlib import Path
from typing import Any

import pytest

from obra.shared.bus import Raw
from obra.shared.store.examples import Example, examples
from obra.shared.store.query import local_query
from tests.archive.stores import made
from tests.histories.test_histories import HISTORIES, messages
from tests.recorded import message

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "How many runs were lost to crashes?": [(1, 1)],
    "Escalation precision: of what people were asked, how much did they reject?": [(1, 0, 1)],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of all recorded histories, one task each."""
    raws = list[Raw]()
    for path in HISTORIES:
        for raw in messages(path):
            subject = raw.subject.replace(".default.t1.", f".default.{path.stem}.")
            data = raw.data.replace(b'"task":"t1"', b'"task":"%s"' % path.stem.encode())
            raws.append(message(len(raws) + 1, subject, data))
    path = tmp_path_factory.mktemp("examples") / "obra.duckdb"
    made(path, raws)
    return path


def test_there_are_twenty() -> None:
    assert len({example.question for example in examples()}) == 20


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.question)
def test_an_example_is_answered(example: Example, store: Path) -> None:
    table = local_query(store, example.sql)
    assert table.columns
    if "reviewer" not in example.question and "waits" not in example.question:
        assert table.rows
    if expected := ANSWERS.get(example.question):
        assert list(table.rows) == expected
