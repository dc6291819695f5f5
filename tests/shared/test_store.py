"""The store keeps every message as it came, shows it in views, and answers questions that only read."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from obra.events import (
    AgentExited,
    Event,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRolledBack,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.shared import store as store_module
from obra.shared.bus import Raw
from obra.shared.config import StoreSettings
from obra.shared.store import Lost, Store
from obra.shared.store.chain import GENESIS, Broken, link
from obra.shared.store.errors import QueryFailed, QueryRefused, StoreDamaged, StoreLocked, StoreMissing
from obra.shared.store.plan import BODIES, DOCUMENTS, suspected
from obra.shared.store.query import Table, local_query
from obra.shared.store.row import DEPTH_MAX, row_of
from obra.shared.store.schema import views
from obra.shared.store.select import Wanted
from obra.shared.story import fold
from tests.escapes import ESCAPES, assert_a_reason
from tests.recorded import as_row, envelopes, message, messages, of_task, simulated
from tests.stored import local_events

DOCS = Path(__file__).parents[2] / "docs" / "sql.md"
SEEDS = range(40)
SCOPE = Scope("shop", "t1")
ASKED = TaskSubmitted(text="add a flag", repo="/r")


def stored(path: Path, raws: Iterable[Raw]) -> Path:
    """Write *raws* into the file *path* in batches of 100."""
    store, rows = Store(path), [row_of(raw) for raw in raws]
    for begin in range(0, len(rows), 100):
        store.append(rows[begin : begin + 100])
    store.close()
    return path


def told(path: Path, *events: Event) -> Path:
    return stored(path, messages(*envelopes(SCOPE, events)))


def one(path: Path, sql: str, **wishes: Any) -> dict[str, Any]:
    """Return the only row of the answer, by column."""
    table = local_query(path, sql, **wishes)
    (row,) = table.rows
    return dict(zip(table.columns, row, strict=True))


@pytest.fixture(scope="module")
def history() -> list[Raw]:
    return simulated(SEEDS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, history: list[Raw]) -> Path:
    return stored(tmp_path_factory.mktemp("store") / "obra.duckdb", history)


def test_every_message_is_kept_as_it_came_and_in_order(path: Path, history: list[Raw]) -> None:
    assert list(local_events(path, Wanted())) == history


def test_a_row_says_what_the_envelope_says(tmp_path: Path) -> None:
    first, second = envelopes(SCOPE, [ASKED, TaskReadied()])
    row = one(told(tmp_path / "s", ASKED, TaskReadied()), "SELECT * EXCLUDE (raw, hash) FROM event WHERE position = 2")
    assert row == {
        "position": 2, "id": str(second.id), "project": "shop", "task": "t1", "type": "task.readied",
        "happened_at": "2026-01-02T03:04:00.020000Z", "cause": str(first.id), "correlation": str(first.id),
        "service": "tester", "body_json": '{"type":"task.readied"}', "body": {"type": "task.readied"}, "problem": None,
        "stored_at": "2026-01-02T03:04:00.000002Z",
    }  # fmt: skip


def test_what_can_not_be_decoded_gets_a_row_with_the_reason(tmp_path: Path) -> None:
    path = stored(
        tmp_path / "s", [message(3, "obra.shop.t1.task.completed", b"nope"), message(5, "obra.odd", b"\xff{")]
    )
    table = local_query(path, "SELECT position, project, task, type, body, raw, problem IS NOT NULL FROM event")
    assert table.rows == (
        (3, "shop", "t1", "task.completed", None, b"nope".hex(), True),
        (5, None, None, "odd", None, b"\xff{".hex(), True),
    )


def test_what_was_not_reported_yet_is_known(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    store.append(
        [row_of(message(1, "obra.a.b.task.failed", b"x")), row_of(message(2, "obra.a.b.message.rejected", b"y"))]
    )
    (lost,) = store.unreported(9)
    assert lost == Lost(1, "a", "b", "task.failed", lost.problem, b"x")
    store.close()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "the nesting of a foreign message"),
        (b"[" * 100_000, "half a message"),
        (b"\x00\xff\xfe", "no text at all"),
        (b"", "nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_message_can_break_the_store(tmp_path: Path, data: bytes, reason: str) -> None:
    path = stored(tmp_path / "s", [message(1, "obra.shop.t1.task.completed", data)])
    assert one(path, "SELECT count(*) AS n, max(octet_length(raw)) AS size FROM event") == {
        "n": 1,
        "size": len(data),
    }, reason


def test_an_event_with_unknown_fields_keeps_them_but_for_what_lies_too_deep(tmp_path: Path) -> None:
    (envelope,) = envelopes(SCOPE, [ASKED])
    document = msgspec.to_builtins(envelope)
    deep: Any = 1
    for _ in range(DEPTH_MAX * 3):
        deep = [deep]
    document["event"] |= {"novel": {"a": [1, 2]}, "deep": deep}
    path = stored(tmp_path / "s", [message(1, "obra.shop.t1.task.submitted", msgspec.json.encode(document))])
    table = local_query(path, "SELECT body.novel, body.deep::VARCHAR LIKE '%cut: nested too deep%', problem FROM event")
    assert table.rows == (({"a": [1, 2]}, True, None),)


def test_an_event_of_an_unknown_type_is_kept_and_breaks_no_view(tmp_path: Path) -> None:
    (envelope,) = envelopes(SCOPE, [ASKED])
    document = msgspec.to_builtins(envelope)
    document["event"] = {"type": "task.dreamt", "attempt": "many", "quality": "high", "reasons": 7, "tokens": "all"}
    path = stored(tmp_path / "s", [message(1, "obra.shop.t1.task.dreamt", msgspec.json.encode(document))])
    assert one(path, "SELECT type, body.attempt::VARCHAR AS attempt FROM event") == {
        "type": "task.dreamt",
        "attempt": "many",
    }
    for view in views():
        local_query(path, f"FROM {view}")


def test_texts_are_redacted_and_the_bytes_are_not(tmp_path: Path) -> None:
    path = told(tmp_path / "s", TaskSubmitted(text="use password=hunter22 and \u2713", repo="/r"))
    row = one(path, "SELECT body.text::VARCHAR AS text, decode(raw) LIKE '%hunter22%' AS kept FROM event")
    assert row == {"text": "use password=[redacted:password] and \u2713", "kept": True}
    escaped = encoded(TaskSubmitted(text="password=hunter22", repo="/r")).replace(b"password", b"p\\u0061ssword")
    hidden = stored(tmp_path / "h", [message(1, "obra.shop.t1.task.submitted", escaped)])
    assert one(hidden, "SELECT text FROM task") == {"text": "password=[redacted:password]"}


def encoded(event: Event) -> bytes:
    return messages(*envelopes(SCOPE, [event]))[0].data


def test_the_log_line_is_the_message_with_its_position(tmp_path: Path) -> None:
    (raw,) = messages(*envelopes(SCOPE, [ASKED]))
    assert msgspec.json.decode(row_of(raw).line) == {"position": 1, **msgspec.json.decode(raw.data)}


def test_the_hash_of_each_row_covers_the_one_before(tmp_path: Path, history: list[Raw]) -> None:
    path = stored(tmp_path / "s", history[:300])
    expected = GENESIS
    for raw in history[:300]:
        expected = link(expected, raw.position, raw.data)
    assert one(path, "SELECT arg_max(hash, position) AS hash FROM event") == {"hash": expected.hex()}
    store = Store(path)
    assert store.verify() is None
    store.close()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE event SET raw = 'forged' WHERE position = 150", Broken(150, 149)),
        ("DELETE FROM event WHERE position = 150", Broken(151, 149)),
        ("UPDATE event SET hash = 'x' WHERE position = 1", Broken(1, 0)),
    ],
)
def test_what_was_altered_is_named(tmp_path: Path, history: list[Raw], change: str, found: Broken) -> None:
    path = stored(tmp_path / "s", history[:300])
    with duckdb.connect(path) as db:
        db.execute(change)
    store = Store(path)
    assert store.verify() == found
    store.close()


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path, history: list[Raw]) -> None:
    store = Store(tmp_path / "s")
    store.append([row_of(raw) for raw in history[:10]])
    with pytest.raises(ValueError, match="position 5 comes after 11"):
        store.append([row_of(history[10]), row_of(history[4])])
    store.append([row_of(raw) for raw in history[10:20]])
    store.close()
    assert [raw.position for raw in local_events(tmp_path / "s", Wanted())] == list(range(1, 21))


def test_what_is_added_while_more_follows_is_committed_with_it_or_not_at_all(
    tmp_path: Path, history: list[Raw]
) -> None:
    rows = [row_of(raw) for raw in history[:30]]
    store = Store(tmp_path / "s")
    with store.cursor() as reader:
        store.append(rows[:10], more=True)
        assert (store.watermark, reader.execute("SELECT count(*) FROM event").fetchall()) == (0, [(0,)])
        store.append(rows[10:20])
        assert (store.watermark, reader.execute("SELECT count(*) FROM event").fetchall()) == (20, [(20,)])
    store.append(rows[20:], more=True)
    store.close()
    again = Store(tmp_path / "s")
    assert (again.watermark, again.verify()) == (20, None)
    again.append(rows[20:], more=True)
    again.checkpoint()
    assert again.watermark == 30
    again.close()


def test_rows_are_made_ready_while_others_are_added_and_added_in_that_order_alone(
    tmp_path: Path, history: list[Raw]
) -> None:
    rows = [row_of(raw) for raw in history[:30]]
    store = Store(tmp_path / "s")
    first, second = store.ready(rows[:10]), store.ready(rows[10:20])
    with pytest.raises(ValueError, match="after 10 can't be added after 0"):
        store.add(second)
    store.add(first, more=True)
    third = store.ready(rows[20:])
    for made in (second, third):
        store.add(made, more=True)
    with pytest.raises(ValueError, match="after 20 can't be added after 30"):
        store.add(third)
    store.checkpoint()
    assert (store.watermark, store.verify()) == (30, None)
    store.close()


def test_what_is_not_committed_is_bounded(tmp_path: Path, history: list[Raw], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "UNCOMMITTED_MAX", 20)
    store = Store(tmp_path / "s")
    reached = []
    for begin in range(0, 50, 10):
        store.append([row_of(raw) for raw in history[begin : begin + 10]], more=True)
        reached.append(store.watermark)
    store.close()
    assert reached == [0, 20, 20, 40, 40]


def test_a_store_whose_rows_and_watermark_disagree_is_damaged(tmp_path: Path, history: list[Raw]) -> None:
    path = stored(tmp_path / "s", history[:10])
    with duckdb.connect(path) as db:
        db.execute("UPDATE sink SET watermark = 7")
    with pytest.raises(StoreDamaged, match="rows end elsewhere than its watermark 7"):
        Store(path)


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"no database" * 10_000)
    with pytest.raises(StoreDamaged):
        Store(tmp_path / "s")


def test_a_store_that_another_process_has_open_is_locked(tmp_path: Path) -> None:
    path = stored(tmp_path / "s", [])
    script = f"import duckdb; db = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked, match=f"process {other.pid}"):
            Store(path)
        other.kill()


def test_a_store_that_is_not_there_is_missing_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        local_query(tmp_path / "s", "SELECT 1")
    assert not list(tmp_path.iterdir())


def test_the_view_of_tasks_says_what_the_story_says(path: Path, history: list[Raw]) -> None:
    table = local_query(path, "FROM task ORDER BY submitted_at")
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows == {f"t{seed}": as_row(fold(of_task(history, f"t{seed}"))) for seed in SEEDS}
    assert {row["status"] for row in rows.values()} >= {"completed", "failed"}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_the_view_of_tasks_as_of_a_position_says_what_the_story_said_then(tmp_path: Path, share: float) -> None:
    for seed in range(8):
        raws = simulated([seed])
        path, at = stored(tmp_path / f"s{seed}", raws), max(1, int(len(raws) * share))
        expected = as_row(fold(of_task(raws[:at], f"t{seed}")))
        for sql, wishes in ((f"FROM task(as_of := {at})", {}), ("FROM task", {"as_of": at})):
            assert one(path, sql, **wishes) == expected


def test_what_was_rolled_back_does_not_count_any_more(tmp_path: Path) -> None:
    failed, readied = TaskFailed(reasons=("no",)), TaskReadied()
    path = told(
        tmp_path / "s", ASKED, readied, failed, TaskRolledBack(to=2), TaskCompleted(attempt=1, branch="b", commit="c")
    )
    assert one(path, "SELECT status, branch FROM task") == {"status": "completed", "branch": "b"}
    assert one(path, "SELECT status FROM task(as_of := 3)") == {"status": "failed"}
    assert one(path, "SELECT status FROM task(as_of := 4)") == {"status": "rolled_back"}
    assert local_query(path, "SELECT position FROM history ORDER BY position").rows == ((1,), (2,), (4,), (5,))


def test_a_rollback_that_was_rolled_back_undoes_nothing(tmp_path: Path) -> None:
    path = told(tmp_path / "s", ASKED, TaskFailed(reasons=("no",)), TaskRolledBack(to=1), TaskRolledBack(to=2))
    assert one(path, "SELECT status FROM task") == {"status": "failed"}
    forward = told(tmp_path / "f", ASKED, TaskRolledBack(to=99), TaskRolledBack(to=3))
    assert one(forward, "SELECT count(*) AS n FROM history") == {"n": 3}


def test_money_that_was_spent_stays_spent_after_a_rollback(tmp_path: Path) -> None:
    spent = AgentExited(attempt=1, run=1, ending="completed", cost_usd=0.25)
    path = told(tmp_path / "s", ASKED, spent, TaskRolledBack(to=1))
    assert one(path, "SELECT cost_usd, runs FROM cost") == {"cost_usd": 0.25, "runs": 1}
    assert one(path, "SELECT cost_usd FROM task") == {"cost_usd": 0.25}
    assert local_query(path, "FROM attempt").rows == ()


def test_as_of_a_position_a_query_sees_nothing_later(path: Path) -> None:
    for view in ("event", *views()):
        columns = local_query(path, f"DESCRIBE {view}").rows
        if "position" in [column[0] for column in columns]:
            row = one(path, f"SELECT max(position) <= 100 AS within FROM {view}", as_of=100)
            assert row["within"] in (True, None)


def test_values_come_as_json_has_them(path: Path) -> None:
    sql = """SELECT 1.5 AS a, 170141183460469231731687303715884105727::HUGEINT AS b, 'nan'::DOUBLE AS c, [1, NULL] AS d,
        {'x': DATE '2026-01-02'} AS e, TIMESTAMPTZ '2026-01-02 03:04:05+02' AS f, INTERVAL 1 DAY AS g, 'ab'::BLOB AS h,
        UUID '123e4567-e89b-12d3-a456-426614174000' AS i, NULL AS j, MAP {'k': true} AS k, TIME '01:02:03' AS l"""
    assert one(path, sql) == {
        "a": 1.5, "b": "170141183460469231731687303715884105727", "c": "nan", "d": [1, None], "e": {"x": "2026-01-02"},
        "f": "2026-01-02T01:04:05.000000Z", "g": "1 day", "h": "6162", "i": "123e4567-e89b-12d3-a456-426614174000",
        "j": None, "k": {"k": True}, "l": "01:02:03",
    }  # fmt: skip


def test_rows_are_bounded_and_the_table_says_so(path: Path) -> None:
    table = local_query(path, "SELECT range FROM range(100)", rows_max=7)
    assert (len(table.rows), table.truncated) == (7, True)
    table = local_query(path, "SELECT range FROM range(100)", settings=StoreSettings(query_rows_max=9), rows_max=50)
    assert (len(table.rows), table.truncated) == (9, True)
    assert not local_query(path, "SELECT range FROM range(7)", rows_max=7).truncated


def test_the_order_that_was_asked_for_is_kept(path: Path) -> None:
    rows = local_query(path, "SELECT range AS n FROM range(50000) ORDER BY n DESC").rows
    assert [row[0] for row in rows] == list(range(49_999, -1, -1))


def test_a_query_that_takes_too_long_is_interrupted(path: Path) -> None:
    with pytest.raises(QueryFailed, match=r"took longer than 0\.2 s"):
        local_query(path, "SELECT count(*) FROM range(1000000000000)", settings=StoreSettings(query_timeout_s=0.2))


def test_a_query_whose_time_is_over_before_it_runs_is_interrupted_all_the_same(path: Path) -> None:
    with pytest.raises(QueryFailed, match="took longer than"):
        local_query(path, "SELECT count(*) FROM range(1000000000000)", settings=StoreSettings(query_timeout_s=1e-9))


def test_parameters_stand_where_question_marks_are(path: Path) -> None:
    assert local_query(path, "SELECT ?::INTEGER + 1, ?", [41, "'; --"]).rows == ((42, "'; --"),)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select 1;",
        "SELECT 1 -- done; really",
        "SELECT ';'",
        "SELECT 1 /* a; b */ ;;\n-- end",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "FROM event LIMIT 1",
        "FROM task",
        "VALUES (1)",
        "TABLE event",
        "DESCRIBE event",
        "SHOW TABLES",
        "SUMMARIZE token",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE FROM event",
        "SELECT * FROM range(3)",
        "SELECT unnest([1, 2])",
        "FROM task(as_of := 5)",
        "SELECT happened_at FROM event LIMIT 1",
    ],
)
def test_what_only_reads_is_answered(path: Path, sql: str) -> None:
    assert isinstance(local_query(path, sql), Table)


@pytest.mark.parametrize("sql", ESCAPES)
def test_what_reaches_outside_or_acts_is_refused_with_a_reason(path: Path, sql: str) -> None:
    with pytest.raises((QueryRefused, QueryFailed)) as refused:
        local_query(path, sql)
    assert_a_reason(refused.value, sql)


def test_the_plan_is_looked_at_wherever_documents_and_bodies_can_meet(path: Path) -> None:
    for name in ("event", "typed", *views()):
        kinds = " ".join(str(row[1]) for row in local_query(path, f"DESCRIBE {name}").rows)
        assert ("JSON" in kinds, "VARIANT" in kinds) == (name in DOCUMENTS, name in BODIES), name
    with pytest.raises(QueryRefused, match="body_json is for the store itself"):
        local_query(path, "SELECT body_json::JSON FROM event")
    for sql in ("to_json(body)->>'type'", "unnest(body.checks::VARIANT[])", "json_object('a', body)", "body::JSON"):
        for name in BODIES:
            assert local_query(path, f"SELECT {sql} FROM {name}").rows
    assert suspected('{"a": "Numbers->>", "b": "FROM JSON"}')
    assert not suspected(duckdb.execute("SELECT json_serialize_sql('FROM task')").fetchall()[0][0])


def test_what_makes_something_of_a_bounded_size_is_answered(path: Path) -> None:
    sql = "SELECT repeat('ab', 2), lpad('7', 3, '0'), range(3), (SELECT count(*) FROM range(2000000))"
    assert local_query(path, sql).rows == (("abab", "007", [0, 1, 2], 2_000_000),)
    assert local_query(path, "SELECT count(body.checks::VARIANT[]) > 0 FROM event").rows == ((True,),)
    assert local_query(path, "SELECT count(*) FROM history WHERE body.type = type").rows[0][0] > 0


def test_a_running_store_is_as_shut_as_a_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    for sql in ("SELECT * FROM read_text('/etc/hostname')", "ATTACH '/tmp/x.db'", "INSTALL httpfs", "SET threads = 1"):
        with pytest.raises(duckdb.Error):
            store.cursor().execute(sql)
    store.close()


@pytest.fixture(scope="module")
def page() -> str:
    return DOCS.read_text()


EXAMPLES = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.mark.parametrize("sql", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_in_the_documentation_runs(path: Path, sql: str) -> None:
    assert local_query(path, sql).columns


def test_the_documentation_names_every_view_and_column(path: Path, page: str) -> None:
    for name in ("event", *views()):
        section = page.split(f"\n### {name}\n")[1].split("\n### ", maxsplit=1)[0].split("\n## ", maxsplit=1)[0]
        documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        if name in ("history", "task_status"):
            continue
        assert documented == [row[0] for row in local_query(path, f"DESCRIBE {name}").rows], name
    assert re.findall(r"\n### (\w+)\n", page) == ["event", *views()]


def test_messages_are_selected_by_position_time_task_and_type(path: Path, history: list[Raw]) -> None:
    some = list(local_events(path, Wanted(after=100, until=900, types=("attempt.*", "task.s?bmitted"), task="t3")))
    assert some == [
        raw for raw in history
        if 100 < raw.position <= 900 and raw.envelope and raw.envelope.task == "t3"
        and re.fullmatch(r"attempt\..*|task\.submitted", raw.subject.split(".", 3)[3])
    ]  # fmt: skip
    moment = history[10].envelope.at if history[10].envelope else None
    early = list(local_events(path, Wanted(before=moment)))
    assert early == [raw for raw in history if raw.envelope and moment and raw.envelope.at < moment]
    assert list(local_events(path, Wanted(since=moment))) == [raw for raw in history if raw not in early]
