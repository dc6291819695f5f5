"""log-sink copies the stream into the store, each message once, and answers questions meanwhile."""

import asyncio
import json
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import msgspec
import pytest

from obra.events import ChainAnchored, MessageRejected, PruneRefused, ServiceDegraded, StreamPruned, TaskSubmitted
from obra.events.subjects import Scope
from obra.services.log_sink import pending
from obra.services.log_sink.journal import Journal
from obra.services.log_sink.query_server import AT_ONCE_MAX
from obra.services.log_sink.service import LogSink, service
from obra.services.log_sink.sink import Sink
from obra.shared.bus import Bus, Raw
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.memory import MemoryBus
from obra.shared.bus.provision import provision
from obra.shared.config import Settings, StoreSettings
from obra.shared.embedded.access import QUERIES, users_for
from obra.shared.envelope import Envelope
from obra.shared.home import Home
from obra.shared.store.errors import QueryFailed, QueryRefused, StoreBehind, StoreLocked, StoreSilent
from obra.shared.store.query import RemoteQuery, local_query
from obra.shared.store.select import Wanted, remote_events
from obra.shared.store.wire import MESSAGE_BYTES_MAX, SUBJECT
from tests.escapes import ESCAPES, assert_a_reason
from tests.recorded import envelopes
from tests.rig import SETTINGS as NATS_SETTINGS
from tests.rig import MemoryRig, Nats
from tests.simulation.world import World
from tests.stored import local_events

SCOPE = Scope("shop", "t1")
SOON_S = 20.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def sink_of(home: Home, batch_max: int = 50) -> Sink:
    return Sink(home.store, home.logs / "events.jsonl", batch_max)


@asynccontextmanager
async def running(bus: Bus, sink: Sink) -> AsyncIterator[Sink]:
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(bus, stop))
    try:
        yield sink
    finally:
        stop.set()
        async with asyncio.timeout(SOON_S):
            await task


async def copied(bus: MemoryBus, home: Home, **wishes: Any) -> list[Raw]:
    """Let a sink run until it has everything, itself included, and return what the store holds then."""
    async with running(bus, sink_of(home, **wishes)) as sink:
        await settled(bus, sink)
    return list(local_events(home.store, Wanted()))


async def settled(bus: Bus, sink: Sink) -> None:
    """Return when the store has all there is, and everything has been reported that has to be."""
    seen = -1
    while (last := await bus.last_position()) != seen or sink.reports:
        await sink.caught_up(last, SOON_S)
        await asyncio.sleep(0)
        seen = last


async def played(bus: Bus, *seeds: int) -> None:
    for seed in seeds:
        for envelope in envelopes(Scope("shop", f"t{seed}"), World(seed).play()):
            await bus.append([envelope])


def told(raws: list[Raw]) -> list[tuple[int, str, bytes]]:
    """Return what the stream and the store must agree about."""
    return [(raw.position, raw.subject, raw.data) for raw in raws]


def reports(raws: list[Raw]) -> list[Any]:
    kinds = (MessageRejected, ServiceDegraded)
    return [raw.envelope.event for raw in raws if raw.envelope and isinstance(raw.envelope.event, kinds)]


def log_lines(home: Home) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home.logs / "events.jsonl").read_text().splitlines()]


async def test_every_message_is_stored_once_and_in_order(memory: MemoryRig, home: Home) -> None:
    await played(memory.bus, 1, 2, 3)
    assert told(await copied(memory.bus, home)) == told(memory.bus.log)


async def test_after_a_stop_it_goes_on_where_it_was(memory: MemoryRig, home: Home) -> None:
    for seed in range(5):
        await played(memory.bus, seed)
        assert told(await copied(memory.bus, home, batch_max=7)) == told(memory.bus.log)
    assert [line["position"] for line in log_lines(home)] == list(range(1, len(memory.bus.log) + 1))


async def test_new_events_are_stored_as_they_come(memory: MemoryRig, home: Home) -> None:
    async with running(memory.bus, sink_of(home)) as sink:
        for seed in range(3):
            await played(memory.bus, seed)
            await sink.caught_up(len(memory.bus.log), SOON_S)
            assert sink.position == len(memory.bus.log)


async def test_who_asks_before_the_store_is_open_waits_for_no_company(
    memory: MemoryRig, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "LINGER_S", 10 * SOON_S)
    await played(memory.bus, 1)
    async with running(memory.bus, sink_of(home, batch_max=1_000)) as sink:
        await sink.caught_up(len(memory.bus.log), SOON_S)


async def test_it_stops_only_when_what_it_has_read_is_stored(memory: MemoryRig, home: Home) -> None:
    sink, stop = sink_of(home, batch_max=10), asyncio.Event()
    await played(memory.bus, 1)
    task = asyncio.create_task(sink.run(memory.bus, stop))
    await sink.caught_up(10, SOON_S)
    stop.set()
    async with asyncio.timeout(SOON_S):
        await task
    stored = list(local_events(home.store, Wanted()))
    assert len(stored) >= 10
    assert told(stored) == told(memory.bus.log[: len(stored)])
    assert [line["position"] for line in log_lines(home)] == [raw.position for raw in stored]


async def test_whoever_waits_too_long_is_told_how_far_the_store_is(memory: MemoryRig, home: Home) -> None:
    await played(memory.bus, 1)
    async with running(memory.bus, sink_of(home)) as sink:
        await settled(memory.bus, sink)
        with pytest.raises(StoreBehind, match=f"taken in {len(memory.bus.log)} of 99999 events"):
            await sink.caught_up(99_999, 0.05)


async def test_what_is_no_event_is_reported_once_whatever_happens(memory: MemoryRig, home: Home) -> None:
    await played(memory.bus, 1)
    at = memory.bus.publish("obra.shop.t1.task.completed", b"nope, password=hunter22")
    memory.bus.publish("obra.shop.t1.message.rejected", b"nope")
    odd = memory.bus.publish("obra.sh$op.t1.x", b"{}")
    raws = await copied(memory.bus, home)
    first, second = reports(raws)
    assert first == MessageRejected(
        position=at,
        subject="obra.shop.t1.task.completed",
        reason=first.reason,
        preview="nope, password=[redacted:password]",
    )
    assert second == MessageRejected(position=odd, subject="obra.sh$op.t1.x", reason=second.reason, preview="{}")
    assert [raw.envelope.scope for raw in raws[-2:] if raw.envelope] == [SCOPE, Scope("-", "-")]
    assert told(await copied(memory.bus, home)) == told(raws)
    home.store.unlink()
    assert told(await copied(memory.bus, home)) == told(raws)


async def test_a_report_that_a_crash_swallowed_is_made_up_for(memory: MemoryRig, home: Home) -> None:
    class Deaf(MemoryBus):
        async def append(self, envelopes: Any, *, expected: int | None = None) -> int:
            raise StoreSilent(reason="the bus takes nothing")

    deaf = Deaf()
    deaf.publish("obra.shop.t1.task.completed", b"nope")
    async with running(deaf, sink_of(home)) as sink:
        await sink.caught_up(1, SOON_S)
    assert reports(list(local_events(home.store, Wanted()))) == []
    memory.bus.publish("obra.shop.t1.task.completed", b"nope")
    memory.bus.log[0] = deaf.log[0]
    (report,) = reports(await copied(memory.bus, home))
    assert report.position == 1


@pytest.mark.parametrize("harm", ["garbage", "cut", "emptied", "watermark", "forged"])
async def test_a_damaged_store_is_moved_aside_and_rebuilt(memory: MemoryRig, home: Home, harm: str) -> None:
    await played(memory.bus, 1, 2)
    before = await copied(memory.bus, home)
    damage(home.store, harm)
    raws = await copied(memory.bus, home)
    assert told(raws[: len(before)]) == told(before)
    (report,) = reports(raws)
    assert (report.service, report.lacking) == ("log-sink", "store")
    assert report.effect == "the file was moved to obra.duckdb.damaged-1 and is rebuilt from the stream"
    assert (home.root / "obra.duckdb.damaged-1").exists()
    assert told(raws) == told(memory.bus.log)
    assert [line["position"] for line in log_lines(home)] == list(range(1, len(raws) + 1))


def damage(path: Path, harm: str) -> None:
    data = path.read_bytes()
    match harm:
        case "garbage":
            path.write_bytes(b"garbage" * 1_000)
        case "cut":
            path.write_bytes(data[: len(data) // 3])
        case "emptied":
            path.write_bytes(bytes(len(data)))
        case "watermark" | "forged":
            with duckdb.connect(path) as db:
                db.execute(
                    "UPDATE sink SET watermark = 3"
                    if harm == "watermark"
                    else "UPDATE event SET raw = 'x' WHERE position = (SELECT max(position) FROM event)"
                )


async def test_the_store_of_another_stream_is_moved_aside(memory: MemoryRig, home: Home) -> None:
    other = MemoryBus()
    await played(other, 1, 2)
    await copied(other, home)
    await played(memory.bus, 1)
    raws = await copied(memory.bus, home)
    (report,) = reports(raws)
    assert (
        report.reason
        == f"the store has come to position {len(other.log)}, the stream only to {len(memory.bus.log) - 1}"
    )
    assert told(raws) == told(memory.bus.log)
    assert log_lines(home)[1:] == [
        {"position": raw.position, **msgspec.json.decode(raw.data)} for raw in raws
    ]  # the first line says that another stream begins


async def test_a_stream_that_was_made_anew_and_has_grown_since_is_noticed(memory: MemoryRig, home: Home) -> None:
    other = MemoryBus()
    await played(other, 1)
    await copied(other, home)
    await played(memory.bus, 2, 3, 4)
    assert len(memory.bus.log) > len(other.log)
    raws = await copied(memory.bus, home)
    (report,) = reports(raws)
    assert report.reason == f"the stream holds another message at position {len(other.log)} than the store"
    assert told(raws) == told(memory.bus.log)


async def test_a_store_that_somebody_has_open_is_an_error_that_names_them(memory: MemoryRig, home: Home) -> None:
    await copied(memory.bus, home)
    script = f"import duckdb; db = duckdb.connect({str(home.store)!r}); print('open', flush=True); input()"
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={}
    )
    assert other.stdout
    assert await other.stdout.readline() == b"open\n"
    with pytest.raises(StoreLocked, match=f"process {other.pid}"):
        await sink_of(home).run(memory.bus, asyncio.Event())
    other.kill()
    await other.wait()
    await copied(memory.bus, home)


def python() -> list[str]:
    return [sys.executable]


async def test_the_log_is_redacted_private_and_one_object_a_line(memory: MemoryRig, home: Home) -> None:
    await memory.bus.append(envelopes(SCOPE, [TaskSubmitted(text="a\nb sk-ant-api03-abcdefgh1234 \u2713", repo="/r")]))
    memory.bus.publish("obra.shop.t1.task.failed", b'{"\n')
    await copied(memory.bus, home)
    first, second, third = log_lines(home)
    assert (first["position"], first["event"]["text"]) == (1, "a\nb [redacted:anthropic-key] \u2713")
    assert (second["position"], second["subject"]) == (2, "obra.shop.t1.task.failed")
    assert (third["position"], third["event"]["type"]) == (3, "message.rejected")
    for path in (home.logs / "events.jsonl", home.store):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_log_goes_on_after_a_half_line_and_writes_none_twice(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"position":1}\n{"position":2}\n{"posi')
    journal = Journal(path)
    assert journal.position == 2
    journal.write([(number, b'{"position":%d}' % number) for number in (1, 2, 3)])
    journal.close()
    assert path.read_bytes() == b'{"position":1}\n{"position":2}\n{"position":3}\n'


def test_the_log_can_be_kept_free_of_who_somebody_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", impersonal=True)
    journal.write([(1, b'{"position":1,"event":{"text":"mail ada@example.org"}}')])
    journal.close()
    told = {"position": 1, "event": {"text": "mail [redacted:email]"}}
    assert json.loads((tmp_path / "log").read_bytes()) == told


def test_the_log_is_bounded(tmp_path: Path) -> None:
    for number in range(1, 101):
        journal = Journal(tmp_path / "log", bytes_max=100, files_max=3)
        journal.write([(number, b'{"position":%d}' % number)])
        journal.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    kept = "".join((tmp_path / name).read_text() for name in ("log.2", "log.1", "log"))
    positions = [json.loads(line)["position"] for line in kept.splitlines()]
    assert positions == list(range(positions[0], 101))


Asked = Callable[..., Awaitable[Any]]


ENDLESS = "SELECT levenshtein(repeat('ab', 400000), repeat('b', 400000))"


class Live:
    """A log-sink on a real server, logged in with its own permissions, and an edge that asks."""

    def __init__(self, nats: Nats, admin: JetStreamBus, edge: JetStreamBus, stop: asyncio.Event) -> None:
        self.nats, self.admin, self.edge, self.stop = nats, admin, edge, stop
        self.ask = RemoteQuery(edge.nc)

    async def asked(self, sql: str, *params: Any, **wishes: Any) -> Any:
        return await self.ask.run(sql, params, wait_position=await self.edge.last_position(), **wishes)

    async def say(self, *told: Envelope) -> None:
        for envelope in told:
            await self.admin.append([envelope])


@asynccontextmanager
async def live_sink(tmp_path: Path, home: Home, settings: Settings) -> AsyncIterator[Live]:
    sink = service(settings, home)
    nats = Nats(tmp_path, tuple(users_for([sink])))
    await nats.start()
    admin = await nats.login("admin")
    await provision(admin.js, NATS_SETTINGS)
    bus, edge, stop = await nats.login("log-sink"), await nats.login("edge"), asyncio.Event()
    task = asyncio.create_task(sink.run(bus, stop))
    try:
        yield Live(nats, admin, edge, stop)
    finally:
        stop.set()
        async with asyncio.timeout(SOON_S):
            await task
        for one in (edge, bus, admin):
            await one.close()
        await nats.kill()


@pytest.fixture
async def live(tmp_path: Path, home: Home) -> AsyncIterator[Live]:
    settings = Settings(store=StoreSettings(query_timeout_s=SOON_S, query_rows_max=200_000))
    async with live_sink(tmp_path, home, settings) as made:
        await made.asked("SELECT 1")
        yield made


@pytest.mark.bus
async def test_a_query_sees_everything_that_had_happened_when_it_was_asked(live: Live) -> None:
    for number in range(20):
        await live.say(*envelopes(Scope("shop", f"t{number}"), [TaskSubmitted(text="x", repo="/r")]))
        assert (await live.asked("SELECT count(*) FROM event")).rows == ((number + 1,),)


@pytest.mark.bus
async def test_the_running_store_refuses_what_the_file_refuses(live: Live) -> None:
    for sql in ESCAPES:
        with pytest.raises((QueryRefused, QueryFailed)) as refused:
            await live.asked(sql)
        assert_a_reason(refused.value, sql)
    assert (await live.asked("SELECT 1")).rows == ((1,),)


@pytest.mark.bus
async def test_the_running_store_answers_as_the_file_does(tmp_path: Path, home: Home) -> None:
    queries = [
        "FROM event ORDER BY position",
        "FROM task",
        "FROM hop ORDER BY ALL",
        "DESCRIBE attempt",
        "SELECT [1, NULL]",
    ]
    async with live_sink(tmp_path, home, Settings()) as live:
        await live.say(*envelopes(SCOPE, World(3).play()))
        tables = [await live.asked(sql) for sql in queries]
        then = await live.asked("FROM task", as_of=5)
        wanted = Wanted(types=("task.*",))
        raws = [raw async for raw in remote_events(live.ask.run, wanted)]
        assert raws == [raw async for raw in remote_events(live.ask.run, wanted)]
    assert [local_query(home.store, sql) for sql in queries] == tables
    assert local_query(home.store, "FROM task", as_of=5) == then
    assert list(local_events(home.store, wanted)) == raws
    assert len(raws) >= 2


LONG = "repeat('x', 10000)"
TIMES = 3 * MESSAGE_BYTES_MAX // 10_000


@pytest.mark.bus
async def test_an_answer_of_many_messages_arrives_whole(live: Live) -> None:
    table = await live.asked("SELECT range AS n, repeat('x', 1000) AS x FROM range(20000)")
    assert [row[0] for row in table.rows] == list(range(20_000))
    big = await live.asked(f"SELECT string_agg({LONG}, '') AS x FROM range({2 * TIMES}) GROUP BY range % 2")
    assert [len(row[0]) for row in big.rows] == [TIMES * 10_000] * 2


@pytest.mark.bus
async def test_many_ask_at_once(live: Live) -> None:
    tables = await asyncio.gather(*(live.asked("SELECT ?::INTEGER, count(*) FROM range(100000)", n) for n in range(30)))
    assert [table.rows for table in tables] == [((n, 100_000),) for n in range(30)]


@pytest.mark.bus
async def test_errors_come_back_as_what_they_are(live: Live) -> None:
    with pytest.raises(QueryRefused, match="only a SELECT may be asked, this is DELETE"):
        await live.asked("DELETE FROM event")
    with pytest.raises(QueryFailed, match="Table with name nosuch does not exist"):
        await live.asked("FROM nosuch")
    with pytest.raises(QueryFailed, match="larger than"):
        await live.asked(f"SELECT string_agg({LONG}, '') FROM range(700)")
    with pytest.raises(StoreBehind, match="has taken in 0 of 1000 events"):
        await live.ask.run("SELECT 1", wait_position=1_000)
    answer = await live.edge.nc.request(SUBJECT, b"nonsense", timeout=20)
    assert msgspec.json.decode(answer.data)["error"] == "QueryRefused"
    assert (await live.asked("SELECT 1")).rows == ((1,),)


@pytest.mark.bus
async def test_a_query_with_too_many_rows_is_cut_and_says_so(live: Live) -> None:
    table = await live.asked("FROM range(300000)")
    assert (len(table.rows), table.truncated) == (200_000, True)


@pytest.mark.bus
async def test_a_query_that_takes_too_long_is_stopped_and_hurts_nobody(tmp_path: Path, home: Home) -> None:
    async with live_sink(tmp_path, home, Settings(store=StoreSettings(query_timeout_s=1.0))) as live:
        with pytest.raises(QueryFailed, match="took longer than 1 s"):
            await live.asked("SELECT count(*) FROM range(10000000000000)")
        assert (await live.asked("SELECT 1")).rows == ((1,),)


@pytest.mark.bus
async def test_what_can_not_be_stopped_is_asked_of_a_copy_and_killed_after_its_time(tmp_path: Path, home: Home) -> None:
    async with live_sink(tmp_path, home, Settings(store=StoreSettings(query_timeout_s=1.0))) as live:
        await live.say(*envelopes(SCOPE, [TaskSubmitted(text="x", repo="/r")]))
        assert (await live.asked("SELECT count(*) FROM task WHERE text LIKE '%' || text")).rows == ((1,),)
        endless = [asyncio.create_task(live.asked(ENDLESS)) for _ in range(AT_ONCE_MAX)]
        await live.asked("SELECT 1")
        with pytest.raises(QueryFailed, match="took longer than 1 s"):
            await endless[0]
        assert not endless[-1].done()
        assert (await live.asked("SELECT count(*) FROM event")).rows == ((1,),)
        live.stop.set()
        ends = await asyncio.gather(*endless[1:], return_exceptions=True)
        assert {type(end) for end in ends} <= {StoreSilent, QueryFailed}
    assert list(home.run.glob("snapshot-*")) == []


@pytest.mark.bus
async def test_a_copy_for_which_there_is_no_room_is_not_made(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(QueryFailed, match=r"it needs a copy of the store, .* bytes, and the disk has 1,000 left"):
        await live.asked(ENDLESS)


@pytest.mark.bus
async def test_while_queries_burn_events_are_stored_and_others_are_answered(live: Live) -> None:
    burning = [
        asyncio.create_task(live.ask.run(sql))
        for sql in (
            "SELECT count(*) FROM range(10000000000000)",
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
            "SELECT count(DISTINCT range::VARCHAR || range) FROM range(10000000000)",
        )
    ]
    assert len(burning) == AT_ONCE_MAX - 1
    for number in range(3):
        await live.say(*envelopes(Scope("shop", f"t{number}"), [TaskSubmitted(text="x", repo="/r")]))
        assert (await live.asked("SELECT count(*) FROM task")).rows == ((number + 1,),)
    assert not burning[0].done()
    live.stop.set()
    ends = await asyncio.gather(*burning, return_exceptions=True)
    assert {type(end) for end in ends} <= {StoreSilent, QueryFailed}


@pytest.mark.bus
async def test_nobody_listening_is_said(nats: Any) -> None:
    with pytest.raises(StoreSilent, match="nobody listens"):
        await RemoteQuery(nats.admin.nc).run("SELECT 1")


@pytest.mark.bus
async def test_a_long_query_does_not_hold_up_the_end(tmp_path: Path, home: Home) -> None:
    async with live_sink(tmp_path, home, Settings()) as live:
        question = asyncio.create_task(live.asked("SELECT count(*) FROM range(100000000000000)"))
        await live.asked("SELECT 1")  # asked later, so the question has been taken
        live.stop.set()
        async with asyncio.timeout(SOON_S / 2):
            with pytest.raises(StoreSilent, match=r"being (closed|stopped)"):
                await question


@pytest.mark.bus
async def test_the_server_may_restart_meanwhile(live: Live) -> None:
    await live.say(*envelopes(SCOPE, [TaskSubmitted(text="x", repo="/r")]))
    await live.nats.restart()
    await live.say(*envelopes(Scope("shop", "t2"), [TaskSubmitted(text="y", repo="/r")]))
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                table = await live.asked("SELECT text FROM task ORDER BY text")
                break
            except StoreSilent:  # log-sink is on its way back
                await asyncio.sleep(0.05)
    assert table.rows == (("x",), ("y",))


def test_subject_and_permissions_agree() -> None:
    assert SUBJECT == QUERIES


def test_it_is_a_service_without_a_consumer(home: Home) -> None:
    made = service(Settings(), home)
    assert isinstance(made, LogSink)
    assert (made.name, made.hears, made.says) == (
        "log-sink",
        (),
        (MessageRejected, ServiceDegraded, StreamPruned, PruneRefused, ChainAnchored),
    )
