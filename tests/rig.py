"""Buses to test against: the one in memory, and JetStream on a nats-server of its own."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from obra.events import KINDS
from obra.shared.bus import Bus, Consumer
from obra.shared.bus.access import publish_subjects, subscribe_subjects
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.memory import MemoryBus
from obra.shared.bus.provision import provision, provision_consumer
from obra.shared.config import NatsSettings
from obra.shared.embedded.access import PURGE, User, users_conf
from obra.shared.embedded.server import binary, die_with_parent

SERVICE = "tester"
SETTINGS = NatsSettings(stream_bytes_max=256 * 1024**2, output_bytes_max=16 * 1024**2)
EVERY_KIND = tuple(KINDS.values())
START_S = 20.0


class Rig(Protocol):
    """A bus for a test, and what only a test may do to it."""

    bus: Bus

    async def another(self) -> Bus:
        """Return a second connection to the same bus."""
        ...

    async def provide(self, consumer: Consumer) -> Consumer:
        """Create the durable group, as an administrator does before services start."""
        ...

    async def inject(self, subject: str, data: bytes) -> None:
        """Publish as a foreign client does."""


@dataclass
class MemoryRig:
    bus: MemoryBus = field(default_factory=MemoryBus)

    async def another(self) -> Bus:
        return self.bus

    async def provide(self, consumer: Consumer) -> Consumer:
        return consumer

    async def inject(self, subject: str, data: bytes) -> None:
        self.bus.publish(subject, data)


@dataclass
class Nats:
    """A nats-server on a port that stays the same when it is started again."""

    root: Path
    users: tuple[User, ...]
    sync: str = "always"
    port: int = 0
    include: str = ""
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.port = self.port or free_port()
        conf = self.root / "nats.conf"
        store = f"jetstream {{ store_dir: '{self.root / 'js'}', sync_interval: {self.sync} }}"
        conf.write_text(f"host: 127.0.0.1\nport: {self.port}\nmax_payload: 8MB\n{store}\n{self._authorization}\n")
        with (self.root / "nats.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                binary(), "-c", str(conf), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env={},
                preexec_fn=die_with_parent(),
            )  # fmt: skip
        async with asyncio.timeout(START_S):
            while not await answers(self.port):
                await asyncio.sleep(0.01)

    @property
    def _authorization(self) -> str:
        return f"include {self.include}" if self.include else users_conf(self.users)

    async def kill(self) -> None:
        assert self.process
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def login(self, name: str = SERVICE) -> JetStreamBus:
        user = next(user for user in self.users if user.name == name)
        return await JetStreamBus.connect(self.url, user=user.name, password=user.password, service=name)


@dataclass
class NatsRig:
    nats: Nats
    admin: JetStreamBus
    bus: JetStreamBus
    others: list[JetStreamBus] = field(default_factory=list)

    async def another(self) -> Bus:
        self.others.append(await self.nats.login())
        return self.others[-1]

    async def provide(self, consumer: Consumer) -> Consumer:
        await provision_consumer(self.admin.js, consumer)
        return consumer

    async def inject(self, subject: str, data: bytes) -> None:
        await self.admin.js.publish(subject, data)

    async def close(self) -> None:
        for bus in (*self.others, self.bus, self.admin):
            await bus.close()
        await self.nats.kill()


async def nats_rig(root: Path, sync: str = "always") -> NatsRig:
    """Start a server with an administrator and one service that hears and says everything, but not more."""
    said = [*publish_subjects(SERVICE, EVERY_KIND, EVERY_KIND, follows=True, output=True, blobs=True), PURGE]
    heard = (*subscribe_subjects(SERVICE), "obra-out.>")
    nats = Nats(root, (User("admin", "secret-a", (">",), (">",)), User(SERVICE, "secret-t", tuple(said), heard)), sync)
    await nats.start()
    admin = await nats.login("admin")
    await provision(admin.js, SETTINGS)
    return NatsRig(nats, admin, await nats.login())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(port: int) -> bool:
    """Return whether a nats-server greets on *port*."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    greeting = await reader.readline()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return greeting.startswith(b"INFO")
