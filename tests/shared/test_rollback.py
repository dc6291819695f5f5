"""Rolling back on a bus with the real services that think: one task, several at once, over again, and refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from obra.events import (
    AttemptCancelled,
    AttemptRequested,
    BreakpointResolved,
    Content,
    Event,
    LlmSelected,
    SessionClosed,
    TaskCompleted,
    TaskRolledBack,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import Settings
from obra.shared.edge import Client, TaskGone, TaskUnknown, person
from obra.shared.envelope import fresh
from obra.shared.errors import StaleAppend
from obra.shared.home import Home
from obra.shared.moment import end_of
from obra.shared.rollback import RollbackRefused, as_json
from obra.shared.services import make
from obra.shared.story import Story
from obra.shared.turning import halt, planned, roll_back
from tests.simulation.actors import TASK, Plan
from tests.simulation.test_services import STAND_INS, THINKERS, acting

T1, T2, T3 = (Scope("shop", f"t{n}") for n in (1, 2, 3))


@dataclass
class Shop:
    """A bus with services, and a person's client."""

    bus: MemoryBus
    client: Client

    async def submit(self, scope: Scope, task: TaskSubmitted = TASK) -> Story:
        await self.bus.append([fresh(scope, task, "edge")])
        return await self.settled(scope)

    async def settled(self, scope: Scope, after: int = 0) -> Story:
        story = Story()
        async for _, story in self.client.watch(scope, after):  # noqa: B007 - the last one counts
            pass
        return story

    async def retry(self, scope: Scope) -> Story:
        position = await self.client.resolve(scope, "retry", "once more")
        return await self.settled(scope, position - 1)

    async def end_of(self, scope: Scope, attempt: int) -> int:
        return end_of(str(attempt), await self.client.past(scope), "--to")

    async def of(self, scope: Scope, kind: type[Event]) -> list[Event]:
        return [r.event for r in await self.client.past(scope) if isinstance(r.event, kind)]


@asynccontextmanager
async def shop(tmp_path: Path, plan: Plan, *, runner: bool = True) -> AsyncIterator[Shop]:
    bus, stop, dice, home = MemoryBus(), asyncio.Event(), Random(1), Home(tmp_path)
    services = [make(name, Settings(), home) for name in THINKERS]
    services += [acting(n, plan, dice, tmp_path) for n in STAND_INS if runner or n != "agent-runner"]
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for service in services:
            group.create_task(service.run(bus, stop))
        yield Shop(bus, Client(bus, home))
        stop.set()
    await bus.close()


FAILING = Plan(task=TASK, fails=1.0)


async def test_a_failed_task_is_rolled_back_rests_and_goes_on_with_a_number_never_used(tmp_path: Path) -> None:
    async with shop(tmp_path, FAILING) as obra:
        failed = await obra.submit(T1)
        to = await obra.end_of(T1, 1)
        plans, position = await roll_back(obra.client, [T1], to, "wrong turn")
        rested = await obra.client.story(T1)
        assert (failed.status, failed.attempts, rested.status, rested.attempts) == ("failed", 3, "rolled_back", 1)
        assert (rested.cost_usd, rested.reasons, rested.position) == (failed.cost_usd, ("wrong turn",), position)
        assert [as_json(made) for made in plans] == [
            {
                "task": "t1", "project": "shop", "to": to, "status_before": "failed", "status_then": "reviewing",
                "events_undone": plans[0].expected - to, "events_restored": 0, "attempts_undone": [2, 3],
                "commit": "c", "branches_kept": [],
            }
        ]  # fmt: skip
        again = await obra.retry(T1)
    asked = [event.attempt for event in await obra.of(T1, AttemptRequested) if isinstance(event, AttemptRequested)]
    assert asked == [1, 2, 3, 4, 5]
    assert (again.status, again.attempts, [c.attempt for c in again.chapters]) == ("failed", 5, [1, 4, 5])


async def test_a_completed_task_goes_on_and_is_completed_again(tmp_path: Path) -> None:
    async with shop(tmp_path, Plan(task=TASK)) as obra:
        first = await obra.submit(T1)
        plans, _ = await roll_back(obra.client, [T1], await obra.end_of(T1, 0))
        assert [(one.branch, one.commit) for one in plans[0].branches] == [("obra/t", "c")]
        again = await obra.retry(T1)
    assert (first.status, again.status, again.attempts) == ("completed", "completed", 2)
    assert len(await obra.of(T1, TaskCompleted)) == 2
    assert again.cost_usd == 2 * first.cost_usd


async def test_what_was_there_is_approved_after_a_rollback(tmp_path: Path) -> None:
    async with shop(tmp_path, FAILING) as obra:
        await obra.submit(T1)
        await roll_back(obra.client, [T1], await obra.end_of(T1, 2))
        position = await obra.client.resolve(T1, "approve")
        story = await obra.settled(T1, position - 1)
    assert (story.status, story.attempts) == ("completed", 2)


async def test_a_rollback_is_rolled_back(tmp_path: Path) -> None:
    async with shop(tmp_path, Plan(task=TASK)) as obra:
        before = await obra.submit(T1)
        end = (await obra.client.past(T1))[-1].position
        await roll_back(obra.client, [T1], await obra.end_of(T1, 0))
        plans, _ = await roll_back(obra.client, [T1], end)
        story = await obra.client.story(T1)
    assert (before.status, plans[0].now.status, plans[0].then.status) == ("completed", "rolled_back", "completed")
    assert (story.status, story.branch, story.attempts) == ("completed", "obra/t", 1)
    assert len(plans[0].restored) > 5


async def test_several_tasks_return_together_and_those_without_anything_later_stay(tmp_path: Path) -> None:
    async with shop(tmp_path, Plan(task=TASK)) as obra:
        await obra.submit(T1)
        untouched = await obra.bus.last_position()
        await obra.submit(T2)
        to = await obra.end_of(T2, 1)
        await obra.submit(T3)
        plans, position = await roll_back(obra.client, [T1, T2, T3], to)
        stories = [await obra.client.story(scope) for scope in (T1, T2, T3)]
        with pytest.raises(TaskGone):
            await obra.client.resolve(T3, "retry")
        with pytest.raises(RollbackRefused, match="nothing has happened to them since position"):
            await roll_back(obra.client, [T1, T2, T3], position)
        await roll_back(obra.client, [T1, T2, T3], position - 2)
        back = [(await obra.client.story(scope)).status for scope in (T1, T2, T3)]
    assert untouched < to
    assert [made.scope for made in plans] == [T2, T3]
    assert [story.status for story in stories] == ["completed", "rolled_back", "rolled_back"]
    assert [story.submitted_at != "" for story in stories] == [True, True, False]
    assert back == ["completed", "completed", "completed"]


async def test_of_several_tasks_none_returns_where_one_can_not(tmp_path: Path) -> None:
    async with shop(tmp_path, FAILING, runner=False) as obra:
        await obra.bus.append([fresh(T1, TASK, "edge")])
        await said(obra, T1, AttemptRequested)
        await obra.bus.append([fresh(T2, TASK, "edge")])
        await obra.client.cancel(T2)
        with pytest.raises(RollbackRefused, match="t1: attempt 1 is in hand; --cancel stops it first, or wait"):
            await roll_back(obra.client, [T2, T1], 1)
        assert await obra.of(T2, TaskRolledBack) == []
        assert (await planned(obra.client, [T1], await obra.end_of(T1, 0), stopped=True))[0].in_hand == 1


async def said(obra: Shop, scope: Scope, kind: type[Event]) -> None:
    """Wait until such an event is there."""
    async for raw in obra.bus.follow(0, [scope.everything]):
        if raw.envelope and isinstance(raw.envelope.event, kind):
            return


async def test_what_runs_is_cancelled_first_where_that_is_wanted(tmp_path: Path) -> None:
    async with shop(tmp_path, FAILING, runner=False) as obra:
        await obra.bus.append([fresh(T1, TASK, "edge")])
        await said(obra, T1, AttemptRequested)
        halting = asyncio.create_task(halt(obra.client, T1))
        await said(obra, T1, AttemptCancelled)
        await obra.client.cancel(T1)  # for the runner, which would have ended the attempt
        await halting
        await roll_back(obra.client, [T1], await obra.end_of(T1, 0))
        assert (await obra.client.story(T1)).status == "rolled_back"


async def test_an_attempt_that_began_before_the_one_before_was_cancelled_is_cancelled_too(tmp_path: Path) -> None:
    async with shop(tmp_path, FAILING, runner=False) as obra:
        await obra.bus.append([fresh(T1, TASK, "edge")])
        await said(obra, T1, AttemptRequested)
        halting = asyncio.create_task(halt(obra.client, T1, "enough"))
        await said(obra, T1, AttemptCancelled)
        await obra.bus.append([fresh(T1, AttemptRequested(attempt=2, run=1, prompt=Content.of("x")), "test")])
        async with asyncio.timeout(20):
            while len(found := await obra.of(T1, AttemptCancelled)) < 2:
                await asyncio.sleep(0)
        assert found == [AttemptCancelled(attempt=number, reason="enough") for number in (1, 2)]
        await obra.client.cancel(T1)  # for the runner, which would have ended the attempt
        await halting


async def test_refusals_say_why(tmp_path: Path) -> None:
    async with shop(tmp_path, FAILING) as obra:
        await obra.submit(T1)
        await said(obra, T1, SessionClosed)
        (selected,) = [r.position for r in await obra.client.past(T1) if isinstance(r.event, LlmSelected)]
        first, last = (await obra.client.past(T1))[0].position, await obra.bus.last_position()
        early = f"t1: it was only just submitted at position {first}; {selected} is the earliest point"
        for to, why in ((first, early), (last, f"t1: nothing has happened since position {last}")):
            with pytest.raises(RollbackRefused, match=why):
                await roll_back(obra.client, [T1], to)
        with pytest.raises(TaskUnknown):
            await roll_back(obra.client, [T2], 1)
        assert await obra.bus.last_position() == last


async def test_of_two_that_roll_back_at_once_one_does(tmp_path: Path) -> None:
    async with shop(tmp_path, FAILING) as obra:
        await obra.submit(T1)
        to = await obra.end_of(T1, 1)
        done = await asyncio.gather(
            roll_back(obra.client, [T1], to), roll_back(obra.client, [T1], to), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in done) == ["RollbackRefused", "tuple"]
        assert await obra.of(T1, TaskRolledBack) == [TaskRolledBack(to=to, by=person())]
        with pytest.raises(RollbackRefused, match=f"t1: it was returned to position {to} already"):
            await roll_back(obra.client, [T1], to)


async def test_a_person_who_was_late_answers_nothing_that_was_rolled_back(tmp_path: Path) -> None:
    unchecked = TaskSubmitted(text="x", repo="/r", llm="none")
    async with shop(tmp_path, Plan(task=unchecked)) as obra:
        waiting = await obra.submit(T1, unchecked)
        assert waiting.status == "waiting"
        late = fresh(T1, BreakpointResolved(resolution="approve", note=Content()), "edge")
        await roll_back(obra.client, [T1], await obra.end_of(T1, 0))
        with pytest.raises(StaleAppend):
            await obra.bus.append([late], expected=waiting.position)
        again = await obra.retry(T1)
    assert (again.status, again.attempts) == ("waiting", 2)
