"""The views of claims and of labelled attempts, on what was really said."""

from pathlib import Path
from typing import Any

from obra.events import (
    AgentExited,
    AttemptScored,
    AttemptStarted,
    Claim,
    ClaimContradicted,
    Content,
    DecisionMade,
    Event,
    LlmSelected,
    TaskCompleted,
    TaskLabelled,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.shared.store.query import local_query
from tests.recorded import envelopes, messages
from tests.shared.test_store import stored

ASKED = TaskSubmitted(text="add a flag", repo="/r")
LIE = Claim(kind="tests", text="All tests pass.", verdict="contradicted", evidence="`pytest` exited 1")
TRUTH = Claim(kind="work", text="I fixed it.", verdict="supported", evidence="files differ")


def told(path: Path, **tasks: list[Event]) -> Path:
    """Write tasks, one after the other."""
    told: list[Any] = []
    for task, events in tasks.items():
        told += messages(*envelopes(Scope("shop", task), events), after=len(told))
    return stored(path, told)


def rows(path: Path, sql: str, **wishes: Any) -> list[tuple[Any, ...]]:
    return list(local_query(path, sql, **wishes).rows)


def scored(attempt: int = 1, raw: float = 0.95, confidence: float = 0.9, claims: tuple[Claim, ...] = ()) -> Event:
    return AttemptScored(attempt=attempt, run=1, quality=0.8, confidence=confidence, confidence_raw=raw, claims=claims)


def ran(attempt: int = 1, agent: str = "scripted:/x") -> list[Event]:
    return [
        AttemptStarted(attempt=attempt, run=1, runner="r", agent=agent),
        AgentExited(attempt=attempt, run=1, ending="completed", model="m1"),
    ]


def decided(action: Any, attempt: int = 1) -> Event:
    return DecisionMade(action=action, attempt=attempt, run=1)


DONE = TaskCompleted(attempt=1, branch="b", commit="c")


def test_claims_are_one_row_each_and_older_contradictions_too(tmp_path: Path) -> None:
    path = told(
        tmp_path / "s",
        t1=[
            ASKED, ClaimContradicted(attempt=1, run=1, claim="old", evidence="no"),
            ClaimContradicted(attempt=2, run=1, claim=LIE.text, evidence=LIE.evidence, kind="tests"),
            scored(2, claims=(LIE, TRUTH)),
        ],
    )  # fmt: skip
    assert rows(path, "SELECT position, attempt, kind, claim, verdict, evidence FROM claim ORDER BY ALL") == [
        (2, 1, "", "old", "contradicted", "no"),
        (4, 2, "tests", "All tests pass.", "contradicted", "`pytest` exited 1"),
        (4, 2, "work", "I fixed it.", "supported", "files differ"),
    ]


def test_each_labelled_attempt_says_how_sure_one_was_and_what_became_of_it(tmp_path: Path) -> None:
    llm = LlmSelected(asked="auto", provider="openai", model="m")
    path = told(
        tmp_path / "s",
        t1=[ASKED, llm, *ran(), scored(), decided("proceed"), DONE, TaskLabelled(good=False, source="reverted")],
        t2=[ASKED, *ran(), scored(confidence=0.5), decided("escalate"), decided("proceed"), DONE,
            TaskLabelled(good=True)],
        t3=[ASKED, *ran(), scored(), decided("retry"), *ran(2), scored(2), decided("proceed", 2),
            TaskCompleted(attempt=2, branch="b", commit="c"), TaskLabelled(good=True),
            TaskLabelled(good=True, attempt=1)],
        t4=[ASKED, *ran(agent="claude"), scored(), decided("proceed"), DONE, TaskLabelled(good=True),
            TaskLabelled(good=False, source="hidden_check"), TaskLabelled(good=True, source="reverted")],
        t5=[ASKED, *ran(), scored(), decided("proceed"), DONE, TaskLabelled(good=True, source="hidden_check"),
            TaskLabelled(good=False, source="reverted")],
        t6=[ASKED, *ran(), scored(), decided("proceed"), DONE],
        t7=[ASKED, TaskLabelled(good=True)],
    )  # fmt: skip
    columns = "task, attempt, agent, model, llm, raw, confidence, good, source, outcome"
    assert rows(path, f"SELECT {columns} FROM calibration ORDER BY ALL") == [
        ("t1", 1, "scripted", "m1", "openai/m", 0.95, 0.9, False, "reverted", "false accept"),
        ("t2", 1, "scripted", "m1", "", 0.95, 0.5, True, "person", "false escalation"),
        ("t3", 1, "scripted", "m1", "", 0.95, 0.9, True, "person", "false refusal"),
        ("t3", 2, "scripted", "m1", "", 0.95, 0.9, True, "person", "true accept"),
        ("t4", 1, "claude", "m1", "", 0.95, 0.9, True, "person", "true accept"),
        ("t5", 1, "scripted", "m1", "", 0.95, 0.9, False, "reverted", "false accept"),
    ]
    assert rows(path, "SELECT count(*) FROM calibration", as_of=8) == [(1,)]
    assert rows(path, "SELECT count(*) FROM calibration", as_of=7) == [(0,)]


def test_labels_are_one_row_each_with_who_said_so(tmp_path: Path) -> None:
    by_hand = TaskLabelled(good=False, attempt=1, note=Content.of("it leaks"), by="ann")
    path = told(tmp_path / "s", t1=[ASKED, scored(), DONE, TaskLabelled(good=True, source="hidden_check"), by_hand])
    assert rows(path, 'SELECT task, attempt, good, source, "by", note FROM label ORDER BY position') == [
        ("t1", 0, True, "hidden_check", "", ""),
        ("t1", 1, False, "person", "ann", "it leaks"),
    ]
