"""Whatever is done to a store behind log-sink's back, the first event that shows it is named."""

from pathlib import Path

import pytest

from obra.shared.archive.against import compared
from obra.shared.bus.memory import MemoryBus
from obra.shared.store import Store, opened
from obra.shared.store.derived import settle
from tests.archive.stores import audit, made, spaced, tamper
from tests.recorded import message, simulated

AT = 20


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "obra.duckdb"
    made(path, spaced(simulated(range(4))))
    return path


def found(path: Path) -> tuple[str, int, str]:
    fault = audit(path).fault
    assert fault
    return fault.kind, fault.position, fault.detail


def test_a_store_that_nobody_touched_is_whole(store: Path) -> None:
    result = audit(store)
    raws = simulated(range(4))
    assert (result.fault, result.events, result.through) == (None, len(raws), 2 * len(raws))


def test_an_empty_store_is_whole(tmp_path: Path) -> None:
    made(tmp_path / "empty.duckdb", [])
    assert audit(tmp_path / "empty.duckdb").events == 0


def test_a_store_with_foreign_and_redacted_messages_is_whole(tmp_path: Path) -> None:
    odd = [
        message(1, "obra.shop.t1.nonsense", b"\xff\xfe no event"),
        message(2, "obra.x", b"{}"),
        *[
            message(raw.position + 2, raw.subject, raw.data.replace(b'"text":"', b'"text":"password=hunter2hunter2 '))
            for raw in simulated([1])
        ],
    ]
    made(tmp_path / "odd.duckdb", odd)
    assert audit(tmp_path / "odd.duckdb").fault is None


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ("raw = raw || ' '::BLOB", "its hash does not follow from its message and the one before it"),
        ("raw = replace(decode(raw), 'tester', 'temper')::BLOB", "service is not that of its message"),
        ("hash = unhex(repeat('ab', 32))", "its hash does not follow from its message and the one before it"),
        ("body_json = '{\"type\":\"task.completed\"}'", "body is not that of its message"),
        ("type = 'task.completed'", "type is not that of its message"),
        ("task = 't99'", "task is not that of its message"),
        ("happened_at = happened_at + INTERVAL 1 HOUR", "happened_at is not that of its message"),
        ("service = 'decider'", "service is not that of its message"),
        ("problem = 'hidden'", "problem is not that of its message"),
        ("cause = NULL", "cause is not that of its message"),
    ],
)  # fmt: skip
def test_a_changed_row_is_altered(store: Path, change: str, detail: str) -> None:
    tamper(store, f"UPDATE event SET {change} WHERE position = {AT}")
    assert found(store)[:2] in {("altered", AT), ("missing", AT)}
    if "hash" not in detail:
        assert found(store) == ("altered", AT, detail)


def test_a_changed_row_without_a_gap_before_it_is_altered_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "dense.duckdb"
    made(path)
    tamper(path, "UPDATE event SET raw = raw || ' '::BLOB WHERE position = 7")
    assert found(path) == ("altered", 7, "its hash does not follow from its message and the one before it")


def test_a_removed_row_is_missing(store: Path) -> None:
    tamper(store, f"DELETE FROM event WHERE position = {AT}")
    kind, position, detail = found(store)
    assert (kind, position) == ("missing", AT + 2)
    assert detail.startswith(f"at least one event is gone from positions {AT - 1} to {AT + 1}")


def test_rows_that_change_places_are_reordered(store: Path) -> None:
    tamper(
        store,
        f"UPDATE event SET position = 1000001 WHERE position = {AT}",
        f"UPDATE event SET position = {AT} WHERE position = {AT + 10}",
        f"UPDATE event SET position = {AT + 10} WHERE position = 1000001",
    )
    assert found(store) == ("reordered", AT, f"the event that belongs here stands at position {AT + 10}")


def test_a_row_that_is_put_in_is_inserted(store: Path) -> None:
    row = f"SELECT * EXCLUDE (body) REPLACE ({AT + 1} AS position) FROM event WHERE position = {AT - 10}"
    tamper(store, f"INSERT INTO event {row}")
    assert found(store) == ("inserted", AT + 1, f"without it the chain goes on from {AT} to {AT + 2}")


def test_a_row_that_stands_twice_is_inserted(store: Path) -> None:
    tamper(store, f"INSERT INTO event SELECT * EXCLUDE (body) FROM event WHERE position = {AT}")
    assert found(store) == ("inserted", AT, "two events hold this position")


def test_a_tail_that_is_cut_off_is_missed(store: Path) -> None:
    end = audit(store).through
    tamper(store, f"DELETE FROM event WHERE position > {AT}")
    detail = f"the store was written up to position {end:,}, but its last event stands at {AT}"
    assert found(store) == ("cut", AT, detail)


@pytest.mark.parametrize("change", ["task = 't99'", "body = typed_body('{\"cost_usd\": 9}')", "type = 'task.failed'"])
def test_fields_that_views_read_are_held_against_the_events(store: Path, change: str) -> None:
    tamper(store, f"UPDATE typed SET {change} WHERE position = {AT}")
    kind, position, detail = found(store)
    assert (kind, position) == ("altered", AT)
    assert "obra replay" in detail


def test_rows_that_views_keep_are_held_against_the_events(store: Path) -> None:
    Store(store).close()
    settled = opened(store)
    settle(settled)
    settled.close()
    tamper(store, "UPDATE task_settled SET status = 'completed', branch = 'mine'")
    assert found(store)[0] == "altered"


def test_the_first_of_several_faults_is_named(store: Path) -> None:
    tamper(
        store,
        f"UPDATE event SET raw = raw || ' '::BLOB WHERE position = {AT + 6}",
        f"UPDATE event SET task = 't9' WHERE position = {AT}",
    )
    assert found(store)[:2] == ("altered", AT)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE sink SET views = views", None),
        ("UPDATE event SET raw = raw || ' '::BLOB WHERE position = 5", ("altered", 5)),
        ("DELETE FROM event WHERE position = 5", ("missing", 5)),
        (
            "INSERT INTO event SELECT * EXCLUDE (body) REPLACE (99999 AS position) FROM event WHERE position = 5",
            ("inserted", 99_999),
        ),
    ],
)
async def test_a_store_is_held_against_its_stream(
    tmp_path: Path, change: str, expected: tuple[str, int] | None
) -> None:
    path, bus = tmp_path / "obra.duckdb", MemoryBus()
    raws = made(path)
    bus.log = [*raws, message(100_000, "obra.-.-.later", b"{}")]
    tamper(path, change)
    db = opened(path, read_only=True)
    fault = (await compared(db, bus.copied(0), 99_999 if expected == ("inserted", 99_999) else len(raws), 0)).fault
    db.close()
    assert (fault and (fault.kind, fault.position)) == expected
