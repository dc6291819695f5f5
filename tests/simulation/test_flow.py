"""The whole flow under disturbance: every seed ends, once, having counted right."""

from collections.abc import Sequence
from functools import cache
from typing import get_args

import pytest

from obra.events import (
    Action,
    AttemptRequested,
    AttemptStarted,
    BreakpointResolved,
    BudgetReserved,
    BudgetSettled,
    ChecksRan,
    DecisionMade,
    DecisionOverridden,
    Event,
    Policy,
    PromptPrepared,
    SessionClosed,
    SessionOpened,
    SessionRefreshed,
    TaskCompleted,
    TaskFailed,
    TaskRolledBack,
    TimerSet,
    WorkspaceInspected,
)
from obra.events.subjects import name
from tests.simulation.actors import TASK
from tests.simulation.world import World, actions, by_hand, counting, terminals

OTHERS_SAY = {
    "llm.selected", "prompt.enhanced", "attempt.reviewed", "timer.fired", "task.submitted", "decision.overridden",
    "breakpoint.resolved", "task.rolled_back", "question.answered",
}  # fmt: skip
AT_THE_END = {"session.closed", "summary.requested", "session.summarised"}
SEEDS, BLOCK = range(300), 75
PLAIN_ROAD = [
    "session.opened", "prompt.prepared", "attempt.requested", "attempt.started", "agent.exited",
    "workspace.checkpointed", "checks.ran", "attempt.finished", "attempt.scored", "decision.made", "branch.delivered",
    "task.completed", "session.closed",
]  # fmt: skip


@cache
def played(seed: int) -> World:
    world = World(seed)
    world.play()
    return world


def keys(log: Sequence[Event], kind: type[Event]) -> list[tuple[int, int]]:
    return [(event.attempt, event.run) for event in log if isinstance(event, kind)]  # type: ignore[attr-defined]


def at(log: Sequence[Event], kind: type[Event]) -> list[int]:
    return [index for index, event in enumerate(log) if isinstance(event, kind)]


@pytest.mark.parametrize("block", range(0, len(SEEDS), BLOCK))
def test_whatever_happens_a_task_ends_exactly_once_and_counts_right(block: int) -> None:
    for seed in SEEDS[block : block + BLOCK]:
        world = played(seed)
        log = counting(world.log)
        assert len(terminals(log)) == 1, f"seed {seed}"
        for kind in (PromptPrepared, AttemptRequested, AttemptStarted, BudgetReserved, BudgetSettled):
            ever = keys(world.log, kind)
            assert len(set(ever)) == len(ever), f"seed {seed}: {name(kind)} doubled"
        asked_by_people = sum(isinstance(event, BreakpointResolved | DecisionOverridden) for event in log)
        attempts = [attempt for attempt, run in keys(log, AttemptRequested) if run == 1]
        rolled_back = any(isinstance(event, TaskRolledBack) for event in world.log)
        assert attempts == (sorted(attempts) if rolled_back else list(range(1, len(attempts) + 1))), f"seed {seed}"
        assert len(attempts) <= world.plan.task.attempts_max + asked_by_people, f"seed {seed}"
        said_after = {name(event) for event in log[log.index(terminals(log)[0]) + 1 :]}
        assert said_after <= AT_THE_END | OTHERS_SAY, f"seed {seed}: {said_after}"
        assert len(at(log, SessionClosed)) <= len(at(log, SessionOpened)) <= 1, f"seed {seed}"
        assert rolled_back or len(at(log, SessionClosed)) == len(at(log, SessionOpened)), f"seed {seed}"


@pytest.mark.parametrize("block", range(0, len(SEEDS), BLOCK))
def test_no_task_is_completed_without_evidence_or_a_person(block: int) -> None:
    for seed in SEEDS[block : block + BLOCK]:
        world = played(seed)
        log = counting(world.log)
        for completed in (event for event in log if isinstance(event, TaskCompleted)):
            proceed = next(e for e in reversed(log) if isinstance(e, DecisionMade) and e.action == "proceed")
            passed = [e for e in log if isinstance(e, ChecksRan) and e.passed and e.attempt == completed.attempt]
            spoken = any(isinstance(e, BreakpointResolved | DecisionOverridden) for e in log)
            assert passed or spoken or world.plan.policy.accept_without_checks, f"seed {seed}: {proceed}"
            last = max(run for attempt, run in keys(log, AttemptStarted) if attempt == completed.attempt)
            seen = [
                e for e in log if isinstance(e, WorkspaceInspected) and (e.attempt, e.run) == (completed.attempt, last)
            ]
            blocked = any(finding.blocks for e in seen for finding in e.findings)
            assert spoken or not blocked, f"seed {seed}: accepted with a finding that forbids it"


def test_the_seeds_reach_every_state_of_a_session() -> None:
    told = {name(event) for seed in SEEDS for event in played(seed).log}
    assert {
        "session.briefed", "session.warned", "summary.requested", "session.summarised", "session.refreshed"
    } <= told  # fmt: skip


@pytest.mark.parametrize("block", range(0, len(SEEDS), BLOCK))
def test_a_full_session_is_refreshed_before_the_next_prompt(block: int) -> None:
    for seed in SEEDS[block : block + BLOCK]:
        log = played(seed).log
        for index in at(log, SessionRefreshed):
            prompts = [event for event in log[index:] if isinstance(event, PromptPrepared)]
            assert all(not event.resume for event in prompts[:1]), f"seed {seed}"
            assert not prompts or "summary" in {*prompts[0].pieces, *(o.piece for o in prompts[0].left_out)}


def test_a_seed_tells_the_same_story_twice() -> None:
    assert [World(seed).play() for seed in range(20)] == [played(seed).log for seed in range(20)]


def test_the_seeds_reach_every_end_and_every_decision() -> None:
    logs = [counting(played(seed).log) for seed in SEEDS]
    assert {name(terminals(log)[0]) for log in logs} == {
        "task.completed", "task.failed", "task.cancelled", "task.rejected"
    }  # fmt: skip
    assert {action for log in logs for action in actions(log)} == set(get_args(Action))


def test_the_seeds_roll_back_rollbacks_too_and_go_on_after_them() -> None:
    rolled = [seed for seed in SEEDS if any(isinstance(event, TaskRolledBack) for event in played(seed).log)]
    again = [seed for seed in rolled if at(played(seed).log, TaskRolledBack)[1:]]
    logs = [played(seed).log for seed in rolled]
    gone_on = [log for log in logs if at(log, TaskCompleted)[-1:] > at(log, TaskRolledBack)[-1:]]
    assert len(rolled) > 30
    assert len(again) > 5
    assert len(gone_on) > 2


def test_the_plain_road_is_this_one() -> None:
    names = [name(event) for event in by_hand(TASK)]
    assert sorted(names[:3]) == ["llm.selected", "task.readied", "task.submitted"]
    assert sorted(names[3:]) == sorted(PLAIN_ROAD)
    assert [one for one in names[3:] if one != "session.closed"] == PLAIN_ROAD[:-1]


def test_attempts_that_never_pass_are_used_up_and_the_task_fails() -> None:
    log = by_hand(TASK, fails=1.0)
    assert actions(log) == ["retry", "retry", "stop"]
    assert [event.attempts for event in log if isinstance(event, TaskFailed)] == [3]


def test_a_provider_that_stays_away_is_waited_for_longer_each_time_and_then_given_up() -> None:
    log = by_hand(TASK, Policy(outages_max=3), endings=("unreachable",))
    waits = [event.delay_s for event in log if isinstance(event, TimerSet)]
    assert [0.9 * longest <= wait_s <= longest for wait_s, longest in zip(waits, (5, 20, 80), strict=True)] == [
        True
    ] * 3
    assert actions(log) == ["wait", "retry", "wait", "retry", "wait", "retry", "stop"]
    assert keys(log, AttemptRequested) == [(1, 1), (1, 2), (1, 3), (1, 4)]


def test_crashes_without_an_end_stop_at_the_bound() -> None:
    log = by_hand(TASK, Policy(interruptions_max=4), crashes=1.0)
    assert actions(log) == ["retry"] * 4 + ["stop"]
    assert keys(log, AttemptRequested) == [(1, run) for run in range(1, 6)]
