"""Events in other forms than today's: older ones are brought up, newer and unknown ones pass through unharmed."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from obra.events import ServiceDegraded, TaskCancelled
from obra.events.subjects import Scope
from obra.services.log_sink.sink import Sink
from obra.shared.archive import manifest as manifests
from obra.shared.archive.export import exported
from obra.shared.archive.restore import from_archive
from obra.shared.archive.same import difference
from obra.shared.bus.memory import MemoryBus
from obra.shared.envelope import Unknown, decode, decode_brief, fresh, type_of
from obra.shared.errors import Undecodable
from obra.shared.store.query import local_query
from obra.shared.store.select import Wanted
from obra.shared.upcast import CHANGED, UPCASTERS, current, upcast
from tests.archive.stores import audit
from tests.stored import local_events

RECORDED = (
    b'{"id":"0b8e7a61-53bd-4a6e-a8ee-0b1f6f0f4c11","project":"default","task":"t7","at":"2026-11-20T09:14:03.218771Z",'
    b'"event":{"type":"task.cancelled","reason":"cancelled by ada"},"service":"edge","version":"0.1.0"}'
)
"""An event as it was stored before task.cancelled had a second schema."""


def document(**changes: Any) -> bytes:
    """Return the recorded envelope with other fields."""
    return json.dumps({**json.loads(RECORDED), **changes}).encode()


def test_an_event_of_an_older_schema_is_read_in_todays_form() -> None:
    envelope = decode(RECORDED)
    assert envelope.event == TaskCancelled(by="ada")
    assert decode_brief(RECORDED).event == envelope.event
    assert (envelope.schema, type_of(envelope)) == (1, "task.cancelled")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"reason": "no longer wanted"}, TaskCancelled(reason="no longer wanted")),
        ({"reason": "cancelled by ada", "by": "bob"}, TaskCancelled(reason="cancelled by ada", by="bob")),
        ({}, TaskCancelled()),
    ],
)
def test_what_needs_no_change_gets_none(event: dict[str, str], expected: TaskCancelled) -> None:
    assert decode(document(event={"type": "task.cancelled", **event})).event == expected


def test_todays_event_says_its_schema() -> None:
    assert fresh(Scope("p", "t"), TaskCancelled(), "edge").schema == current("task.cancelled") == 2
    assert fresh(Scope("p", "t"), ServiceDegraded(service="s", lacking="l", reason="r"), "s").schema == 1


def test_upcasters_lead_from_each_number_to_the_next_without_a_gap() -> None:
    for kind, newest in CHANGED.items():
        assert [schema for name, schema in UPCASTERS if name == kind] == list(range(1, newest))


def test_an_upcast_changes_nothing_that_it_was_given_and_nothing_twice() -> None:
    stored = json.loads(RECORDED)["event"]
    once = upcast("task.cancelled", 1, stored)
    assert stored == json.loads(RECORDED)["event"]
    assert upcast("task.cancelled", 1, once) == once
    assert upcast("task.cancelled", 2, stored) == stored


@pytest.mark.parametrize(
    "data",
    [
        document(schema=3),
        document(schema=3, event={"type": "task.cancelled", "reason": {"text": "retyped"}}),
        document(schema=2, event={"type": "task.readied", "policy": 7}),
        document(event={"type": "task.frobnicated", "how": ["hard"]}),
    ],
)
def test_what_a_newer_version_wrote_is_kept_and_skipped(data: bytes) -> None:
    envelope = decode(data)
    assert envelope.event == Unknown(name=json.loads(data)["event"]["type"])
    assert decode_brief(data).event == envelope.event


def test_todays_form_with_a_wrong_field_is_no_event() -> None:
    for event in ({"type": "task.cancelled", "reason": 7}, {"type": "task.readied", "policy": 7}):
        with pytest.raises(Undecodable):
            decode(document(event=event))


async def sunk(bus: MemoryBus, root: Path) -> Path:
    """Run a sink until it has all of *bus* and what it says itself; return its store."""
    sink, stop = Sink(root / "obra.duckdb", root / "events.jsonl", 100), asyncio.Event()
    task = asyncio.create_task(sink.run(bus, stop))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            while not sink.position or sink.position < len(bus.log) or len(sink.reports):
                await sink.caught_up(len(bus.log), 20)
                await asyncio.sleep(0)  # it is there before what it gave to report is said
    stop.set()
    await task
    return root / "obra.duckdb"


async def test_store_and_export_hold_every_form_and_sql_reads_todays(tmp_path: Path) -> None:
    bus = MemoryBus()
    newer = document(id="0b8e7a61-53bd-4a6e-a8ee-0b1f6f0f4c12", schema=9, event={"type": "task.cancelled", "x": 1})
    strange = document(id="0b8e7a61-53bd-4a6e-a8ee-0b1f6f0f4c13", event={"type": "task.frobnicated", "how": ["hard"]})
    for data, kind in ((RECORDED, "cancelled"), (newer, "cancelled"), (strange, "frobnicated"), (newer, "cancelled")):
        bus.publish(f"obra.default.t7.task.{kind}", data)
    store = await sunk(bus, tmp_path)
    assert [raw.data for raw in local_events(store, Wanted(task="t7"))] == [RECORDED, newer, strange, newer]
    table = local_query(store, 'SELECT body."by"::VARCHAR, body.reason::VARCHAR, problem FROM event WHERE position = 1')
    assert table.rows == (("ada", "", None),)
    said = [raw.envelope.event for raw in bus.log if raw.envelope and isinstance(raw.envelope.event, ServiceDegraded)]
    assert [(event.lacking, event.reason.partition(":")[0]) for event in said] == [
        ("version", "task.cancelled, schema 9"),
        ("version", "task.frobnicated, schema 1"),
    ]
    assert audit(store).fault is None
    manifests.write(tmp_path / "out", exported(store, tmp_path / "out"))
    from_archive(tmp_path / "out", tmp_path / "fresh.duckdb")
    assert difference(tmp_path / "fresh.duckdb", store, len(bus.log)) == ""
    store.unlink()
    again = await sunk(bus, tmp_path)  # a store that is rebuilt does not tell it anew
    assert len([raw for raw in bus.log if raw.envelope and isinstance(raw.envelope.event, ServiceDegraded)]) == 2
    assert msgspec.json.decode(
        local_query(again, "SELECT to_json(body)::VARCHAR FROM event WHERE position = 3").rows[0][0]
    )
    await bus.close()
