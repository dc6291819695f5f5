"""The shell of a process manager: one decision after the other, whoever decides, whatever breaks in between."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from obra.events import (
    Event,
    MessageDeadLettered,
    Policy,
    ProjectPaused,
    TaskCancelled,
    TaskCompleted,
    TaskHeld,
    TaskReadied,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.services.planner.decide import planner
from obra.shared.bus import Bus, Past
from obra.shared.bus.memory import MemoryBus
from obra.shared.envelope import Envelope
from obra.shared.errors import BusUnavailable
from obra.shared.manager import Answer, Manager, Told
from obra.shared.managing import Managing
from tests.rig import SERVICE, MemoryRig, NatsRig
from tests.shared.test_bus import SOON_S, sealed, take
from tests.shared.test_service import SUBMITTED, running, said

DONE = TaskCompleted(attempt=1, branch="b", commit="c")


def scope(task: str) -> Scope:
    return Scope("shop", task)


def managing(tasks_max: int = 2, **settings: Any) -> Managing[Any]:
    manager = replace(planner(Policy(tasks_max=tasks_max)), name=SERVICE)
    return Managing(manager, **{"again_s": 0.001} | settings)


@dataclass
class Work:
    """Completes every task that is readied, as it comes, and knows how many were in work at most."""

    bus: Bus
    working: int = 0
    most: int = 0

    async def off(self, count: int) -> list[str]:
        """Return the tasks in the order in which they were readied."""
        order: list[str] = []
        async with contextlib.aclosing(
            self.bus.follow(0, ["obra.*.*.task.readied", "obra.*.*.task.completed"])
        ) as raws:
            async for raw in raws:
                assert raw.envelope
                if isinstance(raw.envelope.event, TaskCompleted):
                    self.working -= 1
                    if len(order) == count and not self.working:
                        return order
                    continue
                self.working += 1
                self.most = max(self.most, self.working)
                order.append(raw.envelope.task)
                await self.bus.append([sealed(DONE, raw.envelope.scope)])
        raise AssertionError("not reached")


async def test_an_answer_in_another_scope_names_its_question_and_belongs_to_what_began_there(
    bus: Bus, rig: Any
) -> None:
    service = managing(2)
    await rig.provide(service.consumer)
    for number, task in enumerate(("a", "b", "c"), 1):
        await bus.append([sealed(SUBMITTED, scope(task), number)])
    async with running(bus, service):
        await bus.append([sealed(SUBMITTED, scope("d"))])
        await said(bus, "task.held", 2)
        await bus.append([sealed(DONE, scope("a"), 7)])
        await said(bus, "task.readied", 3)
    *_, readied = (await bus.past(scope("c"))).events
    assert isinstance(readied.event, TaskReadied)
    assert (readied.envelope.cause, readied.envelope.correlation) == (UUID(int=7), UUID(int=3))


async def test_two_that_are_alive_ready_each_task_once_and_never_exceed_the_room(bus: Bus, rig: Any) -> None:
    services = [managing(3) for _ in range(2)]
    await rig.provide(services[0].consumer)
    other, worker = await rig.another(), Work(await rig.another())
    tasks = [f"t{number}" for number in range(30)]
    async with running(bus, services[0]), running(other, services[1]), asyncio.timeout(SOON_S):
        working = asyncio.create_task(worker.off(len(tasks)))
        await asyncio.gather(*(bus.append([sealed(SUBMITTED, scope(task))]) for task in tasks))
        order = await working
    assert sorted(order) == sorted(tasks)
    assert worker.most <= 3


class Breaking(MemoryBus):
    """Stores, and then says that it could not, every other time: as a crash between append and acknowledgement."""

    def __init__(self) -> None:
        super().__init__()
        self.appends = 0

    async def append(self, envelopes: Sequence[Envelope], *, expected: int | None = None) -> int:
        position = await super().append(envelopes, expected=expected)
        if envelopes[0].service == SERVICE:
            self.appends += 1
            if self.appends % 2:
                raise BusUnavailable(url="memory", reason="broken")
        return position


async def test_what_breaks_between_append_and_acknowledgement_is_answered_once() -> None:
    bus = Breaking()
    tasks = [f"t{number}" for number in range(8)]
    work = Work(bus)
    async with running(bus, managing(2, deliveries_max=50)), asyncio.timeout(SOON_S):
        for task in tasks:
            await bus.append([sealed(SUBMITTED, scope(task))])
        assert sorted(await work.off(len(tasks))) == tasks
    assert work.most <= 2
    await bus.close()


class Meanwhile(MemoryBus):
    """A bus on which something happens between a decision and what its shell reads before it stores that."""

    def __init__(self, *meanwhile: Event) -> None:
        super().__init__()
        self.meanwhile = list(meanwhile)

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        if self.meanwhile:
            await self.append([sealed(self.meanwhile.pop(0), scope)])
        return await super().past(scope, after, reaching=reaching)


async def test_what_happens_between_a_decision_and_its_append_has_it_decided_anew() -> None:
    bus = Meanwhile(TaskCancelled())
    await bus.append([sealed(SUBMITTED, scope("a"))])
    async with running(bus, managing()):
        await bus.append([sealed(SUBMITTED, scope("b"))])
        await said(bus, "task.readied")
    assert [r.event for r in (await bus.past(scope("a"))).events] == [SUBMITTED, TaskCancelled()]


async def test_one_whose_lease_is_over_stores_nothing_more(memory: MemoryRig) -> None:
    async with running(memory.bus, managing(lease_s=0.0, deliveries_max=2)):
        await memory.bus.append([sealed(SUBMITTED, scope("a"))])
        await said(memory.bus, "message.dead_lettered")
    assert await memory.bus.last_position(["obra.*.*.task.readied"]) == 0


async def test_nothing_is_decided_before_the_whole_past_is_known(bus: Bus, rig: Any) -> None:
    service = managing()
    await rig.provide(service.consumer)
    await bus.append([sealed(SUBMITTED, scope("a"))])
    await bus.append([sealed(ProjectPaused(), scope("-"))])
    async with running(bus, service):
        [held] = await said(bus, "task.held")
    assert isinstance(held, TaskHeld)
    assert held.waits_for == "project"


async def test_one_that_is_started_again_goes_on_where_the_other_stopped(memory: MemoryRig) -> None:
    bus = memory.bus
    async with running(bus, managing(1)):
        await bus.append([sealed(SUBMITTED, scope("a"))])
        await bus.append([sealed(SUBMITTED, scope("b"))])
        await said(bus, "task.held")
    await bus.append([sealed(DONE, scope("a"))])
    async with running(bus, managing(1)):
        assert [event.base for event in await said(bus, "task.readied", 2)] == [(), ()]  # type: ignore[attr-defined]


def deaf(state: int, told: Told) -> int:
    return state


def stubborn(state: int, told: Told) -> Iterable[Answer]:
    yield told.scope, TaskReadied()


async def test_one_that_does_not_take_in_what_it_says_is_a_dead_letter_and_not_an_endless_loop(
    memory: MemoryRig,
) -> None:
    manager = Manager(SERVICE, 0, (TaskSubmitted,), (TaskReadied,), (), deaf, stubborn)
    async with running(memory.bus, Managing(manager, again_s=0.001, deliveries_max=2)):
        await memory.bus.append([sealed(SUBMITTED, scope("a"))])
        [letter] = await said(memory.bus, "message.dead_lettered")
    assert isinstance(letter, MessageDeadLettered)
    assert letter.reason == (
        "NotTakenIn: tester said task.readied in shop.a and would say the same again: its state did not take it in"
    )
    assert len(await take(memory.bus.follow(0, ["obra.*.*.task.readied"]), 1)) == 1


@pytest.mark.bus
async def test_a_killed_server_costs_no_decision_and_doubles_none(nats: NatsRig) -> None:
    service = managing(2, lease_s=2.0)
    await nats.provide(service.consumer)
    tasks = [f"t{number}" for number in range(12)]
    work = Work(nats.bus)
    async with running(nats.bus, service), asyncio.timeout(60):
        working = asyncio.create_task(work.off(len(tasks)))
        for number, task in enumerate(tasks):
            await nats.bus.append([sealed(SUBMITTED, scope(task))])
            if number in {4, 9}:
                await nats.nats.restart()
        assert sorted(await working) == sorted(tasks)
    assert work.most <= 2
