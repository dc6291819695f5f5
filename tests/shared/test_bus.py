"""What every bus promises. Each test runs against every bus."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
import pytest

from obra.events import (
    AgentExited,
    CheckResult,
    ChecksRan,
    Content,
    Event,
    MessageDeadLettered,
    TaskCancelled,
    TaskReadied,
    TaskSubmitted,
    TimerFired,
    TimerSet,
)
from obra.events.subjects import Scope, subject
from obra.shared.bus import Bus, Consumer, Delivery, Past, Raw
from obra.shared.envelope import Envelope, Recorded, Unknown, encode
from obra.shared.errors import AppendRefused, BlobMissing, StaleAppend
from tests.rig import SERVICE, Rig

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
T1, T2 = Scope("shop", "t1"), Scope("shop", "t2")
SOON_S = 20.0
Item = TypeVar("Item")


def sealed(event: Event, scope: Scope = T1, number: int = 0) -> Envelope:
    id = UUID(int=number) if number else uuid4()
    return Envelope(id=id, project=scope.project, task=scope.task, at=NOON, event=event)  # type: ignore[arg-type]


def cancelled(count: int, scope: Scope = T1) -> list[Envelope]:
    return [sealed(TaskCancelled(reason=str(number)), scope) for number in range(count)]


def group(*kinds: type[Event], **limits: Any) -> Consumer:
    return Consumer(SERVICE, kinds or (TaskCancelled,), **limits)


async def take(items: AsyncGenerator[Item, None], count: int) -> list[Item]:
    """Return the next *count* items, and close."""
    async with contextlib.aclosing(items), asyncio.timeout(SOON_S):
        return [await anext(items) for _ in range(count)]


async def settled(items: AsyncGenerator[Delivery, None], count: int) -> list[Recorded]:
    """Return the next *count* deliveries, each settled as it came."""
    async with contextlib.aclosing(items), asyncio.timeout(SOON_S):
        found = []
        for _ in range(count):
            delivery = await anext(items)
            await delivery.done()
            found.append(delivery.recorded)
        return found


def events(past: Past) -> list[Event]:
    return [recorded.event for recorded in past.events]


# append and past


async def test_a_past_holds_one_scope_in_order(bus: Bus) -> None:
    mine, other = cancelled(3), cancelled(2, T2)
    assert [await bus.append([e]) for e in (mine[0], other[0], mine[1], other[1], mine[2])] == [1, 2, 3, 4, 5]
    found = tuple(Recorded(position, e) for position, e in zip((1, 3, 5), mine, strict=True))
    assert await bus.past(T1) == Past(5, found)
    assert await bus.last_position() == 5


async def test_nothing_has_no_past(bus: Bus) -> None:
    assert await bus.past(T1) == Past(0, ())
    assert await bus.last_position() == 0


async def test_the_last_position_can_be_that_of_some_events_alone(bus: Bus) -> None:
    await bus.append(cancelled(2))
    await bus.append([sealed(TaskReadied(), T2)])
    assert await bus.last_position(["obra.*.*.task.cancelled"]) == 2
    assert await bus.last_position(["obra.*.*.task.cancelled", T2.everything]) == 3
    assert await bus.last_position(["obra.*.*.timer.fired"]) == 0


async def test_a_timer_can_be_set_for_a_moment_and_fires_at_once_if_that_is_over(bus: Bus) -> None:
    soon = datetime.now(UTC) + timedelta(milliseconds=200)
    await bus.append([sealed(TimerSet(timer="soon", at=soon.isoformat()), T2)])
    await bus.append([sealed(TimerSet(timer="past", at="2020-01-01T00:00"))])
    raws = await take(bus.follow(0, ["obra.*.*.timer.fired"]), 2)
    assert {raw.envelope.event.timer for raw in raws if raw.envelope} == {"soon", "past"}  # type: ignore[union-attr]
    assert [raw.envelope.at for raw in raws if raw.envelope and raw.envelope.scope == T2] == [soon]


async def test_a_past_after_a_position_holds_only_what_is_newer(bus: Bus) -> None:
    envelopes = cancelled(3)
    for envelope in envelopes:
        await bus.append([envelope])
    await bus.append(cancelled(1, T2))
    assert await bus.past(T1, 2) == Past(3, (Recorded(3, envelopes[2]),))
    assert await bus.past(T1, 3) == Past(3, ())
    assert await bus.past(T1, 4) == Past(3, ())


async def test_a_past_that_must_reach_a_position_is_the_same_past(bus: Bus) -> None:
    mine, position = cancelled(4), 0
    for number, envelope in enumerate(mine):
        position = await bus.append([envelope], expected=position if number != 2 else None)
        await bus.append(cancelled(1, T2))
    for after in (0, 1, 3, 5, 7):
        assert await bus.past(T1, after, reaching=position) == await bus.past(T1, after)
    batch = cancelled(2)
    position = await bus.append(batch, expected=position)
    assert events(await bus.past(T1, 7, reaching=position)) == [envelope.event for envelope in batch]
    assert (await bus.past(T1, 7, reaching=position)).position == position


async def test_a_past_of_thousands_is_whole(bus: Bus) -> None:
    envelopes = cancelled(2_500)
    for start in range(0, 2_500, 500):
        await bus.append(envelopes[start : start + 500])
    assert [r.envelope for r in (await bus.past(T1)).events] == envelopes
    assert [r.position for r in (await bus.past(T1, 2_400)).events] == list(range(2_401, 2_501))


async def test_a_batch_is_stored_whole_and_in_order(bus: Bus) -> None:
    envelopes = cancelled(4)
    assert await bus.append(envelopes, expected=0) == 4
    assert await bus.past(T1) == Past(4, tuple(Recorded(n, e) for n, e in enumerate(envelopes, 1)))


@pytest.mark.parametrize("count", [1, 3])
async def test_a_stale_append_stores_nothing(bus: Bus, count: int) -> None:
    first = cancelled(1)
    await bus.append(first, expected=0)
    with pytest.raises(StaleAppend):
        await bus.append(cancelled(count), expected=0)
    with pytest.raises(StaleAppend):
        await bus.append(cancelled(count), expected=7)
    assert [r.envelope for r in (await bus.past(T1)).events] == first


async def test_a_moment_in_another_time_zone_is_the_same_moment(bus: Bus) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.2)).astimezone(timezone(timedelta(hours=5)))
    late = (datetime.now(UTC) + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-5)))
    await bus.append([sealed(TimerSet(timer="late", at=late.isoformat()))])
    await bus.append([sealed(TimerSet(timer="soon", at=soon.isoformat()), T2)])
    (raw,) = await take(bus.follow(0, ["obra.*.*.timer.fired"]), 1)
    assert raw.envelope
    assert (raw.envelope.event, raw.envelope.at) == (TimerFired(timer="soon"), soon)


async def test_a_stale_timer_never_fires(bus: Bus) -> None:
    await bus.append(cancelled(1), expected=0)
    with pytest.raises(StaleAppend):
        await bus.append([sealed(TimerSet(timer="stale", delay_s=0))], expected=0)
    await bus.append([sealed(TimerSet(timer="good", delay_s=0.01))], expected=1)
    raws = await take(bus.follow(1), 2)
    assert [raw.envelope.event for raw in raws if raw.envelope] == [
        TimerSet(timer="good", delay_s=0.01),
        TimerFired(timer="good"),
    ]


async def test_other_scopes_never_make_an_append_stale(bus: Bus) -> None:
    await bus.append(cancelled(3, T2))
    assert await bus.append(cancelled(1), expected=0) == 4
    assert await bus.append(cancelled(1), expected=4) == 5


async def test_the_same_envelope_is_stored_once(bus: Bus) -> None:
    [envelope] = cancelled(1)
    assert [await bus.append([envelope]) for _ in range(3)] == [1, 1, 1]
    assert await bus.past(T1) == Past(1, (Recorded(1, envelope),))


@pytest.mark.parametrize("count", [1, 3])
async def test_appending_again_with_the_old_expectation_succeeds(bus: Bus, count: int) -> None:
    envelopes = cancelled(count)
    position = await bus.append(envelopes, expected=0)
    assert await bus.append(envelopes, expected=0) == position
    assert len((await bus.past(T1)).events) == count


async def test_of_a_batch_only_what_is_missing_is_stored(bus: Bus) -> None:
    first, second, third = cancelled(3)
    await bus.append([second])
    await bus.append([first, second, third])
    assert [r.envelope for r in (await bus.past(T1)).events] == [second, first, third]


async def test_an_append_belongs_to_one_scope(bus: Bus) -> None:
    with pytest.raises(ValueError, match="one scope"):
        await bus.append(cancelled(1) + cancelled(1, T2))
    with pytest.raises(ValueError, match="one or more"):
        await bus.append([])
    assert await bus.last_position() == 0


async def test_a_chain_is_stored_event_by_event_in_order(bus: Bus) -> None:
    envelopes, position = cancelled(4), await bus.append(cancelled(1))
    assert await bus.append_chain(envelopes, expected=position) == 5
    known = await bus.past(T1, 1, reaching=5)  # before the stream itself is asked
    assert known == await bus.past(T1, 1) == Past(5, tuple(Recorded(n, e) for n, e in enumerate(envelopes, 2)))
    assert await bus.append_chain(cancelled(1), expected=5) == 6


async def test_a_chain_that_is_stale_stores_nothing(bus: Bus) -> None:
    first = cancelled(1)
    await bus.append(first, expected=0)
    for expected in (0, 7):
        with pytest.raises(StaleAppend):
            await bus.append_chain(cancelled(3), expected=expected)
    assert [r.envelope for r in (await bus.past(T1)).events] == first


async def test_a_chain_holds_in_between_what_happens_elsewhere(bus: Bus) -> None:
    """Whatever comes between two of its events in the stream: each chain is whole and in order in its own scope."""
    scopes = [Scope("shop", f"s{number}") for number in range(20)]
    chains = [cancelled(4, scope) for scope in scopes]
    await asyncio.gather(*(bus.append_chain(chain, expected=0) for chain in chains))
    for scope, chain in zip(scopes, chains, strict=True):
        assert [r.envelope for r in (await bus.past(scope)).events] == chain


async def test_of_many_chains_with_one_expectation_one_is_stored_and_no_other_begins(bus: Bus) -> None:
    chains = [cancelled(3) for _ in range(10)]
    results = await asyncio.gather(*(bus.append_chain(chain, expected=0) for chain in chains), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["StaleAppend"] * 9 + ["int"]
    [stored] = [chain for chain, result in zip(chains, results, strict=True) if isinstance(result, int)]
    assert [r.envelope for r in (await bus.past(T1)).events] == stored


@pytest.mark.parametrize("there", [1, 2, 3])
async def test_a_chain_whose_beginning_is_stored_already_goes_on_from_there(bus: Bus, there: int) -> None:
    envelopes = cancelled(3)
    position = 0
    for envelope in envelopes[:there]:
        position = await bus.append([envelope], expected=position)
        await bus.append(cancelled(1, T2))
    assert await bus.append_chain(envelopes, expected=0) == (position if there == 3 else 2 * there + 3 - there)
    assert [r.envelope for r in (await bus.past(T1)).events] == envelopes


async def test_a_chain_is_broken_off_where_something_else_has_happened(bus: Bus) -> None:
    envelopes = cancelled(3)
    other = cancelled(1)
    await bus.append([envelopes[0]], expected=0)
    await bus.append(other, expected=1)
    with pytest.raises(StaleAppend):
        await bus.append_chain(envelopes, expected=0)
    assert [r.envelope for r in (await bus.past(T1)).events] == [envelopes[0], *other]


async def test_timers_and_large_texts_can_stand_in_a_chain(bus: Bus) -> None:
    large = sealed(AgentExited(attempt=1, run=1, ending="completed", result=Content.of("x" * 100_000)))
    timer = sealed(TimerSet(timer="good", delay_s=0.01))
    await bus.append_chain([cancelled(1)[0], large, timer], expected=0)
    raws = await take(bus.follow(0), 4)
    assert [type(raw.envelope.event) for raw in raws if raw.envelope] == [
        TaskCancelled, AgentExited, TimerSet, TimerFired,
    ]  # fmt: skip
    assert raws[1].envelope is not None
    assert await bus.text(raws[1].envelope.event.result) == "x" * 100_000  # type: ignore[union-attr]


async def test_one_event_for_each_of_several_scopes_is_stored_at_once(bus: Bus) -> None:
    await bus.append(cancelled(2))
    mine, other, new = cancelled(1)[0], cancelled(1, T2)[0], cancelled(1, Scope("shop", "t3"))[0]
    await bus.append(cancelled(1, T2))
    assert await bus.append_each([(mine, 2), (other, 3), (new, 0)]) == 6
    assert [(await bus.past(e.scope)).events[-1] for e in (mine, other, new)] == [
        Recorded(4, mine), Recorded(5, other), Recorded(6, new)
    ]  # fmt: skip


async def test_where_one_scope_has_moved_nothing_is_stored_in_any(bus: Bus) -> None:
    await bus.append(cancelled(2))
    await bus.append(cancelled(1, T2))
    with pytest.raises(StaleAppend):
        await bus.append_each(
            [(cancelled(1)[0], 2), (cancelled(1, T2)[0], 2), (cancelled(1, Scope("shop", "t3"))[0], 0)]
        )
    with pytest.raises(StaleAppend):
        await bus.append_each([(cancelled(1)[0], 1), (cancelled(1, T2)[0], 3)])
    assert await bus.last_position() == 3


async def test_what_was_stored_for_each_scope_is_stored_once(bus: Bus) -> None:
    pairs = [(cancelled(1)[0], 0), (cancelled(1, T2)[0], 0)]
    assert await bus.append_each(pairs) == 2
    assert await bus.append_each(pairs) == 2
    assert await bus.last_position() == 2


async def test_a_scope_comes_once_in_such_an_append_and_a_thousand_are_enough(bus: Bus) -> None:
    with pytest.raises(ValueError, match="one event for each"):
        await bus.append_each([(envelope, 0) for envelope in cancelled(2)])
    with pytest.raises(ValueError, match="one event for each"):
        await bus.append_each([])
    many = [(cancelled(1, Scope("shop", f"s{n}"))[0], 0) for n in range(1_001)]
    with pytest.raises(AppendRefused):
        await bus.append_each(many)
    await bus.append_each(many[:1_000])
    assert await bus.last_position() == 1_000


async def test_of_many_appends_with_one_expectation_one_wins(bus: Bus) -> None:
    results = await asyncio.gather(*(bus.append([e], expected=0) for e in cancelled(10)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["StaleAppend"] * 9 + ["int"]


async def test_what_is_no_event_moves_a_past_and_is_not_in_it(rig: Rig) -> None:
    envelope = sealed(TaskReadied())
    await rig.inject("obra.shop.t1.task.readied", b"\xff\x00 no JSON")
    await rig.inject("obra.shop.t1.task.cancelled", encode(envelope))
    newer = msgspec.json.decode(encode(sealed(TaskReadied())))
    newer["event"] = {"type": "task.praised", "by": "everybody"}
    await rig.inject("obra.shop.t1.task.praised", msgspec.json.encode(newer))
    assert await rig.bus.past(T1) == Past(3, ())
    assert await rig.bus.append([envelope], expected=3) == 4


# large texts


async def test_a_large_text_travels_by_reference(bus: Bus) -> None:
    large, small = Content.of("ü" * 100_000), Content.of("small")
    check = CheckResult(command="pytest", exit_code=0, output=large)
    await bus.append([sealed(ChecksRan(attempt=1, run=1, checks=(check,), passed=True))])
    await bus.append([sealed(AgentExited(attempt=1, run=1, ending="completed", result=small))])
    checks, exited = events(await bus.past(T1))
    assert isinstance(checks, ChecksRan)
    assert isinstance(exited, AgentExited)
    assert checks.checks[0].output == large.by_reference()
    assert await bus.text(checks.checks[0].output) == "ü" * 100_000
    assert exited.result == small
    assert await bus.text(small) == "small"


async def test_an_event_of_many_middling_texts_still_fits(bus: Bus) -> None:
    texts = [f"{number}" * 50_000 for number in range(10)] * 3
    checks = tuple(CheckResult(command="c", exit_code=0, output=Content.of(text)) for text in texts)
    await bus.append([sealed(ChecksRan(attempt=1, run=1, checks=checks, passed=True))])
    [ran] = events(await bus.past(T1))
    assert isinstance(ran, ChecksRan)
    assert [await bus.text(check.output) for check in ran.checks] == texts


async def test_content_can_be_put_before_anything_refers_to_it(bus: Bus) -> None:
    large = Content.of("x" * 3_000_000)
    stored = await bus.put(large)
    assert stored == large.by_reference()
    assert await bus.put(large) == stored
    assert await bus.put(stored) == stored
    assert await bus.text(stored) == large.text
    assert await bus.put(Content.of("x")) == Content.of("x")


async def test_content_that_is_gone_is_an_error(bus: Bus) -> None:
    with pytest.raises(BlobMissing):
        await bus.text(Content.of("y" * 100_000).by_reference())


# listen


async def test_a_group_hears_its_kinds_from_the_beginning(rig: Rig) -> None:
    early, other, late = sealed(TaskCancelled(reason="a")), sealed(TaskReadied()), sealed(TaskCancelled(reason="b"), T2)
    await rig.bus.append([early])
    consumer = await rig.provide(group(TaskCancelled))
    await rig.bus.append([other])
    await rig.bus.append([late])
    assert await settled(rig.bus.listen(consumer), 2) == [Recorded(1, early), Recorded(3, late)]


async def test_an_idle_reader_hears_at_once(rig: Rig) -> None:
    consumer = await rig.provide(group())
    hearing = asyncio.create_task(settled(rig.bus.listen(consumer), 1))
    await asyncio.sleep(0)
    [envelope] = cancelled(1)
    await rig.bus.append([envelope])
    assert await hearing == [Recorded(1, envelope)]


async def test_what_was_settled_never_comes_again_and_what_was_not_does(rig: Rig) -> None:
    consumer = await rig.provide(group(lease_s=0.2))
    await rig.bus.append(cancelled(2))
    deliveries = rig.bus.listen(consumer)
    first, second = await anext(deliveries), await anext(deliveries)
    await first.done()
    assert (first.deliveries, second.deliveries) == (1, 1)
    again = await anext(deliveries)
    assert (again.recorded.position, again.deliveries) == (2, 2)
    await again.done()
    await deliveries.aclose()
    third = cancelled(1)
    await rig.bus.append(third)
    assert [r.envelope for r in await settled(rig.bus.listen(consumer), 1)] == third


async def test_what_is_put_off_comes_again_after_its_delay(rig: Rig) -> None:
    consumer = await rig.provide(group())
    await rig.bus.append(cancelled(1))
    deliveries = rig.bus.listen(consumer)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await (await anext(deliveries)).again(0.3)
    again = await anext(deliveries)
    assert (again.recorded.position, again.deliveries) == (1, 2)
    assert loop.time() - began >= 0.25
    await again.done()
    await deliveries.aclose()


async def test_a_touched_lease_does_not_end(rig: Rig) -> None:
    consumer = await rig.provide(group(lease_s=1.0))
    await rig.bus.append(cancelled(1))
    deliveries = rig.bus.listen(consumer)
    delivery = await anext(deliveries)
    for _ in range(6):
        await asyncio.sleep(0.25)
        await delivery.touch()
    await delivery.done()
    await rig.bus.append(cancelled(1))
    following = await anext(deliveries)
    assert (following.recorded.position, following.deliveries) == (2, 1)
    await deliveries.aclose()


async def test_what_can_not_be_read_is_passed_over(rig: Rig) -> None:
    consumer = await rig.provide(group())
    await rig.inject("obra.shop.t1.task.cancelled", b"{}")
    await rig.inject("obra.shop.t2.task.cancelled", encode(sealed(TaskCancelled())))
    [good] = cancelled(1)
    await rig.bus.append([good])
    assert await settled(rig.bus.listen(consumer), 1) == [Recorded(3, good)]


async def test_what_is_never_settled_becomes_one_dead_letter(rig: Rig) -> None:
    consumer = await rig.provide(group(deliveries_max=2))
    poison, fine = cancelled(2)
    await rig.bus.append([poison])
    deliveries = rig.bus.listen(consumer)
    for _ in range(2):
        await (await anext(deliveries)).again(0)
    waiting = asyncio.ensure_future(anext(deliveries))
    letter = (await take(rig.bus.follow(1, ["obra.*.*.message.dead_lettered"]), 1))[0].envelope
    assert letter
    assert letter.cause == poison.id
    assert letter.event == MessageDeadLettered(
        position=1, consumer=SERVICE, reason="it was handed out 2 times and never settled", deliveries=2
    )
    await rig.bus.append([fine])
    delivery = await waiting
    assert delivery.recorded.envelope == fine
    await delivery.done()
    await deliveries.aclose()


async def test_two_readers_share_a_group(rig: Rig) -> None:
    consumer = await rig.provide(group(ahead_max=1))
    readers = [(await rig.another()).listen(consumer) for _ in range(2)]
    envelopes = cancelled(20)
    await rig.bus.append(envelopes)
    found = [[await anext(reader) for _ in range(10)] for reader in readers]
    assert sorted(d.recorded.position for half in found for d in half) == list(range(1, 21))
    for delivery in (d for half in found for d in half):
        await delivery.done()
    for reader in readers:
        await reader.aclose()


async def test_no_more_is_handed_out_than_may_be_in_flight(rig: Rig) -> None:
    consumer = await rig.provide(group(in_flight_max=2))
    await rig.bus.append(cancelled(3))
    deliveries = rig.bus.listen(consumer)
    first, _ = await anext(deliveries), await anext(deliveries)
    third = asyncio.ensure_future(anext(deliveries))
    done, _ = await asyncio.wait([third], timeout=0.3)
    assert not done
    await first.done()
    async with asyncio.timeout(SOON_S):
        assert (await third).recorded.position == 3
    await deliveries.aclose()


async def test_what_a_closed_reader_had_taken_ahead_goes_to_another_at_once(rig: Rig) -> None:
    consumer = await rig.provide(group())
    envelopes = cancelled(10)
    await rig.bus.append(envelopes)
    first = await settled(rig.bus.listen(consumer), 1)
    rest = await settled((await rig.another()).listen(consumer), 9)
    assert sorted(r.position for r in first + rest) == list(range(1, 11))


async def test_a_listener_can_be_cancelled(rig: Rig) -> None:
    consumer = await rig.provide(group())
    waiting = asyncio.create_task(settled(rig.bus.listen(consumer), 1))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# follow


async def test_following_yields_everything_as_it_was_stored(rig: Rig) -> None:
    [envelope] = cancelled(1)
    await rig.bus.append([envelope])
    await rig.inject("obra.shop.t1.odd", b"odd")
    good, odd = await take(rig.bus.follow(0), 2)
    assert good == Raw(1, subject(T1, envelope.event), encode(envelope), good.stored_at_ns, envelope)
    assert abs(good.stored_at_ns / 1e9 - datetime.now(UTC).timestamp()) < 60
    assert (odd.position, odd.subject, odd.data, odd.envelope) == (2, "obra.shop.t1.odd", b"odd", None)
    assert odd.problem == "A message of 3 bytes is no event: JSON is malformed: invalid character (byte 0)"


@pytest.mark.parametrize("scope", [Scope("shop", "-"), Scope("-", "t1")])
async def test_nothing_is_submitted_under_the_name_of_the_project_itself(rig: Rig, scope: Scope) -> None:
    envelope = sealed(TaskSubmitted(text="x", repo="/r"), scope)
    await rig.inject(subject(scope, envelope.event), encode(envelope))
    [raw] = await take(rig.bus.follow(0), 1)
    assert raw.envelope is None
    assert "'-' stands for the whole project, or for all" in str(raw.problem)


async def test_an_unknown_type_is_passed_on(rig: Rig) -> None:
    newer = msgspec.json.decode(encode(sealed(TaskReadied())))
    newer["event"] = {"type": "task.praised", "by": "everybody"}
    await rig.inject("obra.shop.t1.task.praised", msgspec.json.encode(newer))
    [raw] = await take(rig.bus.follow(0), 1)
    assert raw.envelope
    assert raw.envelope.event == Unknown(name="task.praised")


async def test_a_follower_begins_behind_its_position_and_sees_only_what_it_asked_for(bus: Bus) -> None:
    await bus.append(cancelled(2))
    await bus.append([sealed(TaskReadied())])
    await bus.append(cancelled(1, T2))
    assert [raw.position for raw in await take(bus.follow(1), 3)] == [2, 3, 4]
    assert [raw.position for raw in await take(bus.follow(1, ["obra.*.*.task.cancelled"]), 2)] == [2, 4]
    assert [raw.position for raw in await take(bus.follow(0, ["obra.shop.t2.>", "obra.*.*.task.readied"]), 2)] == [3, 4]


async def test_a_follower_misses_nothing_that_is_said_meanwhile(bus: Bus) -> None:
    await bus.append(cancelled(50))
    seen = asyncio.create_task(take(bus.follow(await bus.last_position() - 50), 350))
    for start in range(100):
        await bus.append(cancelled(3, Scope("shop", f"t{start}")))
    assert [raw.position for raw in await seen] == list(range(1, 351))


# timers


async def test_a_timer_fires_once_it_is_due(bus: Bus) -> None:
    question = sealed(TimerSet(timer="outage", delay_s=0.2))
    await bus.append([question])
    began = asyncio.get_running_loop().time()
    _, fired = (raw.envelope for raw in await take(bus.follow(0, ["obra.>"]), 2))
    assert fired
    assert asyncio.get_running_loop().time() - began >= 0.15
    assert (fired.event, fired.scope) == (TimerFired(timer="outage"), T1)
    assert (fired.cause, fired.correlation) == (question.id, question.id)
    assert abs(fired.at - datetime.now(UTC)) < timedelta(seconds=20)


async def test_a_timer_that_is_appended_twice_fires_once(bus: Bus) -> None:
    question = sealed(TimerSet(timer="a", delay_s=0.05))
    await bus.append([question])
    await bus.append([question])
    await bus.append([sealed(TimerSet(timer="b", delay_s=0.4))])
    raws = await take(bus.follow(0, ["obra.*.*.timer.fired"]), 2)
    assert [raw.envelope.event for raw in raws if raw.envelope] == [TimerFired(timer="a"), TimerFired(timer="b")]


# live output


async def test_live_output_reaches_who_listens_to_the_task(bus: Bus) -> None:
    heard = asyncio.create_task(take(bus.hear(T1), 1))
    while not heard.done():
        await bus.say(T2, 1, b"not for you")
        await bus.say(T1, 2, b"x" * 600_000)
        await asyncio.wait([heard], timeout=0.02)
    assert await heard == [(2, b"x" * 512 * 1024)]
