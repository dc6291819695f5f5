"""An export is whole, grows, is read in place by others, and restores what it was made of."""

import fcntl
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars
import pytest
from msgspec.structs import replace

from obra.events import Content, PromptPrepared
from obra.events.subjects import Scope
from obra.shared.archive import blobs
from obra.shared.archive import manifest as manifests
from obra.shared.archive.export import Altered, exported, position_at
from obra.shared.archive.manifest import BadArchive, Manifest
from obra.shared.archive.proof import proven
from obra.shared.archive.restore import from_archive
from obra.shared.archive.same import difference
from obra.shared.envelope import encode, fresh
from obra.shared.store import Store
from obra.shared.store.row import row_of
from tests.archive.stores import audit, made, tamper
from tests.recorded import message, simulated

DAY_NS = 86_400 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made(tmp_path / "obra.duckdb")
    return tmp_path / "obra.duckdb"


def export(store: Path, folder: Path, **span: Any) -> Manifest:
    made = exported(store, folder, **span)
    manifests.write(folder, made)
    return made


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_was_exported_is_restored_the_same(store: Path, tmp_path: Path) -> None:
    done = export(store, tmp_path / "out")
    fresh = tmp_path / "fresh.duckdb"
    assert from_archive(tmp_path / "out", fresh) == done
    assert difference(fresh, store, done.through) == ""
    assert audit(fresh) == audit(store)
    assert proven(tmp_path / "out", store) == (done.through, done.head)


def test_a_restored_store_goes_on_where_it_ended(store: Path, tmp_path: Path) -> None:
    done = export(store, tmp_path / "out")
    from_archive(tmp_path / "out", tmp_path / "fresh.duckdb")
    for path in (store, tmp_path / "fresh.duckdb"):
        grown = Store(path)
        grown.append([row_of(message(done.through + 1, "obra.-.-.x", b"{}"))])
        grown.close()
    assert difference(tmp_path / "fresh.duckdb", store, done.through + 1) == ""


def test_it_is_partitioned_by_day_and_read_in_place(tmp_path: Path) -> None:
    raws = simulated(range(3))
    third = len(raws) // 3
    raws = [replace(raw, stored_at_ns=raw.stored_at_ns + raw.position // third * DAY_NS) for raw in raws]
    made(tmp_path / "days.duckdb", raws)
    done = export(tmp_path / "days.duckdb", tmp_path / "out")
    days = sorted({part.day for part in done.parts})
    assert len(days) > 2
    pattern = str(tmp_path / "out" / "events" / "*" / "*.parquet")
    counted = f"SELECT day::VARCHAR, count(*) FROM '{pattern}' GROUP BY day ORDER BY day"
    by_duckdb = duckdb.connect().execute(counted).fetchall()
    frame = polars.read_parquet(pattern, hive_partitioning=True, try_parse_hive_dates=False)
    by_polars = frame.group_by("day").len().sort("day").rows()
    assert by_duckdb == by_polars
    assert [day for day, _ in by_polars] == days
    assert frame["raw"].to_list() == [raw.data for raw in raws]


def test_a_second_export_adds_only_what_is_new(store: Path, tmp_path: Path) -> None:
    first = export(store, tmp_path / "out", until=30)
    before = files(tmp_path / "out")
    second = export(store, tmp_path / "out")
    assert (first.through, first.events) == (30, 30)
    assert second.parts[: len(first.parts)] == first.parts
    assert set(files(tmp_path / "out")) > set(before)
    assert export(store, tmp_path / "out").parts == second.parts
    from_archive(tmp_path / "out", tmp_path / "fresh.duckdb")
    assert difference(tmp_path / "fresh.duckdb", store, second.through) == ""


def test_a_killed_export_leaves_nothing_that_counts(store: Path, tmp_path: Path) -> None:
    exported(store, tmp_path / "out")  # and no manifest
    half = tmp_path / "out" / "events" / "day=2026-01-02" / "000-999.parquet.part"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"PAR1")
    with pytest.raises(BadArchive, match=r"there is no manifest\.json in it"):
        proven(tmp_path / "out", store)
    done = export(store, tmp_path / "out", until=30)
    assert files(tmp_path / "out") == sorted([*(part.path for part in done.parts), "manifest.json"])


def test_a_part_says_that_it_is_one(store: Path, tmp_path: Path) -> None:
    part = export(store, tmp_path / "part", since=10, until=20)
    assert (part.since, part.through, part.events) == (10, 20, 10)
    with pytest.raises(BadArchive, match="it begins behind position 10"):
        from_archive(tmp_path / "part", tmp_path / "fresh.duckdb")


def test_another_history_is_never_added(store: Path, tmp_path: Path) -> None:
    export(store, tmp_path / "out")
    made(tmp_path / "other.duckdb", simulated(range(10, 14)))
    with pytest.raises(BadArchive, match="another history"):
        exported(tmp_path / "other.duckdb", tmp_path / "out")


def test_an_altered_store_is_not_exported(store: Path, tmp_path: Path) -> None:
    tamper(store, "UPDATE event SET task = 't9' WHERE position = 5")
    with pytest.raises(Altered, match="position 5"):
        exported(store, tmp_path / "out")
    assert files(tmp_path / "out") == []


def test_an_altered_export_is_refused_by_name(store: Path, tmp_path: Path) -> None:
    done = export(store, tmp_path / "out")
    path = tmp_path / "out" / done.parts[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for use in (lambda: proven(tmp_path / "out", store), lambda: from_archive(tmp_path / "out", tmp_path / "f.duckdb")):
        with pytest.raises(BadArchive, match="is not as it was written"):
            use()
    path.unlink()
    with pytest.raises(BadArchive, match="is missing"):
        proven(tmp_path / "out", store)


def test_an_export_that_was_rewritten_with_its_manifest_breaks_its_chain(store: Path, tmp_path: Path) -> None:
    done = export(store, tmp_path / "out")
    part = done.parts[0]
    path = tmp_path / "out" / part.path
    table = polars.read_parquet(path)
    table = table.with_columns(
        raw=polars.when(polars.col("position") == 9).then(polars.lit(b"{}")).otherwise(polars.col("raw"))
    )
    table.write_parquet(path)
    forged = msgspec.structs.replace(part, sha256=manifests.sha256_of(path), bytes=path.stat().st_size)
    manifests.write(tmp_path / "out", msgspec.structs.replace(done, parts=(forged,)))
    with pytest.raises(BadArchive, match="the chain breaks at position 9"):
        proven(tmp_path / "out", store)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("type", "'task.praised'", "position 9: .*altered; type is not that of its message"),
        ("project", "'other'", "position 9: .*project is not that of its message"),
        ("happened_at", "happened_at + INTERVAL 1 SECOND", "position 9: .*happened_at is not that of its message"),
        ("cause", "uuid()::VARCHAR", "position 9: .*cause is not that of its message"),
        ("id", "'nonsense'", "position 9: .*id is not that of its message"),
        ("body", "'{}'", "position 9: .*body is not that of its message"),
        ("problem", "'strange'", "position 9: .*problem is not that of its message"),
        ("stored_at", "stored_at + INTERVAL 1 SECOND", "stored_at is not that of the store at position 9"),
    ],
)
def test_before_anything_is_let_go_each_column_of_the_export_is_proven(
    column: str, value: str, told: str, store: Path, tmp_path: Path
) -> None:
    done = export(store, tmp_path / "out")
    part = done.parts[0]
    path = tmp_path / "out" / part.path
    select = f"SELECT * REPLACE (CASE WHEN position = 9 THEN {value} ELSE {column} END AS {column}) FROM '{path}'"
    duckdb.execute(f"SET TimeZone = 'UTC'; COPY ({select}) TO '{path}.new' (FORMAT parquet)")
    Path(f"{path}.new").replace(path)
    forged = msgspec.structs.replace(part, sha256=manifests.sha256_of(path), bytes=path.stat().st_size)
    manifests.write(tmp_path / "out", msgspec.structs.replace(done, parts=(forged, *done.parts[1:])))
    with pytest.raises(BadArchive, match=told):
        proven(tmp_path / "out", store)


def test_a_large_text_that_was_altered_is_no_proof(store: Path, tmp_path: Path) -> None:
    sha = hashlib.sha256(b"text").hexdigest()
    said = PromptPrepared(attempt=1, run=1, prompt=Content(sha256=sha, size=4, stored=True), template="t",
                          template_sha256="x")  # fmt: skip
    last = audit(store).through
    grown = Store(store)
    envelope = encode(fresh(Scope("shop", "t1"), said, "session-manager"))
    grown.append([row_of(message(last + 1, "obra.shop.t1.prompt.prepared", envelope))])
    grown.close()
    export(store, tmp_path / "out")
    blobs.put(tmp_path / "out", sha, b"text")
    assert proven(tmp_path / "out", store)[0] == last + 1
    blobs.put(tmp_path / "out", sha, b"tent")
    with pytest.raises(BadArchive, match=f"the large text blobs/{sha[:2]}/{sha} is missing, or was altered"):
        proven(tmp_path / "out", store)


def test_two_exports_at_once_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    descriptor = os.open(tmp_path / "out" / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(BadArchive, match="another export is writing to it"), manifests.alone(tmp_path / "out"):
        raise AssertionError
    os.close(descriptor)


def test_a_moment_is_the_last_position_before_it(store: Path) -> None:
    begin = datetime.fromtimestamp(1_767_323_040, UTC)
    assert position_at(store, begin) == 0
    assert position_at(store, datetime(2030, 1, 1, tzinfo=UTC)) == audit(store).through


def test_large_texts_are_found_wherever_they_stand_in_an_event(tmp_path: Path) -> None:
    sha = "ab" * 32
    event = {"a": [{"text": "x", "sha256": sha, "size": 1, "stored": True}], "b": {"sha256": "cd" * 32}}
    assert list(blobs.references(event)) == [sha]
    blobs.put(tmp_path, sha, b"x")
    assert (blobs.count(tmp_path), list(blobs.held(tmp_path))) == (1, [])  # its digest is another
