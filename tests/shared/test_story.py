"""The story of a task: what people see, and what `obra run --json` prints."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptReviewed,
    AttemptScored,
    AttemptStarted,
    BranchDelivered,
    BreakpointRaised,
    BreakpointResolved,
    CheckResult,
    ChecksRan,
    ClaimContradicted,
    Content,
    DecisionMade,
    Event,
    FileChange,
    GoalSubmitted,
    LlmSelected,
    PlanAccepted,
    PlanDrafted,
    ServiceDegraded,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    Tokens,
    WorkspaceCheckpointed,
)
from obra.shared.chapter import Chapter
from obra.shared.envelope import Envelope, Recorded
from obra.shared.outcome import exit_code, result
from obra.shared.story import Story, fold
from tests.arbitrary import pasts

BEGIN = datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC)
TASK = TaskSubmitted(text="add a flag", repo="/r", checks=("pytest -q",))
FILE = FileChange(path="a.py", kind="added", added=3)


def recorded(*events: Event) -> list[Recorded]:
    """Return *events* as they stand in a stream: one a second, at every tenth position."""
    return [
        Recorded(
            10 * n,
            Envelope(
                id=UUID(int=n), project="shop", task="t1", at=BEGIN + timedelta(seconds=n), event=event  # type: ignore[arg-type]
            ),
        )
        for n, event in enumerate(events, 1)
    ]  # fmt: skip


def run(attempt: int, code: int, cost: float = 0.25) -> list[Event]:
    return [
        AttemptRequested(attempt=attempt, run=1, prompt=Content.of("go")),
        AttemptStarted(attempt=attempt, run=1, runner="r", agent="claude", agent_version="2", sandbox="bwrap"),
        AgentExited(
            attempt=attempt, run=1, ending="completed", detail="ok", cost_usd=cost, tokens=Tokens(input=9, output=1),
            result=Content.of("Done."), duration_ms=100.0,
        ),
        WorkspaceCheckpointed(attempt=attempt, run=1, commit=f"c{attempt}", tree="t", files=(FILE,), files_total=1),
        ChecksRan(
            attempt=attempt, run=1, checks=(CheckResult(command="pytest -q", exit_code=code),), passed=code == 0
        ),
        AttemptFinished(attempt=attempt, run=1, ending="completed"),
        AttemptScored(attempt=attempt, run=1, quality=0.5 if code else 1.0, confidence=0.05 if code else 0.95),
    ]  # fmt: skip


SECOND = [
    TASK, LlmSelected(asked="none", provider="none"), TaskReadied(), *run(1, 1),
    DecisionMade(action="retry", attempt=1, run=1, reasons=("check failed",)), *run(2, 0),
    DecisionMade(action="proceed", attempt=2, run=1, reasons=("the check passed",)),
    BranchDelivered(attempt=2, branch="obra/t1", commit="c9"),
    TaskCompleted(attempt=2, branch="obra/t1", commit="c9", quality=1.0, confidence=0.95, cost_usd=0.5),
]  # fmt: skip


def chapter(attempt: int, begun: int, **fields: Any) -> Chapter:
    at = [(BEGIN + timedelta(seconds=n)).isoformat() for n in (begun, begun + 4)]
    return Chapter(
        attempt=attempt, runs=1, agent="claude", agent_version="2", sandbox="bwrap", started_at=at[0], ended_at=at[1],
        ending="completed", detail="ok", result="Done.", cost_usd=0.25, tokens=Tokens(input=9, output=1),
        agent_ms=100.0, files=(FILE,), files_total=1, commit=f"c{attempt}", **fields,
    )  # fmt: skip


def test_a_goal_runs_once_its_plan_is_accepted_whoever_spoke_before() -> None:
    told: list[Event] = [
        GoalSubmitted(text="a command line", repo="/r"),
        BreakpointRaised(name="plan_needed"),
        BreakpointResolved(resolution="retry"),
        PlanDrafted(tasks=()),
        PlanAccepted(tasks=()),
        BreakpointRaised(name="milestone"),
        BreakpointResolved(resolution="approve"),
    ]
    stories = [fold(recorded(*told[:number])).status for number in range(1, len(told) + 1)]
    assert stories == ["submitted", "waiting", "submitted", "submitted", "running", "waiting", "running"]


def test_a_task_accepted_on_its_second_attempt() -> None:
    assert fold(recorded(*SECOND)) == Story(
        project="shop", task="t1", status="completed", text="add a flag", repo="/r",
        chapters=(
            chapter(
                1, 5, checks=(("pytest -q", 1),), quality=0.5, confidence=0.05, decision="retry",
                reasons=("check failed",),
            ),
            chapter(
                2, 13, checks=(("pytest -q", 0),), quality=1.0, confidence=0.95, decision="proceed",
                reasons=("the check passed",),
            ),
        ),
        attempts=2, decision="proceed", reasons=("the check passed",), quality=1.0, confidence=0.95, branch="obra/t1",
        commit="c9", cost_usd=0.5, tokens=Tokens(input=18, output=2), agent="claude", llm="none", sandbox="bwrap",
        submitted_at="2026-01-02T03:04:01+00:00", ended_at="2026-01-02T03:04:21+00:00", position=210,
    )  # fmt: skip


def test_the_object_that_run_prints() -> None:
    assert result(fold(recorded(*SECOND))) == {
        "task": "t1", "project": "shop", "status": "completed", "decision": "proceed", "attempts": 2,
        "quality": 1.0, "confidence": 0.95, "checks": [{"command": "pytest -q", "exit_code": 0}],
        "branch": "obra/t1", "commit": "c9", "cost_usd": 0.5,
        "tokens": {"input": 18, "output": 2, "cache_read": 0, "cache_write": 0},
        "reasons": ["the check passed"], "position": 210,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "status"),
    [
        (SECOND[:1], "submitted"),
        (SECOND[:3], "ready"),
        (SECOND[:4], "running"),
        (SECOND[:6], "checking"),
        (SECOND[:9], "reviewing"),
        (SECOND[:11], "running"),
        (SECOND[:19], "reviewing"),
        ([*SECOND[:10], DecisionMade(action="wait", attempt=1, run=1)], "running"),
        ([*SECOND[:10], BreakpointRaised(name="no_checks")], "waiting"),
        ([*SECOND[:10], BreakpointRaised(name="no_checks"), BreakpointResolved(resolution="approve")], "running"),
        ([TASK, TaskRejected(reasons=("no",))], "rejected"),
        ([TASK, TaskCancelled(), TaskFailed(reasons=("late",))], "cancelled"),
        ([*SECOND[:10], TaskFailed(reasons=("no",))], "failed"),
        ([*SECOND, TaskCancelled()], "completed"),
        ([*SECOND, BreakpointRaised(name="late")], "completed"),
    ],
)
def test_each_status_follows_from_its_events(events: list[Event], status: str) -> None:
    assert fold(recorded(*events)).status == status


def test_a_rejected_task_is_told_as_failed_with_its_reasons() -> None:
    told = result(fold(recorded(TASK, TaskRejected(reasons=("the text is blank",)))))
    assert (told["status"], told["reasons"], told["attempts"]) == ("failed", ["the text is blank"], 0)


def test_a_waiting_task_says_for_what() -> None:
    told = result(fold(recorded(*SECOND[:10], BreakpointRaised(name="no_checks", reasons=("approve it",)))))
    assert (told["status"], told["reasons"]) == ("waiting", ["approve it"])


def test_lost_runs_belong_to_their_attempt_and_money_of_all_runs_counts() -> None:
    lost: list[Event] = [
        AttemptStarted(attempt=1, run=1, runner="r"),
        AgentExited(attempt=1, run=1, ending="unreachable", cost_usd=0.1, tokens=Tokens(input=1)),
        AttemptInterrupted(attempt=1, run=1, reason="killed"),
        AttemptRequested(attempt=1, run=2, prompt=Content()),
    ]
    story = fold(recorded(TASK, TaskReadied(), *lost, *run(1, 0)))
    assert (story.attempts, story.cost_usd, story.tokens) == (1, 0.35, Tokens(input=10, output=1))
    (only,) = story.chapters
    assert (only.runs, only.interruptions, only.cost_usd, only.ending) == (2, ("killed",), 0.35, "completed")


def test_what_is_lacking_and_what_is_not_so_is_told() -> None:
    events: list[Event] = [
        TASK, ServiceDegraded(service="agent-runner", lacking="sandbox", reason="no bwrap", effect="permissions alone"),
        *run(1, 1), ClaimContradicted(attempt=1, run=1, claim="All pass", evidence="1 failed"),
        AttemptReviewed(attempt=1, run=1, usable=True, approves=False, summary="no tests"),
    ]  # fmt: skip
    story = fold(recorded(*events))
    assert story.degraded == ("sandbox: no bwrap; permissions alone",)
    assert story.chapters[0].contradicted == ('"All pass", but 1 failed',)
    assert story.chapters[0].review == "disapproves: no tests"


def test_a_second_submission_tells_no_other_story() -> None:
    assert fold(recorded(TASK, TaskSubmitted(text="other", repo="/x"))).text == "add a flag"


@pytest.mark.parametrize(
    ("status", "code"),
    [("completed", 0), ("failed", 1), ("cancelled", 1), ("rejected", 1), ("waiting", 3), ("running", 1)],
)
def test_exit_codes(status: str, code: int) -> None:
    assert exit_code(status) == code


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(past=pasts(), cut=st.integers(0, 30))
def test_a_story_may_pause_anywhere_and_no_event_breaks_it(past: list[Event], cut: int) -> None:
    result(fold(recorded(*past)))
    told = recorded(*(event for event in past if not isinstance(event, TaskRolledBack)))
    assert fold(told[cut:], fold(told[:cut])) == fold(told)
