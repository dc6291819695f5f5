"""What people read."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from rich.console import Console

from obra.events import (
    KINDS,
    AgentExited,
    AttemptRequested,
    AttemptReviewed,
    AttemptStarted,
    CheckResult,
    ChecksRan,
    Content,
    DecisionMade,
    Denial,
    Event,
    FileChange,
    LeftOut,
    LlmSelected,
    Output,
    PromptPrepared,
    ServiceDegraded,
    SessionOpened,
    SessionRefreshed,
    SessionWarned,
    TaskCompleted,
    TaskSubmitted,
    TimerFired,
    Tokens,
    WorkspaceCheckpointed,
)
from obra.events import AttemptScored as Scored
from obra.events.subjects import Scope
from obra.services.console.commands import inbox
from obra.services.console.render.line import Line, said
from obra.services.console.render.parquet import write_parquet
from obra.services.console.render.registry import WORDS
from obra.services.console.render.screen import Doing, PlainScreen, TerminalScreen
from obra.services.console.render.summary import summary
from obra.services.console.render.table import grid, write
from obra.services.console.render.text import clean, duration, money, one_line, size
from obra.services.console.render.words import lines
from obra.shared.archive.database import literal, workbench
from obra.shared.envelope import Recorded, fresh
from obra.shared.store.query import Table
from obra.shared.story import Story, fold
from tests.arbitrary import worded

SUBMITTED = TaskSubmitted(text="add a flag", repo="/r", checks=("pytest -q",))
PYTEST = CheckResult(
    command="pytest -q", exit_code=1, duration_ms=1200, output=Content.of("a\n\nb\x1b[31m\n1 failed\n")
)


def test_every_event_has_words_of_its_own_but_the_end_of_a_timer_which_is_never_told() -> None:
    assert [name for name, kind in KINDS.items() if kind not in WORDS] == ["timer.fired"]


def test_the_limits_of_an_attempt_and_the_span_of_a_session_are_told_in_words() -> None:
    asked = AttemptRequested(attempt=2, run=2, prompt=Content.of("do it"), turns_max=15, budget_usd=0.5)
    told = [
        line.text for event in (SessionOpened(session="1", context_tokens_max=200_000), asked) for line in lines(event)
    ]
    assert told == [
        "session 1 begins, with a context window of 200,000 tokens",
        "attempt 2, run 2 may begin: at most 15 turns, 2 h 0 min, 15 min 0 s of silence, $0.50",
    ]


def test_escape_sequences_and_control_characters_are_taken_out() -> None:
    assert clean("a\x1b[31mb\x1b]0;title\x07c\x00\x9bd\r\n\te") == "abcd\n\te"


@pytest.mark.parametrize("kind", WORDS)
def test_no_event_says_more_than_lines_whatever_stands_in_it(kind: type[Event]) -> None:
    told = [line.text for line in lines(worded(kind, "a\x1b]0;title\x07b\x9b2J\naccepted\u202eb"))]
    assert [text for text in told if not text.isprintable()] == []


def test_the_end_of_a_task_moves_no_terminal_whoever_named_its_model_and_repository() -> None:
    story = Story(status="completed", task="t1", project="p", repo="/r\x1b[2J", branch="b", llm="openai/x\nAccepted")
    assert [row for row in summary(story) if not row.isprintable()] == []


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (340, "340 ms"),
        (2_400, "2.4 s"),
        (200_000, "3 min 20 s"),
        (3_900_000, "1 h 5 min"),
        (-7_200_000, "unknown (the clock was set back)"),
    ],
)
def test_durations(ms: float, words: str) -> None:
    assert duration(ms) == words


def test_sizes_and_money_are_short_and_honest() -> None:
    assert [size(900), size(1_800), size(2_500_000)] == ["900 bytes", "1.8 KB", "2.5 MB"]
    assert [money(0), money(0.0125), money(0.3), money(12.345)] == ["$0.00", "$0.0125", "$0.30", "$12.35"]


def test_a_long_line_is_cut_where_a_person_can_see_it() -> None:
    assert one_line("x" * 20 + "\nmore", 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            AttemptStarted(attempt=1, run=2, runner="r", agent="claude", agent_version="2.1", sandbox="bwrap"),
            [
                Line("workspace ready", detail=True),
                Line("attempt 1 started again (run 2): claude 2.1, sandbox bwrap"),
            ],
        ),
        (
            ChecksRan(attempt=1, run=1, passed=False, checks=(PYTEST,)),
            [
                Line("check `pytest -q` failed (exit 1, 1.2 s)", "bad"),
                Line("  │ a", "quiet"),
                Line("  │ b", "quiet"),
                Line("  │ 1 failed", "quiet"),
            ],
        ),
        (
            AgentExited(
                attempt=1, run=1, ending="denied", detail="Write was denied", turns=3, cost_usd=0.02,
                duration_ms=2000, denials=(Denial(tool="Write", target="/etc/passwd"),),
            ),
            [
                Line("agent ended: denied: Write was denied (2.0 s, 3 turns, $0.02)", "bad"),
                Line("denied: Write /etc/passwd", "warning"),
            ],
        ),
        (
            DecisionMade(action="retry", attempt=1, run=1, reasons=("`pytest -q` exited with 1",)),
            [Line("decided: retry: `pytest -q` exited with 1", "warning")],
        ),
        (
            DecisionMade(action="stop", attempt=1, run=1, reasons=("one", "two")),
            [Line("decided: stop", "bad"), Line("  - one", "quiet"), Line("  - two", "quiet")],
        ),
        (
            ServiceDegraded(service="agent-runner", lacking="sandbox", reason="no bwrap", effect="none is used"),
            [Line("warning: no sandbox: no bwrap; none is used", "warning")],
        ),
        (
            PromptPrepared(
                attempt=2, run=1, prompt=Content.of("x" * 2048), template="t", template_sha256="h", feedback_from=(1,),
                resume="s", left_out=(LeftOut(piece="words", reason="no room"),),
            ),
            [
                Line(
                    "prompt for attempt 2: 2.0 KB, with feedback from attempt 1, in the agent's own session, "
                    "1 piece of context cut or left out"
                )
            ],
        ),
        (
            SessionWarned(session="1", used=0.75, tokens=150_000, window=200_000),
            [Line("the agent's context is 75% full: 150,000 of 200,000 tokens, as it reports", "warning")],
        ),
        (
            SessionRefreshed(session="1", summary=Content.of("s"), by="extract", reason="no LLM serves this task"),
            [Line("the next attempt begins afresh, from an extract (no LLM serves this task)", "warning")],
        ),
        (
            WorkspaceCheckpointed(attempt=1, run=1, commit="c", tree="t"),
            [Line("nothing was changed", "warning")],
        ),
    ],
)  # fmt: skip
def test_an_event_in_words(event: Event, told: list[Line]) -> None:
    assert lines(event) == told


def test_an_event_without_words_of_its_own_shows_its_fields() -> None:
    assert lines(TimerFired(timer="t1")) == [Line("timer t1", "quiet", detail=True)]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (Output(kind="text", text="I look.\n\nThen I write."), ["  │ I look.", "  │ Then I write."]),
        (Output(kind="tool", tool="Bash", text="pytest -q\nsecond"), ["  │ → Bash pytest -q", "  │   … 1 more line"]),
        (Output(kind="error", text="boom\x1b[2J"), ["  │ ! boom"]),
    ],
)
def test_live_output_is_marked_as_the_agents(output: Output, told: list[str]) -> None:
    assert [line.text for line in said(output)] == told


def test_a_plain_screen_writes_plain_lines() -> None:
    stream = io.StringIO()
    screen = PlainScreen(stream)
    screen.doing("nothing")
    screen.show(Line("[bold]as it is[/bold]", "bad"))
    assert stream.getvalue() == "[bold]as it is[/bold]\n"


def recorded(*events: Event) -> list[Recorded]:
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    scope = Scope("default", "add-a-flag-abcd")
    envelopes = [fresh(scope, event, "test") for event in events]
    return [
        Recorded(i, msgspec.structs.replace(envelope, at=start + timedelta(seconds=i)))
        for i, envelope in enumerate(envelopes, 1)
    ]


def test_the_summary_of_an_accepted_task() -> None:
    story = fold(
        recorded(
            SUBMITTED,
            AttemptStarted(attempt=1, run=1, runner="r", agent="claude", sandbox="bwrap"),
            AgentExited(attempt=1, run=1, ending="completed", cost_usd=0.02, tokens=Tokens(input=900, output=120)),
            WorkspaceCheckpointed(
                attempt=1, run=1, commit="c" * 40, tree="t", files=(FileChange(path="a.py", kind="added"),),
                files_total=1, lines_added=3,
            ),
            ChecksRan(attempt=1, run=1, passed=True, checks=(CheckResult(command="pytest -q", exit_code=0),)),
            Scored(attempt=1, run=1, quality=1.0, confidence=0.95),
            DecisionMade(action="proceed", attempt=1, run=1, reasons=("all checks passed",)),
            TaskCompleted(
                attempt=1, branch="obra/add-a-flag-abcd", commit="c" * 40, quality=1.0, confidence=0.95
            ),
        )
    )  # fmt: skip
    assert summary(story) == [
        "",
        "Accepted: add a flag",
        "  task       add-a-flag-abcd (project default)",
        "  attempt 1  completed; 1 file +3 -0; quality 1.00, confidence 0.95 -> proceed",
        "             passed  pytest -q (exit 0)",
        "  decision   proceed",
        "             all checks passed",
        "  branch     obra/add-a-flag-abcd at cccccccccc, in /r",
        "  judged by  evidence alone",
        "  sandbox    bwrap",
        "  cost       $0.02, 900 tokens in, 120 out",
        "  time       7.0 s",
        "  merge it   git merge obra/add-a-flag-abcd",
    ]


@pytest.mark.parametrize(
    ("review", "judges"),
    [
        (AttemptReviewed(attempt=1, run=1, usable=True, approves=True), "evidence, and ollama/tiny"),
        (AttemptReviewed(attempt=1, run=1, usable=False, reason="cut"), "evidence; ollama/tiny gave no usable review"),
    ],
)
def test_the_summary_names_no_judge_that_said_nothing(review: Event, judges: str) -> None:
    chosen = LlmSelected(asked="auto", provider="ollama", model="tiny")
    assert f"  judged by  {judges}" in summary(fold(recorded(SUBMITTED, chosen, review)))


def test_the_summary_says_what_a_usable_review_said() -> None:
    chosen = LlmSelected(asked="ollama/tiny", provider="ollama", model="tiny")
    review = AttemptReviewed(attempt=1, run=1, usable=True, approves=False, summary="no tests")
    assert "             review  disapproves: no tests" in summary(fold(recorded(SUBMITTED, chosen, review)))


def test_a_grid_aligns_and_cuts() -> None:
    assert grid(["name", "n"], [["a", 1], ["b" * 80, 23], [None, None]], wide=40) == [
        f"{'name':<60}   n",
        f"{'-' * 60}  --",
        f"{'a':<60}   1",
        f"{'b' * 59}…  23",
        "",
    ]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '[{"type": "task.submitted", "n": 2}, {"type": "ä", "n": null}]\n'),
        ("csv", "type,n\ntask.submitted,2\nä,\n"),
        ("table", "type            n\n--------------  -\ntask.submitted  2\nä\n"),
    ],
)
def test_a_table_is_written_in_every_format(form: str, text: str) -> None:
    stream = io.StringIO()
    rows = (("task.submitted", 2), ("ä", None))
    write(Table(columns=("type", "n"), types=("VARCHAR", "BIGINT"), rows=rows), form, stream)
    assert stream.getvalue() == text


def test_a_terminal_gets_colour_and_a_live_line_that_keeps_the_time() -> None:
    stream = io.StringIO()
    doing = Doing()
    doing.what = "checks run"
    console = Console(file=stream, force_terminal=True, color_system="standard", width=40)
    terminal = TerminalScreen(console, doing)
    terminal.show(Line("[bold]as it is[/bold] " + "x" * 60, "bad"))
    console.print(doing)
    assert stream.getvalue() == (
        "\x1b[31m[bold]as it is[/bold] " + "x" * 60 + "\x1b[0m\n" + "\x1b[2mchecks run (0 s)\x1b[0m\n"
    )


def test_a_parquet_file_has_the_types_that_the_store_has(tmp_path: Path) -> None:
    kinds = (
        "DOUBLE",
        "INTEGER[]",
        "STRUCT(x DATE)",
        "BLOB",
        "UUID",
        "MAP(VARCHAR, BOOLEAN)",
        "VARIANT",
        "DECIMAL(9,2)",
    )
    key = "123e4567-e89b-12d3-a456-426614174000"
    row: tuple[Any, ...] = ("nan", [1, None], {"x": "2026-01-02"}, "6162", key, {"k": True}, {"a": "ü"}, 1.5)
    names = (*"abcdef", "a", "A")
    write_parquet(Table(names, kinds, (row, (None,) * len(kinds))), tmp_path / "x.parquet")
    with workbench() as db:
        shape = db.execute(f"DESCRIBE FROM {literal(tmp_path / 'x.parquet')}").fetchall()
        rows = db.execute(f"SELECT * REPLACE (c::VARCHAR AS c) FROM {literal(tmp_path / 'x.parquet')}").fetchall()
    assert [(name, kind) for name, kind, *_ in shape] == [
        ("a", "DOUBLE"), ("b", "INTEGER[]"), ("c", "STRUCT(x DATE)"), ("d", "BLOB"), ("e", "UUID"),
        ("f", "MAP(VARCHAR, BOOLEAN)"), ("a_2", "VARCHAR"), ("A_3", "DECIMAL(9,2)"),
    ]  # fmt: skip
    assert rows[0][1:] == (
        [1, None], "{'x': 2026-01-02}", b"ab", UUID(key), {"k": True}, '{"a": "ü"}', Decimal("1.50")
    )  # fmt: skip
    assert rows[1] == (None,) * len(kinds)


def test_a_task_that_a_rollback_made_vanish_waits_for_nobody() -> None:
    gone = Story(task="t1", project="p", status="rolled_back")
    assert summary(gone)[1] == "Gone: there is no such task since it was rolled back"


@pytest.mark.parametrize(
    ("item", "commands"),
    [
        ({"kind": "breakpoint", "name": "no_checks", "attempt": 1},
         ["obra diff t --from attempt:0", "obra approve|reject|retry|take-over t"]),
        ({"kind": "question", "name": "q1", "attempt": 0},
         ["obra answer t 'TEXT'   (or say, approve, reject, retry, take-over)"]),
        ({"kind": "breakpoint", "name": "milestone", "attempt": 0, "project": "other"},
         ["obra approve|reject 0a1b2c3d --project other"]),
        ({"kind": "breakpoint", "name": "plan_review", "attempt": 0},
         ["obra goal edit t --plan FILE", "obra approve|reject|retry t"]),
    ],
)  # fmt: skip
def test_what_waits_comes_with_the_commands_that_show_and_settle_it(
    item: dict[str, Any], commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    plain = {
        "id": "0a1b2c3d-e", "project": "mine", "task": "t", "severity": "notice", "since": "2026-01-31T14:00:00+00:00",
        "text": "", "question": "", "reasons": [],
    }  # fmt: skip
    lines = [*inbox.told([plain | item], datetime(2026, 1, 31, 14, 1, tzinfo=UTC), "mine")]
    assert lines[3:] == [f"  {command}" for command in commands]
