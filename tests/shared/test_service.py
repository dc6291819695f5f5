"""The shell answers once, in order, at a cost that does not grow, whatever the bus does to it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from obra.events import (
    Content,
    Event,
    MessageDeadLettered,
    TaskCancelled,
    TaskFailed,
    TaskLabelled,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
)
from obra.events.base import INLINE_BYTES_MAX
from obra.events.subjects import Scope
from obra.shared.bus import Bus, Delivery, Past
from obra.shared.bus.memory import MemoryBus
from obra.shared.decider import Decider
from obra.shared.envelope import Envelope, Recorded
from obra.shared.errors import BusUnavailable
from obra.shared.service import Acting, Call, Service, Thinking
from obra.shared.shell import leased
from tests.rig import MemoryRig
from tests.shared.test_bus import SOON_S, T1, T2, events, sealed, take

SUBMITTED = TaskSubmitted(text="t", repo="/r")


def ready(submitted: int, event: Event) -> int:
    """Count submissions that wait to be readied."""
    match event:
        case TaskSubmitted():
            return submitted + 1
        case TaskReadied():
            return submitted - 1
        case TaskLabelled():
            raise ValueError("a label too many")
    return submitted


def decide(waiting: int, event: Event) -> Sequence[Event]:
    match event:
        case TaskCancelled(reason="explode"):
            raise ZeroDivisionError("decided by zero")
        case TaskCancelled():
            return [TaskRejected(reasons=("not mine to say",))]
        case _ if waiting > 0:
            return [TaskReadied()]
    return []


READIER = Decider("tester", 0, (TaskSubmitted, TaskCancelled), (TaskReadied,), ready, decide)


def relayed(stage: int, event: Event) -> int:
    """Follow a task from stage to stage."""
    return max(stage, {TaskSubmitted: 1, TaskReadied: 2, TaskRejected: 3, TaskFailed: 4}.get(type(event), 0))


def relay(stage: int, event: Event) -> Sequence[Event]:
    """Answer with the next stage, from which the one after that follows."""
    match event:
        case TaskSubmitted() if stage == 1:
            return [TaskReadied()]
        case TaskReadied() if stage == 2:
            return [TaskRejected(reasons=("no",))]
        case TaskRejected() if stage == 3:
            return [TaskFailed(reasons=("over",))]
    return []


RELAY = Decider(
    "tester", 0, (TaskSubmitted, TaskReadied, TaskRejected), (TaskReadied, TaskRejected, TaskFailed), relayed, relay
)
STAGES = [SUBMITTED, TaskReadied(), TaskRejected(reasons=("no",)), TaskFailed(reasons=("over",))]


class Counting(MemoryBus):
    """A bus that counts what is read from it, and can let others in between reading and appending."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []
        self.meanwhile: list[Event] = []

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        past = await super().past(scope, after)
        self.read.append(len(past.events))
        if self.meanwhile:
            await self.append([sealed(self.meanwhile.pop(), scope)])
        return past


class Behind(MemoryBus):
    """A bus whose next reads, as many as ``late``, come from a replica that has nothing yet."""

    late = 0

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        if self.late:
            self.late -= 1
            return Past(after, ())
        return await super().past(scope, after, reaching=reaching)


@contextlib.asynccontextmanager
async def running(bus: Bus, *services: Service) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(service.run(bus, stop)) for service in services]
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(SOON_S):
            await asyncio.gather(*tasks)


async def said(bus: Bus, kind: str, count: int = 1) -> list[Event]:
    raws = await take(bus.follow(0, [f"obra.*.*.{kind}"]), count)
    return [raw.envelope.event for raw in raws if raw.envelope]


def thinking(**settings: Any) -> Thinking[int]:
    return Thinking(READIER, **{"again_s": 0.001} | settings)


async def test_an_answer_names_its_question_and_is_stored_behind_it(bus: Bus, rig: Any) -> None:
    service = thinking()
    await rig.provide(service.consumer)
    question = sealed(SUBMITTED, number=7)
    await bus.append([question])
    async with running(bus, service):
        await said(bus, "task.readied")
    submitted, readied = (await bus.past(T1)).events
    assert submitted.envelope == question
    assert (readied.event, readied.envelope.service) == (TaskReadied(), "tester")
    assert (readied.envelope.cause, readied.envelope.correlation) == (UUID(int=7), UUID(int=7))


async def test_a_question_that_comes_again_is_answered_once(memory: MemoryRig) -> None:
    await memory.bus.append([sealed(SUBMITTED)])
    for _ in range(3):
        memory.bus._groups.clear()
        async with running(memory.bus, thinking()):
            await said(memory.bus, "task.readied")
            await memory.bus.append([sealed(SUBMITTED, T2)])
    assert events(await memory.bus.past(T1)) == [SUBMITTED, TaskReadied()]


async def test_what_comes_between_reading_and_appending_is_taken_in(memory: MemoryRig) -> None:
    bus = Counting()
    bus.meanwhile = [TaskFailed(reasons=()), TaskReadied()]
    await bus.append([sealed(SUBMITTED), sealed(SUBMITTED)])
    async with running(bus, thinking()):
        await said(bus, "task.readied", 2)
    assert events(await bus.past(T1)) == [SUBMITTED, SUBMITTED, TaskReadied(), TaskFailed(reasons=()), TaskReadied()]


async def test_a_question_that_is_not_to_be_seen_yet_is_answered_once_it_is() -> None:
    bus = Behind()
    bus.late = 2
    await bus.append([sealed(SUBMITTED)])
    async with running(bus, thinking()):
        assert await said(bus, "task.readied") == [TaskReadied()]


async def test_what_follows_from_an_answer_of_its_own_is_said_with_it(bus: Bus, rig: Any) -> None:
    service = Thinking(RELAY)
    await rig.provide(service.consumer)
    await bus.append([sealed(SUBMITTED, number=7)])
    async with running(bus, service):
        await said(bus, "task.failed")
    past = await bus.past(T1)
    assert events(past) == STAGES
    assert [r.envelope.cause for r in past.events[1:]] == [r.envelope.id for r in past.events[:-1]]
    assert {r.envelope.correlation for r in past.events[1:]} == {UUID(int=7)}


async def test_what_follows_from_a_large_answer_follows_from_it_as_it_is_stored(bus: Bus, rig: Any) -> None:
    large = TaskLabelled(good=True, note=Content.of("x" * 2 * INLINE_BYTES_MAX))

    def follow(seen: int, event: Event) -> int:
        return max(seen, 1 + isinstance(event, TaskLabelled) + 2 * isinstance(event, TaskRejected))

    def told(seen: int, event: Event) -> Sequence[Event]:
        match event:
            case TaskSubmitted() if seen == 1:
                return [large]
            case TaskLabelled(note=note) if seen == 2:
                return [TaskRejected(reasons=(f"stored elsewhere: {note.stored}",))]
        return []

    service = Thinking(Decider("tester", 0, (TaskSubmitted, TaskLabelled), (TaskLabelled, TaskRejected), follow, told))
    await rig.provide(service.consumer)
    await bus.append([sealed(SUBMITTED)])
    async with running(bus, service):
        assert await said(bus, "task.rejected") == [TaskRejected(reasons=("stored elsewhere: True",))]


async def test_what_is_said_with_an_answer_costs_no_look_of_its_own() -> None:
    bus, service = Counting(), Thinking(RELAY)
    stored: list[int] = []
    chain = bus.append_chain

    async def counted(envelopes: Sequence[Envelope], *, expected: int) -> int:
        stored.append(len(envelopes))
        return await chain(envelopes, expected=expected)

    bus.append_chain = counted  # type: ignore[method-assign]
    await bus.append([sealed(SUBMITTED)])
    async with running(bus, service):
        await said(bus, "task.failed")
    assert (stored, events(await bus.past(T1))) == ([3], STAGES)


@pytest.mark.parametrize("stored", [1, 2, 3])
async def test_a_service_that_died_in_the_middle_of_what_it_said_goes_on_from_there(
    memory: MemoryRig, stored: int
) -> None:
    """What was said before is not said again, and what follows is what would have followed."""
    bus, whole = memory.bus, MemoryBus()
    first = sealed(SUBMITTED, number=7)
    for one in (bus, whole):
        await one.append([first])
    async with running(whole, Thinking(RELAY)):
        await said(whole, "task.failed")
    expected = [recorded.envelope.id for recorded in (await whole.past(T1)).events]
    for recorded in (await whole.past(T1)).events[1:stored]:
        await bus.append([recorded.envelope])
    async with running(bus, Thinking(RELAY)):
        await said(bus, "task.failed")
    assert [recorded.envelope.id for recorded in (await bus.past(T1)).events] == expected


async def test_an_answer_reads_only_what_is_new() -> None:
    bus, service = Counting(), thinking()
    for start in range(0, 5_000, 500):
        await bus.append([sealed(TaskFailed(reasons=(str(start + n),))) for n in range(500)])
    async with running(bus, service):
        for count in range(1, 4):
            await bus.append([sealed(SUBMITTED)])
            await said(bus, "task.readied", count)
    assert bus.read == [5_001, 2, 2]
    await bus.close()


async def test_only_the_scopes_used_last_are_remembered() -> None:
    bus, service = Counting(), thinking(scopes_max=2)
    async with running(bus, service):
        for count, task in enumerate(("a", "b", "c", "a", "c"), start=1):
            await bus.append([sealed(SUBMITTED, Scope("p", task))])
            await said(bus, "task.readied", count)
    assert bus.read == [1, 1, 1, 3, 2]
    await bus.close()


async def test_what_can_not_be_answered_becomes_a_dead_letter_and_stops_nothing(bus: Bus, rig: Any) -> None:
    service = thinking(deliveries_max=3)
    await rig.provide(service.consumer)
    poison = sealed(TaskCancelled(reason="explode"))
    await bus.append([poison])
    await bus.append([sealed(SUBMITTED, T2)])
    async with running(bus, service):
        await said(bus, "task.readied")
        letters = await said(bus, "message.dead_lettered")
    assert letters == [
        MessageDeadLettered(position=1, consumer="tester", reason="ZeroDivisionError: decided by zero", deliveries=3)
    ]
    assert [e.envelope.event for e in (await bus.past(T1)).events] == [poison.event, *letters]


async def test_an_answer_that_was_not_declared_is_not_published(memory: MemoryRig) -> None:
    await memory.bus.append([sealed(TaskCancelled(reason=""))])
    async with running(memory.bus, thinking(deliveries_max=1)):
        letters = await said(memory.bus, "message.dead_lettered")
    reason = "NotItsBusiness: tester may not say task.rejected"
    assert letters == [MessageDeadLettered(position=1, consumer="tester", reason=reason, deliveries=1)]


async def test_a_fold_that_fails_leaves_nothing_half_folded_behind(memory: MemoryRig) -> None:
    await memory.bus.append([sealed(SUBMITTED)])
    service = thinking(deliveries_max=2)
    async with running(memory.bus, service):
        await said(memory.bus, "task.readied")
        await memory.bus.append([sealed(TaskLabelled(good=True))])
        await memory.bus.append([sealed(SUBMITTED)])
        letters = await said(memory.bus, "message.dead_lettered")
    assert [letter.reason for letter in letters if isinstance(letter, MessageDeadLettered)] == [
        "ValueError: a label too many"
    ]
    assert not service._memories


async def test_what_came_before_a_rollback_is_not_answered_any_more_even_where_it_still_counts(
    memory: MemoryRig,
) -> None:
    for event in (SUBMITTED, TaskRolledBack(to=1), SUBMITTED):
        await memory.bus.append([sealed(event)])
    async with running(memory.bus, thinking()):
        await said(memory.bus, "task.readied")
    *past, answer = (await memory.bus.past(T1)).events
    assert (len(past), answer.envelope.cause) == (3, past[-1].envelope.id)


async def test_what_is_known_of_one_stream_counts_for_nothing_on_another(memory: MemoryRig) -> None:
    service, other = thinking(), MemoryBus()
    for event, scope in ((SUBMITTED, T1), (TaskReadied(), T1), (SUBMITTED, T2)):
        await memory.bus.append([sealed(event, scope)])
    async with running(memory.bus, service):
        await said(memory.bus, "task.readied", 2)
    await other.append([sealed(SUBMITTED)])
    async with running(other, service):
        assert await said(other, "task.readied") == [TaskReadied()]


async def test_events_of_one_scope_are_answered_in_their_order(memory: MemoryRig) -> None:
    order: list[int] = []

    def note(waiting: int, event: Event) -> Sequence[Event]:
        if isinstance(event, TaskCancelled):
            order.append(int(event.reason))
        return []

    decider = replace(READIER, decide=note)
    await memory.bus.append([sealed(TaskCancelled(reason=str(number))) for number in range(200)])
    await memory.bus.append([sealed(TaskCancelled(reason="200"))])
    async with running(memory.bus, Thinking(decider)), asyncio.timeout(SOON_S):
        while len(order) < 201:
            await asyncio.sleep(0)
    assert order == list(range(201))


# acting


def acting(handle: Any, **settings: Any) -> Acting:
    return Acting("tester", (TaskSubmitted,), (TaskReadied, TaskFailed), handle, **{"again_s": 0.001} | settings)


async def test_an_effect_answers_with_derived_ids(bus: Bus, rig: Any) -> None:
    async def handle(call: Call) -> None:
        position = (await call.past()).position
        await call.append(TaskReadied(), TaskFailed(reasons=("no",)), expected=position)
        await call.append(TaskReadied())

    service = acting(handle)
    await rig.provide(service.consumer)
    await bus.append([sealed(SUBMITTED)])
    async with running(bus, service):
        await said(bus, "task.failed")
    assert events(await bus.past(T1)) == [SUBMITTED, TaskReadied(), TaskFailed(reasons=("no",))]


async def test_an_effect_of_what_was_rolled_back_meanwhile_is_not_begun_and_not_asked_for_again(
    memory: MemoryRig,
) -> None:
    looked: list[int] = []

    async def handle(call: Call) -> None:
        looked.append(call.recorded.position)
        await call.past()
        await call.append(TaskReadied())

    for event in (SUBMITTED, TaskRolledBack(to=1), SUBMITTED):
        await memory.bus.append([sealed(event)])
    async with running(memory.bus, acting(handle)):
        await said(memory.bus, "task.readied")
    *past, answer = (await memory.bus.past(T1)).events
    assert (len(past), answer.envelope.cause) == (3, past[-1].envelope.id)
    assert sorted(looked) == [1, 3]


async def test_the_lease_is_kept_while_work_goes_on(bus: Bus, rig: Any) -> None:
    calls: list[int] = []

    async def handle(call: Call) -> None:
        calls.append(call.deliveries)
        await asyncio.sleep(1.5)
        await call.append(TaskReadied())

    service = acting(handle, lease_s=0.6)
    await rig.provide(service.consumer)
    await bus.append([sealed(SUBMITTED)])
    async with running(bus, service):
        await said(bus, "task.readied")
    assert calls == [1]


@dataclass
class Touched:
    """A delivery that NATS hears of only from the second time on."""

    recorded: Recorded = field(default_factory=lambda: Recorded(1, sealed(SUBMITTED)))
    deliveries: int = 1
    touches: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def done(self) -> None: ...

    async def again(self, delay_s: float) -> None: ...

    async def touch(self) -> None:
        self.touches += 1
        if self.touches == 1:
            raise BusUnavailable(url="nowhere", reason="it is away")
        self.heard.set()


async def test_a_lease_that_could_not_be_renewed_once_is_renewed_the_next_time() -> None:
    delivery = Touched()
    async with asyncio.timeout(SOON_S), leased(delivery, 0.3) as lease:
        began_s = lease.ends_s
        await delivery.heard.wait()
        await asyncio.sleep(0)
        assert lease.ends_s > began_s


async def test_an_event_whose_lease_ends_while_it_is_worked_on_is_not_worked_on_twice_at_once() -> None:
    at_once, most, again = 0, 0, asyncio.Event()

    class Watched(MemoryBus):
        async def listen(self, consumer: Any) -> AsyncGenerator[Delivery, None]:
            async with contextlib.aclosing(super().listen(consumer)) as deliveries:
                async for delivery in deliveries:
                    yield delivery
                    if delivery.deliveries > 1:
                        again.set()

    async def handle(call: Call) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await again.wait()
        await call.append(TaskReadied())
        at_once -= 1

    bus = Watched()
    await bus.append([sealed(SUBMITTED)])
    async with running(bus, acting(handle, lease_s=0.0, deliveries_max=1_000_000)):
        await said(bus, "task.readied")
    assert most == 1


async def test_effects_of_several_events_go_on_side_by_side_up_to_the_limit(memory: MemoryRig) -> None:
    at_once, most, go = 0, 0, asyncio.Event()

    async def handle(call: Call) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 3:
            go.set()
        await go.wait()
        await asyncio.sleep(0)
        at_once -= 1
        await call.append(TaskReadied())

    await memory.bus.append([sealed(SUBMITTED) for _ in range(9)])
    async with running(memory.bus, acting(handle, concurrency=3)):
        await said(memory.bus, "task.readied", 9)
    assert most == 3


async def test_an_effect_that_fails_is_tried_again(memory: MemoryRig) -> None:
    async def handle(call: Call) -> None:
        if call.deliveries < 3:
            raise OSError("not yet")
        await call.append(TaskReadied())

    await memory.bus.append([sealed(SUBMITTED)])
    async with running(memory.bus, acting(handle)):
        assert await said(memory.bus, "task.readied") == [TaskReadied()]


async def test_stopping_lets_work_finish_that_finishes_soon(memory: MemoryRig) -> None:
    begun = asyncio.Event()

    async def handle(call: Call) -> None:
        begun.set()
        await call.stop.wait()
        await call.append(TaskFailed(reasons=("stopped",)))

    await memory.bus.append([sealed(SUBMITTED)])
    async with running(memory.bus, acting(handle)):
        await begun.wait()
    assert events(await memory.bus.past(T1)) == [SUBMITTED, TaskFailed(reasons=("stopped",))]


async def test_stopping_returns_what_does_not_finish(bus: Bus, rig: Any) -> None:
    begun = asyncio.Event()
    deliveries: list[int] = []

    async def hang(call: Call) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def finish(call: Call) -> None:
        deliveries.append(call.deliveries)
        await call.append(TaskReadied())

    stubborn = acting(hang, grace_s=0.05, lease_s=60.0)
    await rig.provide(stubborn.consumer)
    await bus.append([sealed(SUBMITTED)])
    async with running(bus, stubborn):
        await begun.wait()
    async with running(await rig.another(), acting(finish, lease_s=60.0)):
        await said(bus, "task.readied")
    assert deliveries == [2]


async def test_a_service_ends_with_the_error_of_its_bus(memory: MemoryRig) -> None:
    class Broken(MemoryBus):
        async def listen(self, consumer: Any) -> Any:
            raise RuntimeError("no bus")
            yield

    with pytest.raises(RuntimeError, match="no bus"):
        await thinking().run(Broken(), asyncio.Event())
