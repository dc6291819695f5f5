"""The home's nats-server with nobody on it but us: for work that must not be disturbed."""

import contextlib
import secrets
from collections.abc import AsyncIterator

from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision
from obra.shared.config import Settings
from obra.shared.embedded import notice
from obra.shared.embedded.access import ADMIN, User
from obra.shared.embedded.alone import LOOKED_AT_S, STOPPING_S, alone
from obra.shared.embedded.server import start
from obra.shared.errors import EnvironmentLacks
from obra.shared.home import Home

OTHER_WAYS = (
    "its replicas and backups (`nats stream restore`) bring it back, log-sink makes a lost store anew when it starts, "
    "and `obra import DIR --into HOME` makes a home with a server of its own from an export"
)


class StreamElsewhere(EnvironmentLacks):
    """The stream is on {url}, and this is done on Obra's own server only. There, {ways}."""


@contextlib.asynccontextmanager
async def private(home: Home, settings: Settings) -> AsyncIterator[JetStreamBus]:
    """Yield an administrator's bus on the stream of *home*; no service runs, and none can start.

    Raises `HostRuns` where an Obra runs on *home*, `StreamElsewhere` where its stream is on an external server.
    What is written is on disk once the block has ended.
    """
    if settings.nats.url:
        raise StreamElsewhere(url=settings.nats.url, ways=OTHER_WAYS)
    patience_s = LOOKED_AT_S if notice.read(home) else STOPPING_S  # without a notice up, a host is about to end
    with alone(home, patience_s):
        password = secrets.token_urlsafe(32)
        lazily = settings.nats.model_copy(update={"sync": "default"})
        server = await start(home, lazily, [User(ADMIN, password, (">",), (">",))])
        try:
            bus = await JetStreamBus.connect(server.url, user=ADMIN, password=password, service=ADMIN)
            try:
                await provision(bus.js, settings.nats)
                yield bus
            finally:
                await bus.close()
        finally:
            await server.stop()
