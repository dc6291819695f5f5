"""What counts of a past: by the fold, by its definition, and by the view of the store."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from obra.events import (
    AgentExited,
    AttemptStarted,
    Event,
    TaskCompleted,
    TaskFailed,
    TaskRolledBack,
    Tokens,
    WorkspaceCheckpointed,
)
from obra.events.subjects import Scope
from obra.shared.bus import Raw
from obra.shared.envelope import Recorded
from obra.shared.history import standing, turn, until
from obra.shared.rollback import tree_of
from obra.shared.store import Store
from obra.shared.store.query import local_query
from obra.shared.store.row import row_of
from obra.shared.story import fold
from tests.recorded import as_row, envelopes, messages, of_task
from tests.simulation.world import World

SCOPE = Scope("shop", "t1")
TASKS, MOMENTS = 90, 12


def past(*events: Event) -> list[Recorded]:
    """Return *events* at positions 1, 2, 3, …"""
    return [Recorded(raw.position, raw.envelope) for raw in messages(*envelopes(SCOPE, events)) if raw.envelope]


def positions(*events: Event) -> list[int]:
    return [recorded.position for recorded in standing(past(*events))]


def back(to: int) -> TaskRolledBack:
    return TaskRolledBack(to=to)


A, B = AttemptStarted(attempt=1, run=1, runner="r"), TaskFailed(reasons=("no",))


def test_without_a_rollback_everything_counts() -> None:
    assert positions(A, B) == [1, 2]


def test_what_lies_between_a_rollback_and_its_aim_does_not_count() -> None:
    assert positions(A, B, A, back(1), B) == [1, 4, 5]


def test_a_rollback_to_the_beginning_leaves_only_itself() -> None:
    assert positions(A, B, back(0)) == [3]


def test_files_return_to_the_newest_complete_checkpoint_and_not_to_what_a_lost_run_has_left() -> None:
    first, left = (WorkspaceCheckpointed(attempt=n, run=1, commit=f"c{n}", tree="t") for n in (1, 2))
    assert tree_of(past(first, replace(left, interrupted=True))) == first
    assert tree_of(past(left, first)) == left
    assert tree_of(past(replace(left, interrupted=True))) is None


def test_a_rollback_that_is_undone_undoes_nothing() -> None:
    assert positions(A, B, back(1), back(2)) == [1, 2, 4]


def test_a_rollback_over_one_that_counts_keeps_what_that_one_undid_undone() -> None:
    assert positions(A, B, back(1), A, B, back(4)) == [1, 3, 4, 6]


def test_a_rollback_forward_undoes_nothing() -> None:
    assert positions(A, back(99), back(3), B) == [1, 2, 3, 4]


def test_a_rollback_tells_what_can_not_be_undone() -> None:
    spent = AgentExited(attempt=3, run=1, ending="completed", cost_usd=0.25, tokens=Tokens(input=7))
    told = standing(past(A, spent, back(1), spent, TaskRolledBack(to=1, attempts=99, cost_usd=99.0)))
    assert [recorded.event for recorded in told] == [
        A, TaskRolledBack(to=1, attempts=3, cost_usd=0.5, tokens=Tokens(input=14))
    ]  # fmt: skip


def test_a_turn_is_where_the_newest_rollback_stands() -> None:
    assert (turn(past(A, B)), turn(past(A, back(1), B)), turn(past(A, back(1), B, back(2)))) == (0, 2, 4)


def test_as_of_a_position_later_rollbacks_are_not_known() -> None:
    assert [r.position for r in standing(until(past(A, B, back(1), B), 2))] == [1, 2]
    assert [r.position for r in standing(until(past(A, B, back(1), B), 3))] == [1, 3]


def by_definition(told: list[Recorded]) -> list[int]:
    """Return what counts by the definition: a rollback stands for the state at its aim, and itself."""
    if not told:
        return []
    *before, last = told
    event = last.event
    if isinstance(event, TaskRolledBack) and event.to < last.position:
        before = [recorded for recorded in before if recorded.position <= event.to]
    return [*by_definition(before), last.position]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.just(A), st.builds(back, st.integers(0, 25))), max_size=20))
def test_what_counts_is_what_the_definition_says(events: list[Event]) -> None:
    told = past(*events)
    assert [recorded.position for recorded in standing(told)] == by_definition(told)


def disturbed(seed: int) -> list[Event]:
    """Return what happened in a world, with rollbacks to anywhere put in anywhere."""
    dice, told = random.Random(seed), World(seed).play()
    for _ in range(dice.choice([0, 1, 2, 5])):
        told.insert(dice.randint(1, len(told)), TaskRolledBack(to=0, reason=dice.choice(["", "wrong"])))
    return told


@pytest.fixture(scope="module")
def stream() -> list[Raw]:
    """Return many tasks' events as they come when all are worked on at once."""
    dice, told = random.Random(4), list[Raw]()
    queues = {f"t{seed}": envelopes(Scope("shop", f"t{seed}"), disturbed(seed)) for seed in range(TASKS)}
    seen: dict[str, list[int]] = {task: [0] for task in queues}
    while queues:
        task = dice.choice(sorted(queues))
        envelope, position = queues[task].pop(0), len(told) + 1
        if isinstance(envelope.event, TaskRolledBack) and not envelope.event.to:
            to = dice.choice([*seen[task], dice.randint(0, position + 3)])
            (envelope,) = envelopes(Scope("shop", task), [TaskRolledBack(to=to, reason=envelope.event.reason)])
        told += messages(envelope, after=position - 1)
        seen[task].append(position)
        if not queues[task]:
            del queues[task]
    return told


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, stream: list[Raw]) -> Path:
    file = tmp_path_factory.mktemp("history") / "obra.duckdb"
    store = Store(file)
    store.append([row_of(raw) for raw in stream])
    store.close()
    return file


def moments(stream: list[Raw]) -> list[int]:
    dice = random.Random(5)
    return [1, len(stream), *(dice.randint(1, len(stream)) for _ in range(MOMENTS))]


def test_the_view_of_history_holds_what_the_fold_lets_count(path: Path, stream: list[Raw]) -> None:
    for at in moments(stream):
        rows = local_query(
            path, f"SELECT task, list(position ORDER BY position) FROM history(as_of := {at}) GROUP BY 1"
        )
        expected = {f"t{n}": [r.position for r in standing(until(of_task(stream, f"t{n}"), at))] for n in range(TASKS)}
        assert {task: list(found) for task, found in rows.rows} == {t: found for t, found in expected.items() if found}


@pytest.mark.parametrize("name", ["task", "task_status"])
def test_the_view_of_tasks_says_what_the_fold_says_at_any_position(path: Path, stream: list[Raw], name: str) -> None:
    for at in moments(stream):
        table = local_query(path, f"FROM {name}(as_of := {at})")
        rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
        stories = (fold(until(of_task(stream, f"t{n}"), at)) for n in range(TASKS))
        assert rows == {story.task: as_row(story) for story in stories if story.submitted_at}, at


def test_the_histories_are_worth_the_comparison(stream: list[Raw]) -> None:
    stories = [fold(of_task(stream, f"t{n}")) for n in range(TASKS)]
    assert {story.status for story in stories} >= {"completed", "failed", "rolled_back", "cancelled"}
    rolled = [raw for raw in stream if raw.envelope and isinstance(raw.envelope.event, TaskRolledBack)]
    assert len(rolled) > TASKS
    assert any(isinstance(raw.envelope.event, TaskCompleted) for raw in stream if raw.envelope)
