"""What is shown while nothing runs comes from the store, and nothing is started for it."""

import asyncio
import io
import json
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from obra.events import (
    AgentExited,
    AttemptRequested,
    BreakpointRaised,
    Content,
    Event,
    LeftOut,
    PromptPrepared,
    ServiceDegraded,
    TaskSubmitted,
    Tokens,
    WorkspaceCheckpointed,
)
from obra.events.subjects import Scope
from obra.services.console.main import run
from obra.shared.archive.database import literal, workbench
from obra.shared.bus.memory import MemoryBus
from obra.shared.envelope import fresh
from obra.shared.home import Home
from obra.shared.store import Store
from obra.shared.store.row import row_of

SCOPE = Scope("default", "fix-it-abcd")
NAMESPACE = UUID(int=7)
PAST: tuple[Event, ...] = (
    TaskSubmitted(text="fix it", repo="/r"),
    ServiceDegraded(service="agent-runner", lacking="sandbox", reason="no bwrap"),
    AttemptRequested(attempt=1, run=1, prompt=Content.of("Do this.\nAnd that.")),
    BreakpointRaised(name="no_checks", attempt=1, run=1, reasons=("no checks were given",)),
)


@pytest.fixture(autouse=True)
def _called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a store in which one task waits for a person, and one broken message."""
    bus = MemoryBus()
    for number, event in enumerate(PAST):
        await bus.append([fresh(SCOPE, event, "test", id=uuid5(NAMESPACE, str(number)))])
    broken = row_of(type(bus.log[0])(5, "obra.default.t9.task.submitted", b"{", 1, None))
    store = Store(tmp_path / "obra.duckdb")
    store.append([*map(row_of, bus.log), broken])
    store.close()
    monkeypatch.setenv("OBRA_HOME", str(tmp_path))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    assert run(args) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


async def test_a_prompt_is_shown_with_all_that_is_recorded_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = Content.of("Do this.")
    bus, scope = MemoryBus(), Scope("default", "t")
    for event in (
        TaskSubmitted(text="x", repo="/r"),
        PromptPrepared(
            attempt=1, run=1, prompt=prompt, template="hybrid-1", template_sha256="h", kind="code",
            rules=("work.changed", "work.evidence", "house.gone"), tokens_estimated=3, tokens_by="cl100k_base",
            pieces=("files",), left_out=(LeftOut(piece="words", reason="2 tokens were left of 9", tokens=7),),
        ),
        AttemptRequested(attempt=1, run=1, prompt=prompt, tokens_estimated=3, turns_max=15),
        AgentExited(attempt=1, run=1, ending="completed", tokens=Tokens(input=9, cache_read=1), context_tokens=8),
        WorkspaceCheckpointed(attempt=1, run=1, commit="c", tree="t"),
    ):  # fmt: skip
        await bus.append([fresh(scope, event, "test")])
    store = Store(tmp_path / "obra.duckdb")
    store.append([*map(row_of, bus.log)])
    store.close()
    monkeypatch.setenv("OBRA_HOME", str(tmp_path))
    shown = json.loads(await asyncio.to_thread(told, capsys, "prompt", "show", "t", "--json"))
    assert shown == {
        "task": "t", "prompt": "Do this.", "attempt": 1, "run": 1, "sha256": prompt.sha256, "turns_max": 15,
        "resume": "", "tokens_estimated": 3, "template": "hybrid-1", "template_sha256": "h", "kind": "code",
        "tokens_by": "cl100k_base", "tokens_max": 0, "pieces": ["files"],
        "left_out": [{"piece": "words", "reason": "2 tokens were left of 9", "tokens": 7}],
        "rules": [
            {"id": "work.changed", "verdict": "broken"}, {"id": "work.evidence", "verdict": "unknown"},
            {"id": "house.gone", "verdict": "unknown"},
        ],
        "rules_sha256": "",
        "reported": {
            "input": 9, "output": 0, "cache_read": 1, "cache_write": 0, "context_tokens": 8, "context_window": 0
        },
    }  # fmt: skip
    assert await asyncio.to_thread(run, ["prompt", "show", "t"]) == 0
    out, err = capsys.readouterr()
    assert out == "Do this.\n"
    assert err.splitlines() == [
        "--- attempt 1, run 1: template hybrid-1, task of kind code",
        "about 3 tokens, estimated by cl100k_base before it was sent",
        "reported by the agent for the whole run: 9 input, 1 from and 0 to the cache, 0 output",
        "3 rules; broken: work.changed",
        "context told: files",
        "context left out: words (2 tokens were left of 9)",
    ]


def test_events_come_as_documented(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *_, last = [json.loads(line) for line in told(capsys, "events", "--json").splitlines()]
    at = first.pop("at")
    assert at.startswith("20")
    assert first == {
        "position": 1, "id": str(uuid5(NAMESPACE, "0")), "project": "default", "task": "fix-it-abcd",
        "type": "task.submitted", "cause": None, "correlation": None, "service": "test",
        "event": {"type": "task.submitted", "text": "fix it", "repo": "/r"},
    }  # fmt: skip
    assert (last["position"], last["task"], last["event"]) == (5, "t9", None)
    assert last["problem"].startswith("A message of 1 bytes is no event")


@pytest.mark.parametrize(
    ("args", "positions"),
    [
        (("--task", "fix-it-abcd"), [1, 2, 3, 4]),
        (("--type", "attempt.*", "--type", "breakpoint.raised"), [3, 4]),
        (("--since", "2", "--until", "3"), [2, 3]),
        (("--since", "1h", "--task", "t9"), []),
        (("--project", "other"), []),
    ],
)
def test_events_are_filtered(
    home: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], positions: list[int]
) -> None:
    lines = told(capsys, "events", "--json", *args).splitlines()
    assert [json.loads(line)["position"] for line in lines] == positions


def test_a_task_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "show", "fix-it-abcd")
    assert "a person is needed (no_checks): no checks were given" in shown
    assert "Waits for a person: fix it" in shown
    result = json.loads(told(capsys, "show", "fix-it-abcd", "--json"))
    assert (result["status"], result["text"], result["position"], len(result["story"])) == ("waiting", "fix it", 4, 5)


def test_a_prompt_is_shown_exactly(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "prompt", "show", "fix-it-abcd") == "Do this.\nAnd that.\n"
    assert told(capsys, "prompt", "show", "fix-it-abcd", "--attempt", "2", code=2) == (
        "obra: task fix-it-abcd has no attempt 2; its newest is 1\n"
    )


def test_the_status_says_what_waits_and_what_is_lacking(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "status").splitlines() == [
        f"Obra does not run on {home}",
        "tasks: 1 waiting",
        "",
        "1 task waiting for a person (`obra inbox` says what for):",
        "  fix-it-abcd  fix it",
        "",
        "lacking in the last day:",
        "  fix-it-abcd: agent-runner: sandbox: no bwrap",
    ]


def test_obra_does_not_run_because_the_status_had_a_killed_one_settle_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OBRA_HOME", str(tmp_path))
    Home(tmp_path).unsettled.touch()
    assert told(capsys, "status") == f"Obra does not run on {tmp_path}\ntasks: none yet; `obra demo` shows one\n"


def test_sql_is_answered(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    query = "SELECT type, count(*) AS n FROM event WHERE position < 3 GROUP BY type ORDER BY type"
    assert told(capsys, "sql", query, "--format", "csv") == "type,n\nservice.degraded,1\ntask.submitted,1\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"-- how many of each\n{query};\n"))
    assert told(capsys, "sql", "-", "--format", "csv") == "type,n\nservice.degraded,1\ntask.submitted,1\n"
    assert json.loads(told(capsys, "sql", query, "--format", "json")) == [
        {"type": "service.degraded", "n": 1},
        {"type": "task.submitted", "n": 1},
    ]
    assert told(capsys, "sql", "DELETE FROM event", code=2).startswith("obra: The query was refused: ")


def test_the_answer_goes_to_the_file_that_is_named_or_nothing_does(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "answers"
    folder.mkdir()
    query = "SELECT position, type, happened_at, body FROM event WHERE position < 3 ORDER BY position"
    for form in ("csv", "json", "table"):
        said = told(capsys, "sql", query, "--format", form)
        assert told(capsys, "sql", query, "--format", form, "--output", str(folder / form)) == ""
        assert (folder / form).read_text() == said
    file = folder / "it's.parquet"
    told(capsys, "sql", query, "--format", "parquet", "--output", str(file))
    with workbench() as db:
        found = f"FROM {literal(file)} SELECT position, type, epoch_us(happened_at) > 0, body[1:1]"
        assert db.execute(found).fetchall() == [(1, "task.submitted", True, "{"), (2, "service.degraded", True, "{")]
    assert "--output" in told(capsys, "sql", query, "--format", "parquet", code=2)
    gone = str(folder / "none" / "x")
    assert "can't be written" in told(capsys, "sql", query, "--format", "csv", "--output", gone, code=4)
    assert "DuckDB can't do it" in told(capsys, "sql", query, "--format", "parquet", "--output", gone, code=4)
    assert sorted(path.name for path in folder.iterdir()) == ["csv", "it's.parquet", "json", "table"]


def test_an_unknown_task_is_answered_with_what_comes_close(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("show", "fix"), ("prompt", "show", "fix")):
        assert told(capsys, *command, code=2) == (
            "obra: there is no task 'fix' in project 'default'; did you mean fix-it-abcd?\n"
        )


def test_a_task_that_the_store_has_not_taken_in_is_not_denied(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Home(home).environment(Scope("default", "new")).write_text("{}")
    assert told(capsys, "show", "new", code=4) == (
        "obra: task 'new' was submitted, but Obra ended before the store took it in: "
        "`obra run --resume new` goes on with it\n"
    )


def test_a_home_in_which_nothing_happened_yet_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OBRA_HOME", str(tmp_path))
    assert told(capsys, "events") == ""
    assert told(capsys, "status") == f"Obra does not run on {tmp_path}\ntasks: none yet; `obra demo` shows one\n"
    assert told(capsys, "show", "x", code=2) == (
        "obra: there is no task 'x' in project 'default'; `obra status` lists the tasks\n"
    )
    assert "there is no store" in told(capsys, "sql", "SELECT 1", code=4).lower()
