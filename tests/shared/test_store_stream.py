"""Stored events are streamed for folds: in order, whole or in brief, and only those that are heard."""

from pathlib import Path

import msgspec
import pytest

from obra.events import DecisionMade, TaskCompleted, TaskSubmitted
from obra.events.subjects import Scope
from obra.services.decider.decide import DECIDER
from obra.shared.bus import Raw
from obra.shared.envelope import Unknown
from obra.shared.store import Store
from obra.shared.store.row import row_of
from obra.shared.store.stream import BATCH, SPAN, Heard, Told, folded, recorded, told
from tests.recorded import envelopes, message, messages, of_task, simulated

SEEDS = range(40)


@pytest.fixture(scope="module")
def history() -> list[Raw]:
    return simulated(SEEDS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, history: list[Raw]) -> Store:
    made = Store(tmp_path_factory.mktemp("store") / "obra.duckdb")
    made.append([row_of(raw) for raw in history])
    return made


def test_every_event_comes_once_and_in_order(store: Store, history: list[Raw]) -> None:
    expected = [
        Told(raw.position, raw.envelope.project, raw.envelope.task, raw.envelope.event)
        for raw in history
        if raw.envelope
    ]
    assert [one for batch in told(store.cursor()) for one in batch] == expected
    whole = [(one.position, one.envelope) for batch in recorded(store.cursor()) for one in batch]
    assert whole == [(raw.position, raw.envelope) for raw in history]


@pytest.mark.parametrize(
    "heard",
    [
        Heard(kinds=(TaskSubmitted, DecisionMade)),
        Heard(after=7, until=900),
        Heard(task="t3", kinds=(TaskCompleted,)),
        Heard(project="shop", after=1_000),
        Heard(project="none"),
        Heard(after=10**9),
    ],
    ids=str,
)
def test_only_what_is_heard_is_read(store: Store, history: list[Raw], heard: Heard) -> None:
    expected = [
        raw.position for raw in history
        if raw.envelope and (not heard.kinds or isinstance(raw.envelope.event, heard.kinds))
        and raw.position > heard.after and raw.position <= (heard.until or raw.position)
        and heard.project in ("", raw.envelope.project) and heard.task in ("", raw.envelope.task)
    ]  # fmt: skip
    assert [one.position for batch in told(store.cursor(), heard) for one in batch] == expected


def test_all_tasks_are_folded_at_once_as_each_is_by_itself(store: Store, history: list[Raw]) -> None:
    states = folded(told(store.cursor()), DECIDER.evolve, DECIDER.initial)
    assert states == {
        ("shop", f"t{seed}"): DECIDER.fold(one.event for one in of_task(history, f"t{seed}")) for seed in SEEDS
    }


def test_batches_are_bounded_across_gaps_and_what_is_no_event_is_left_out(tmp_path: Path) -> None:
    (asked,) = envelopes(Scope("shop", "t1"), [TaskSubmitted(text="x", repo="/r")])
    (like,) = messages(asked)
    novel = msgspec.json.decode(like.data)
    novel["event"] = {"type": "task.dreamt"}
    raws = [message(n, like.subject, like.data) for n in range(5, SPAN + 50)]
    raws += [
        message(3 * SPAN, like.subject, b"nope"),
        message(4 * SPAN, "obra.shop.t1.task.dreamt", msgspec.json.encode(novel)),
    ]
    store = Store(tmp_path / "s")
    store.append([row_of(raw) for raw in raws])
    batches = list(told(store.cursor()))
    assert [one.position for batch in batches for one in batch] == [*range(5, SPAN + 50), 4 * SPAN]
    assert batches[-1][0].event == Unknown(name="task.dreamt")
    assert {0 < len(batch) <= BATCH for batch in batches} == {True}
    store.close()
