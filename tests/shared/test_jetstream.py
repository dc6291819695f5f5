"""What only a real server can do to the bus: go away, come back, refuse."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from obra.events import TaskCancelled, TaskCompleted, TaskReadied
from obra.events.subjects import STREAM, Scope
from obra.shared.bus import Consumer, pull
from obra.shared.bus.access import publish_subjects, subscribe_subjects
from obra.shared.bus.client import JoiningTransport
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.past import last
from obra.shared.bus.provision import provision, provision_consumer, redeliver
from obra.shared.bus.wire import Wire
from obra.shared.embedded.access import User
from obra.shared.errors import AppendRefused, BusUnavailable
from tests.rig import SERVICE, SETTINGS, Nats, NatsRig, free_port
from tests.shared.test_bus import SOON_S, T1, cancelled, group, sealed, settled, take

pytestmark = pytest.mark.bus


async def test_a_follower_misses_and_doubles_nothing_when_the_server_is_killed(nats: NatsRig) -> None:
    scopes = [Scope("shop", f"t{number}") for number in range(120)]
    seen = asyncio.create_task(take(nats.bus.follow(0), 120))
    for number, scope in enumerate(scopes):
        await nats.bus.append(cancelled(1, scope), expected=0)
        if number in {30, 70}:
            await nats.nats.restart()
    async with asyncio.timeout(60):
        raws = await seen
    assert [raw.position for raw in raws] == list(range(1, 121))
    assert [raw.envelope.scope for raw in raws if raw.envelope] == scopes


async def test_writing_to_a_lost_connection_leaves_nothing_behind_for_its_descriptor(nats: NatsRig) -> None:
    transport = nats.bus.nc._transport
    assert isinstance(transport, JoiningTransport)
    assert transport._io_writer
    descriptor = transport._io_writer.get_extra_info("socket").fileno()
    transport._io_writer.transport.abort()
    transport.writelines([b"PING\r\n", b"PING\r\n"])
    assert not asyncio.get_running_loop().remove_writer(descriptor)
    [envelope] = cancelled(1)
    await nats.bus.append([envelope])
    assert [raw.envelope for raw in await take(nats.bus.follow(0), 1)] == [envelope]


async def test_a_connection_that_is_lost_while_it_is_closed_is_closed_whole(nats: NatsRig) -> None:
    other = await nats.another()
    assert isinstance(other, JetStreamBus)
    following = asyncio.create_task(take(other.follow(0), 1))
    await other.last_position()
    transport = other.nc._transport
    assert isinstance(transport, JoiningTransport)
    assert transport._io_writer
    transport._io_writer.transport.abort()
    await other.nc._send_command(b"PING\r\n")
    await other.nc.close()
    async with asyncio.timeout(20):
        with pytest.raises(BusUnavailable):
            await following


async def test_what_is_stored_while_it_is_asked_whether_there_is_anything_new_is_read(
    nats: NatsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, new = cancelled(2)
    position = await nats.bus.append([known])

    async def asked(wire: Wire, filter: str) -> int:
        monkeypatch.undo()
        await nats.bus.append([new])
        return await last(wire, filter)

    monkeypatch.setattr("obra.shared.bus.past.last", asked)
    past = await nats.bus.past(T1, position)
    assert (past.position, [recorded.envelope for recorded in past.events]) == (position + 1, [new])


async def test_a_listener_goes_on_when_the_server_is_killed(nats: NatsRig) -> None:
    consumer = await nats.provide(group(lease_s=1.0))
    hearing = asyncio.create_task(settled(nats.bus.listen(consumer), 1))
    await asyncio.sleep(0.1)
    await nats.nats.restart()
    [envelope] = cancelled(1)
    await nats.bus.append([envelope])
    async with asyncio.timeout(30):
        assert [recorded.envelope for recorded in await hearing] == [envelope]


async def test_a_listener_outlives_its_requests(nats: NatsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "EXPIRES_S", 0.2)
    monkeypatch.setattr(pull, "HEARTBEAT_S", 0.05)
    consumer = await nats.provide(group())
    hearing = asyncio.create_task(settled(nats.bus.listen(consumer), 1))
    before = nats.bus.nc.stats["in_msgs"]
    while nats.bus.nc.stats["in_msgs"] < before + 20:
        await asyncio.sleep(0.01)
    await nats.bus.append(cancelled(1))
    assert [recorded.position for recorded in await hearing] == [1]


async def test_an_idle_listener_is_silent(nats: NatsRig) -> None:
    consumer = await nats.provide(group())
    hearing = asyncio.create_task(settled(nats.bus.listen(consumer), 1))
    await asyncio.sleep(0.2)
    before = dict(nats.bus.nc.stats)
    await asyncio.sleep(1.0)
    assert (nats.bus.nc.stats["in_msgs"], nats.bus.nc.stats["out_msgs"]) == (before["in_msgs"], before["out_msgs"])
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)


async def test_a_group_that_is_made_later_than_its_listener_is_found(nats: NatsRig) -> None:
    hearing = asyncio.create_task(settled(nats.bus.listen(group()), 1))
    await asyncio.sleep(0.3)
    await nats.provide(group())
    await nats.bus.append(cancelled(1))
    async with asyncio.timeout(SOON_S):
        assert [recorded.position for recorded in await hearing] == [1]


async def test_appends_wait_for_a_server_that_is_away_for_a_moment(nats: NatsRig) -> None:
    await nats.nats.kill()
    appending = asyncio.create_task(nats.bus.append(cancelled(3), expected=0))
    await asyncio.sleep(0.5)
    await nats.nats.start()
    async with asyncio.timeout(30):
        assert await appending == 3
    assert len((await nats.bus.past(T1)).events) == 3


async def test_what_was_acknowledged_survives_a_kill_and_nothing_is_doubled(nats: NatsRig) -> None:
    appending = asyncio.create_task(_append_many(nats.bus))
    for _ in range(3):
        await asyncio.sleep(0.15)
        await nats.nats.restart()
    async with asyncio.timeout(60):
        positions = await appending
    assert [recorded.position for recorded in (await nats.bus.past(T1)).events] == positions


async def _append_many(bus: JetStreamBus) -> list[int]:
    positions: list[int] = []
    for number in range(400):
        last = positions[-1] if positions else 0
        if number % 20:
            positions.append(await bus.append(cancelled(1), expected=last))
        else:
            end = await bus.append(cancelled(3), expected=last)
            positions += [end - 2, end - 1, end]
    return positions


async def test_a_past_of_many_megabytes_is_whole(nats: NatsRig) -> None:
    envelopes = [sealed(TaskCancelled(reason=str(number % 10) * 3_000_000)) for number in range(20)]
    for envelope in envelopes:
        await nats.bus.append([envelope])
    assert [recorded.envelope for recorded in (await nats.bus.past(T1)).events] == envelopes
    assert [raw.envelope for raw in await take(nats.bus.follow(0), 20)] == envelopes


async def test_headers_of_a_foreign_client_do_not_cut_a_past_short(nats: NatsRig) -> None:
    headers = {"Status": "204", "Nats-Num-Pending": "0", "Nats-Sequence": "77", "Nats-Subject": "obra.shop.t1.x"}
    await nats.admin.js.publish("obra.shop.t1.task.cancelled", b"", headers=headers)
    [envelope] = cancelled(1)
    await nats.bus.append([envelope])
    assert [(r.position, r.envelope) for r in (await nats.bus.past(T1)).events] == [(2, envelope)]


async def test_an_event_that_no_message_can_hold_is_refused(nats: NatsRig) -> None:
    for size in (5_000_000, 9_000_000):  # more than the stream takes, more than the server takes
        with pytest.raises(AppendRefused):
            await nats.bus.append([sealed(TaskCancelled(reason="x" * size))])
    assert await nats.bus.last_position() == 0


async def test_a_server_that_is_not_there_is_said_to_be_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obra.shared.bus.connect.CONNECT_S", 0.5)
    with pytest.raises(BusUnavailable, match=r"127\.0\.0\.1"):
        await JetStreamBus.connect(f"nats://127.0.0.1:{free_port()}", service="tester")


async def test_a_refused_login_is_told_at_once(nats: NatsRig) -> None:
    async with asyncio.timeout(9):
        with pytest.raises(BusUnavailable, match=r"(?i)authorization"):
            await JetStreamBus.connect(nats.nats.url, user=SERVICE, password="wrong", service=SERVICE)


async def test_a_service_may_say_and_take_only_what_is_its_own(tmp_path: Path) -> None:
    said = publish_subjects("planner", (TaskCancelled,), (TaskReadied,), follows=False, output=False, blobs=False)
    user = User("planner", "secret-p", tuple(said), tuple(subscribe_subjects("planner")))
    nats = Nats(tmp_path, (User("admin", "secret-a", (">",), (">",)), user))
    await nats.start()
    admin, planner = await nats.login("admin"), await nats.login("planner")
    try:
        await provision(admin.js, SETTINGS)
        mine, other = replace(group(), name="planner"), replace(group(), name="scorer")
        for consumer in (mine, other):
            await provision_consumer(admin.js, consumer)
        await admin.append(cancelled(1))
        assert [recorded.position for recorded in await settled(planner.listen(mine), 1)] == [1]
        assert await planner.append([sealed(TaskReadied())], expected=1) == 2
        async with asyncio.timeout(20):
            with pytest.raises(AppendRefused, match="permission"):
                await planner.append([sealed(TaskCompleted(attempt=1, branch="b", commit="c"))])
        waiting = asyncio.create_task(settled(planner.listen(other), 1))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    finally:
        for bus in (planner, admin):
            await bus.close()
        await nats.kill()


async def test_providing_again_changes_what_differs_and_keeps_what_is_stored(nats: NatsRig) -> None:
    await nats.bus.append(cancelled(1))
    consumer = await nats.provide(group(TaskReadied))
    await provision(nats.admin.js, SETTINGS)
    await provision(nats.admin.js, SETTINGS.model_copy(update={"output_bytes_max": 32 * 1024**2}))
    await nats.provide(replace(consumer, kinds=(TaskCancelled,)))
    assert (await nats.admin.js.stream_info("OBRA")).state.messages == 1
    assert (await nats.admin.js.stream_info("OBRA_OUTPUT")).config.max_bytes == 32 * 1024**2
    found = await nats.admin.js.consumer_info("OBRA", SERVICE)
    assert found.config.filter_subjects == ["obra.*.*.task.cancelled"]


async def test_a_stream_larger_than_the_disk_has_room_for_is_limited_by_the_disk(nats: NatsRig) -> None:
    await provision(nats.admin.js, SETTINGS.model_copy(update={"output_bytes_max": 2**60}))
    info = await nats.admin.js.stream_info("OBRA_OUTPUT")
    assert info.config.max_bytes == -1


async def until_nobody_reads(nats: NatsRig, consumer: Consumer) -> None:
    """Wait until the server has noticed that the group's last reader is gone."""
    async with asyncio.timeout(SOON_S):
        while (await nats.admin.js.consumer_info(STREAM, consumer.name)).num_waiting:
            await asyncio.sleep(0.01)


async def test_what_a_dead_reader_held_is_handed_out_again_at_once(nats: NatsRig) -> None:
    consumer = await nats.provide(group(lease_s=600.0))
    await nats.bus.append(cancelled(2))
    dying = await nats.another()
    deliveries = dying.listen(consumer)
    await anext(deliveries)
    assert isinstance(dying, JetStreamBus)
    await dying.nc.close()
    await until_nobody_reads(nats, consumer)
    await redeliver(nats.admin.js, consumer)
    async with asyncio.timeout(SOON_S):
        assert [r.position for r in await settled(nats.bus.listen(consumer), 2)] == [1, 2]
    await deliveries.aclose()


async def test_what_was_settled_just_before_a_bus_was_closed_stays_settled(nats: NatsRig) -> None:
    consumer = await nats.provide(group(lease_s=600.0))
    await nats.bus.append(cancelled(3))
    leaving = await nats.another()
    assert isinstance(leaving, JetStreamBus)
    assert [r.position for r in await settled(leaving.listen(consumer), 2)] == [1, 2]
    await leaving.close()
    await until_nobody_reads(nats, consumer)
    await redeliver(nats.admin.js, consumer)
    async with asyncio.timeout(SOON_S):
        assert [r.position for r in await settled(nats.bus.listen(consumer), 1)] == [3]


async def test_after_closing_nothing_waits_for_ever(nats: NatsRig) -> None:
    consumer = await nats.provide(group())
    other = await nats.another()
    assert isinstance(other, JetStreamBus)
    listening = asyncio.create_task(settled(other.listen(consumer), 1))
    following = asyncio.create_task(take(other.follow(0), 1))
    await asyncio.sleep(0.1)
    await other.close()
    async with asyncio.timeout(20):
        results = await asyncio.gather(listening, following, return_exceptions=True)
    assert [type(result) for result in results] == [BusUnavailable, BusUnavailable]
    with pytest.raises(BusUnavailable):
        await other.append(cancelled(1))
