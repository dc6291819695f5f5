"""A full stream refuses what is new, keeps what is old, and takes more once room was made."""

from pathlib import Path

import pytest

from obra.events import Content, InputReceived
from obra.events.subjects import Scope
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision
from obra.shared.config import NatsSettings
from obra.shared.embedded.access import User
from obra.shared.embedded.server import room_bytes, start
from obra.shared.envelope import fresh
from obra.shared.errors import StreamFull
from obra.shared.home import Home

SMALL = NatsSettings(stream_bytes_max=2 * 1024**2, output_bytes_max=1024**2, sync="default")
OLD, NEW = Scope("shop", "old"), Scope("shop", "new")


@pytest.mark.bus
async def test_a_full_stream_refuses_new_events_and_drops_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    server = await start(home, SMALL, [User("admin", "secret", (">",), (">",))])
    bus = await JetStreamBus.connect(server.url, user="admin", password="secret", service="admin")
    try:
        await provision(bus.js, SMALL)
        first = await bus.append([fresh(OLD, InputReceived(text=Content.of("first")), "edge")])
        large = InputReceived(text=Content.of("x" * 60_000))
        with pytest.raises(StreamFull, match="obra prune"):
            await flood(bus)
        past = await bus.past(OLD)
        assert past.events[0].position == first
        assert [r.position for r in past.events] == list(range(1, past.position + 1))
        assert await bus.purge(OLD, past.position) == past.position - 1 > 30
        await bus.append([fresh(NEW, large, "edge")])
    finally:
        await bus.close()
        await server.stop()


async def flood(bus: JetStreamBus) -> None:
    for _ in range(100):
        await bus.append([fresh(OLD, InputReceived(text=Content.of("x" * 60_000)), "edge")])


def test_the_limit_is_what_the_disk_has_room_for(tmp_path: Path) -> None:
    (tmp_path / "used").write_bytes(b"x" * 1_000)
    assert room_bytes(tmp_path, SMALL) == 3 * 1024**2
    endless = NatsSettings(stream_bytes_max=2**60)
    assert 1_000 < room_bytes(tmp_path, endless) < 2**60
