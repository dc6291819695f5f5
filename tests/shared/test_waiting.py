"""What waits for a person: the fold, and the view of the store that must say the same."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Content,
    DecisionMade,
    DecisionOverridden,
    Event,
    PlanDrafted,
    QuestionAnswered,
    QuestionAsked,
    Severity,
    TaskCancelled,
    TaskRolledBack,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.shared.bus import Raw
from obra.shared.envelope import Recorded
from obra.shared.store import Store
from obra.shared.store.query import local_query
from obra.shared.store.row import row_of
from obra.shared.waiting import Item, last_word, waiting
from tests.recorded import BEGIN, envelopes, messages, of_task, simulated

SCOPE = Scope("shop", "t1")
TASK = TaskSubmitted(text="add a flag", repo="/r")
RAISED = BreakpointRaised(name="no_checks", attempt=1, reasons=("look",), severity="notice")
QUESTION = QuestionAsked(question="q1", text=Content.of("Which DB?"), attempt=1, reasons=("it asked",))
SEEDS = range(30)
BEGINS = (BreakpointRaised, QuestionAsked, TaskRolledBack)


def past(*events: Event) -> list[Recorded]:
    return [Recorded(at, envelope) for at, envelope in enumerate(envelopes(SCOPE, events), 1)]


def stored(path: Path, raws: Iterable[Raw]) -> Path:
    store = Store(path)
    store.append([row_of(raw) for raw in raws])
    store.close()
    return path


def rows(path: Path, sql: str) -> list[dict[str, Any]]:
    table = local_query(path, sql)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def as_row(item: Item) -> dict[str, Any]:
    return {
        "id": item.id, "kind": item.kind, "name": item.name, "severity": item.severity, "reasons": list(item.reasons),
        "question": item.question, "attempt": item.attempt, "position": item.position,
    }  # fmt: skip


def test_a_breakpoint_waits_until_somebody_speaks() -> None:
    begun = past(TASK, RAISED)
    assert waiting(begun) == (
        Item(str(begun[1].envelope.id), 2, begun[1].envelope.at, "breakpoint", "no_checks", "notice", ("look",),
             attempt=1),
    )  # fmt: skip
    assert waiting(past(TASK, RAISED, BreakpointResolved(resolution="approve"))) == ()


def test_a_question_waits_for_its_own_answer_and_one_to_the_llm_for_nobody() -> None:
    other = QuestionAnswered(question="q2", text=Content.of("no"))
    (item,) = waiting(past(TASK, QUESTION, other))
    assert (item.kind, item.name, item.question, item.severity) == ("question", "q1", "Which DB?", "warning")
    assert waiting(past(TASK, QUESTION, QuestionAnswered(question="q1", text=Content.of("A")))) == ()
    assert waiting(past(TASK, QuestionAsked(question="q1", text=Content.of("?"), to="llm"))) == ()


def test_of_several_things_in_one_scope_a_person_may_name_one() -> None:
    second = BreakpointRaised(name="milestone", reasons=("m1",))
    begun = past(RAISED, second)
    first_id = str(begun[0].envelope.id)
    left = waiting(past(RAISED, second, BreakpointResolved(resolution="approve", breakpoint=first_id)))
    assert [item.name for item in left] == ["milestone"]
    assert waiting(past(RAISED, second, BreakpointResolved(resolution="approve"))) == ()


def test_another_draft_settles_what_a_goal_without_a_plan_waits_with_and_nothing_else(tmp_path: Path) -> None:
    needed, reached = BreakpointRaised(name="plan_needed"), BreakpointRaised(name="milestone", milestone="m1")
    begun = past(needed, reached, PlanDrafted(tasks=(), by="ann"))
    assert [item.name for item in waiting(begun)] == ["milestone"]
    path = stored(tmp_path / "store.duckdb", messages(*(recorded.envelope for recorded in begun)))
    assert [row["name"] for row in rows(path, "SELECT name FROM inbox")] == ["milestone"]


@pytest.mark.parametrize(
    "end", [DecisionMade(action="stop", attempt=1, run=1), TaskCancelled(), BreakpointResolved(resolution="retry")]
)
def test_what_goes_on_or_ends_waits_no_more(end: Event) -> None:
    assert waiting(past(TASK, RAISED, QUESTION, end)) == ()


def test_what_is_raised_in_a_task_that_is_over_waits_for_nobody(tmp_path: Path) -> None:
    begun = past(TASK, RAISED, TaskCancelled(), RAISED)
    assert waiting(begun) == ()
    path = stored(tmp_path / "store.duckdb", messages(*(recorded.envelope for recorded in begun)))
    assert rows(path, "FROM inbox") == []
    assert rows(path, "SELECT position, resolution FROM wait") == [{"position": 2, "resolution": "cancelled"}]


def test_a_task_that_was_rolled_back_waits_for_a_word() -> None:
    (item,) = waiting(past(TASK, RAISED, TaskRolledBack(to=1, reason="wrong")))
    assert (item.kind, item.name, item.reasons) == ("rollback", "rolled_back", ("wrong",))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (BreakpointResolved(resolution="approve", by="ann"), "approved by ann"),
        (QuestionAnswered(question="q1", text=Content.of("A"), by="bob"), "answered by bob"),
        (QuestionAnswered(question="q1", text=Content(), usable=False), None),
        (TaskCancelled(by="eve", taken_over=True), "taken over by eve"),
    ],
)
def test_who_spoke_last_is_known(event: Event, said: str | None) -> None:
    word = last_word(past(TASK, event))
    assert (word.said if word else None) == said


def test_the_view_says_what_the_fold_says_at_any_position(tmp_path: Path) -> None:
    raws = simulated(SEEDS)
    path = stored(tmp_path / "s", raws)
    begun = [raw.position for raw in raws if raw.envelope and isinstance(raw.envelope.event, BEGINS)]
    seen = 0
    for position in {at + later for at in begun[::3] for later in (0, 1)}:
        then = raws[:position]
        tasks = {raw.envelope.task for raw in then if raw.envelope}
        expected = [item for task in tasks for item in waiting(of_task(then, task))]
        found = rows(path, f"SELECT * EXCLUDE (project, task, since, text, repo) FROM inbox(as_of := {position})")
        assert sorted(found, key=lambda row: row["position"]) == [
            as_row(item) for item in sorted(expected, key=lambda item: item.position)
        ]
        open_still = rows(path, f"SELECT id, position FROM wait(as_of := {position}) WHERE until IS NULL")
        assert {row["id"] for row in open_still} == {item.id for item in expected}
        seen += len(found)
    assert seen > 5


def test_each_wait_says_how_long_it_took_and_who_ended_it_how(tmp_path: Path) -> None:
    asked, again = QuestionAsked(question="q1", text=Content.of("?")), DecisionMade(action="retry", attempt=1, run=1)
    pasts: dict[str, list[Event]] = {
        "t1": [TASK, RAISED, BreakpointResolved(resolution="reject", by="ann")],
        "t2": [TASK, asked, QuestionAnswered(question="q1", text=Content.of("A"), by="bob"), RAISED],
        "t3": [TASK, RAISED, DecisionOverridden(action="retry", by="eve"), again],
        "t4": [TASK, RAISED, TaskRolledBack(to=0)],
    }
    told = [one for task, events in pasts.items() for one in envelopes(Scope("shop", task), events)]
    path = stored(tmp_path / "s", messages(*told))
    columns = '"task", kind, name, severity, seconds, resolution, "by", until IS NULL'
    assert local_query(path, f"SELECT {columns} FROM wait ORDER BY task, position").rows == (
        ("t1", "breakpoint", "no_checks", "notice", 0.02, "reject", "ann", False),
        ("t2", "question", "q1", "warning", 0.02, "answered", "bob", False),
        ("t2", "breakpoint", "no_checks", "notice", None, "", "", True),
        ("t3", "breakpoint", "no_checks", "notice", 0.04, "retry", "eve", False),
        ("t4", "rollback", "rolled_back", "notice", None, "", "", True),
    )


def test_the_most_severe_comes_first_and_of_those_the_oldest(tmp_path: Path) -> None:
    raised: list[tuple[str, Severity]] = [("a", "notice"), ("b", "warning"), ("c", "critical"), ("d", "warning")]
    told = [
        (Scope("shop", f"t{number}"), [TASK, BreakpointRaised(name=name, severity=severity)])
        for number, (name, severity) in enumerate(raised)
    ]
    raws = messages(*(one for scope, events in told for one in envelopes(scope, events)))
    found = rows(stored(tmp_path / "s", raws), "SELECT task, name, since, text, repo FROM inbox")
    assert [row["name"] for row in found] == ["c", "b", "d", "a"]
    since = BEGIN.replace(microsecond=20_000).isoformat().replace("+00:00", "Z")
    assert found[0] == {"task": "t2", "name": "c", "since": since, "text": "add a flag", "repo": "/r"}
