"""Several instances of a service on one bus, and a server that dies under them."""

import asyncio
from typing import Any

import pytest

from obra.events import TaskReadied
from obra.events.subjects import Scope
from obra.shared.bus import Bus
from tests.rig import NatsRig
from tests.shared.test_bus import events, sealed
from tests.shared.test_service import SUBMITTED, running, said, thinking

TASKS = [Scope("shop", f"t{number}") for number in range(30)]


async def test_instances_that_race_answer_each_question_once(bus: Bus, rig: Any) -> None:
    services = [thinking() for _ in range(3)]
    await rig.provide(services[0].consumer)
    others = [await rig.another() for _ in range(2)]
    async with running(bus, services[0]), running(others[0], services[1]), running(others[1], services[2]):
        for _ in range(4):
            await asyncio.gather(*(bus.append([sealed(SUBMITTED, scope)]) for scope in TASKS))
        await said(bus, "task.readied", 4 * len(TASKS))
    for scope in TASKS:
        found = events(await bus.past(scope))
        assert (found.count(SUBMITTED), found.count(TaskReadied())) == (4, 4)


async def test_instances_that_hear_the_same_question_answer_it_once(memory: Any) -> None:
    bus = memory.bus
    services = [thinking(lease_s=0.001) for _ in range(3)]  # leases end at once: everybody gets everything
    async with running(bus, *services):
        for scope in TASKS:
            await bus.append([sealed(SUBMITTED, scope)])
        await said(bus, "task.readied", len(TASKS))
    for scope in TASKS:
        assert events(await bus.past(scope)) == [SUBMITTED, TaskReadied()]


@pytest.mark.bus
async def test_a_killed_server_costs_no_answer_and_doubles_none(nats: NatsRig) -> None:
    service = thinking(lease_s=1.0)
    await nats.provide(service.consumer)
    async with running(nats.bus, service):
        for number, scope in enumerate(TASKS):
            await nats.bus.append([sealed(SUBMITTED, scope)])
            if number in {5, 15, 25}:
                await nats.nats.restart()
        async with asyncio.timeout(60):
            await said(nats.bus, "task.readied", len(TASKS))
    for scope in TASKS:
        assert events(await nats.bus.past(scope)) == [SUBMITTED, TaskReadied()]
