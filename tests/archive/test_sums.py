"""Sums of fractions depend on their order by a hair; the views round it away, so that two stores can be compared."""

from pathlib import Path

import pytest

from obra.events import AgentExited, AttemptStarted, TaskSubmitted
from obra.events.subjects import Scope
from obra.shared.envelope import Envelope
from obra.shared.store.query import local_query
from tests.archive.stores import made
from tests.recorded import envelopes, messages

FRACTIONS = (0.1, 0.2, 0.3)
"""Added one after the other they are 0.6000000000000001, backwards 0.6."""


@pytest.mark.parametrize("fractions", [FRACTIONS, FRACTIONS[::-1]])
def test_sums_of_money_are_the_same_in_any_order(fractions: tuple[float, ...], tmp_path: Path) -> None:
    told = list[Envelope]()
    for number in range(3):
        told += envelopes(
            Scope("shop", f"t{number}"),
            [
                TaskSubmitted(text="a", repo="/r"),
                AttemptStarted(attempt=1, run=1, runner="r", agent="claude", workspace="/w", base="0" * 40),
                *(AgentExited(attempt=1, run=1, ending="completed", cost_usd=one) for one in fractions),
            ],
        )
    path = tmp_path / "obra.duckdb"
    made(path, messages(*told))
    assert local_query(path, "SELECT cost_usd FROM project").rows == ((1.8,),)
    assert local_query(path, "SELECT DISTINCT cost_usd FROM attempt").rows == ((0.6,),)
    assert local_query(path, "SELECT DISTINCT cost_usd FROM task").rows == ((0.6,),)
