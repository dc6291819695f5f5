"""What DuckDB can't be stopped in is asked in a process of its own, which is."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from obra.shared.config import StoreSettings
from obra.shared.store import Store, opened
from obra.shared.store.apart import Apart
from obra.shared.store.errors import QueryFailed, QueryRefused, QueryUnstoppable
from obra.shared.store.query import local_query
from obra.shared.store.row import row_of
from obra.shared.store.syntax import checked
from obra.shared.store.wire import Head, Query
from tests.escapes import UNSTOPPABLE, assert_a_reason
from tests.recorded import simulated

TASKS = 3


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("store") / "obra.duckdb"
    store = Store(made)
    store.append([row_of(raw) for raw in simulated(range(TASKS))])
    store.close()
    return made


def children() -> int:
    return len(psutil.Process().children())


def test_what_can_not_be_stopped_is_known_beforehand(path: Path) -> None:
    db = opened(path, read_only=True)
    for sql in UNSTOPPABLE:
        with pytest.raises(QueryUnstoppable) as known:
            checked(db, sql)
        assert_a_reason(known.value, sql)
        assert checked(db, sql, alone=True)[0] == sql
    db.close()


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count(*) FROM task WHERE task LIKE '%' || task || '%'", ((1,),)),
        ("SELECT levenshtein('kitten', 'sitting'), list_transform([1], lambda x: range(x))", ((3, [[0]]),)),
        ("FROM event SELECT max(length(repeat('x', position::BIGINT)))", ((12,),)),
    ],
)
def test_what_can_not_be_stopped_is_answered_by_a_process_of_its_own(
    path: Path, sql: str, rows: tuple[tuple[Any, ...], ...]
) -> None:
    assert local_query(path, sql, as_of=12).rows == rows


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT levenshtein(repeat('ab', 400000), repeat('b', 400000))", "it took longer than 0.5 s"),
        ("SELECT length(repeat('x', 4000000000) || repeat('x', 4000000000))", "longer|Memory|broke off"),
        ("SELECT range(1000000000)", "Out of Memory"),
        ("SELECT repeat('x', 20000), body_json FROM event", "body_json is for the store itself"),
        ("SELECT repeat('x', 20000)::INTEGER", "Conversion Error"),
    ],
)
def test_a_process_that_answers_a_query_is_bounded_too(path: Path, sql: str, reason: str) -> None:
    before = children()
    with pytest.raises((QueryFailed, QueryRefused), match=reason):
        local_query(path, sql, settings=StoreSettings(query_timeout_s=0.5))
    assert children() == before


def test_a_process_that_breaks_off_is_told_of(path: Path) -> None:
    alone = Apart(path, Query(sql="SELECT levenshtein(repeat('ab', 400000), repeat('b', 400000))"), StoreSettings())
    pieces = alone.pieces()
    assert isinstance(next(pieces), Head)
    alone.interrupt()
    with pytest.raises(QueryFailed, match="DuckDB broke off"):
        next(pieces)


def test_it_ends_with_whoever_asked(path: Path) -> None:
    query = "SELECT levenshtein(repeat('ab', 400000), repeat('b', 400000))"
    code = (
        "import sys; from pathlib import Path; from obra.shared.config import StoreSettings\n"
        "from obra.shared.store.apart import Apart; from obra.shared.store.wire import Query\n"
        f"pieces = Apart(Path({str(path)!r}), Query(sql={query!r}), StoreSettings()).pieces(); next(pieces)\n"
        "print(flush=True); sys.stdin.read()"
    )
    asking = psutil.Popen(
        [sys.executable, "-I", "-c", code], env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    asking.stdout.readline()
    (process,) = asking.children()
    asking.kill()
    asking.communicate()
    assert psutil.wait_procs([process], timeout=15)[1] == []
