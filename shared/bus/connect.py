"""Logging in to NATS."""

import asyncio

from nats import errors
from nats.aio.client import Client

from obra.shared.bus.wire import Wire
from obra.shared.errors import BusUnavailable
from obra.shared.log import get_logger

CONNECT_S = 10.0
RECONNECT_WAIT_S = 0.25
RECONNECTS_MAX = 2_400
PING_S = 20
DRAIN_S = 3
PENDING_BYTES_MAX = 16 * 1024**2

log = get_logger("bus")


async def connect(url: str, user: str, password: str, service: str, inbox_prefix: str) -> Wire:
    """Return an open wire to *url*. Raises `BusUnavailable` after 10 s, or at once where the login is refused."""
    nc = Client()
    wire = Wire(nc)
    refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    problems: list[Exception] = []

    async def on_error(error: Exception) -> None:
        problems[:] = [error]
        if "authorization violation" in str(error).lower() and not refused.done():
            refused.set_result(None)
        wire.denied(str(error))
        if nc.is_connected:
            log.warning("nats", service=service, error=repr(error))

    async def on_reconnect() -> None:
        log.info("nats reconnected", service=service)
        wire.reconnected()

    async def on_close() -> None:
        wire.reconnected()

    connecting: asyncio.Future[None] = asyncio.ensure_future(
        nc.connect(
            url, name=service, user=user or None, password=password or None, inbox_prefix=inbox_prefix,
            error_cb=on_error, reconnected_cb=on_reconnect, closed_cb=on_close,
            connect_timeout=2, reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
            max_reconnect_attempts=RECONNECTS_MAX, ping_interval=PING_S, drain_timeout=DRAIN_S,
            pending_size=PENDING_BYTES_MAX,
        )
    )  # fmt: skip
    try:
        async with asyncio.timeout(CONNECT_S):
            await asyncio.wait([connecting, refused], return_when=asyncio.FIRST_COMPLETED)
            if not refused.done():
                await connecting
                await wire.open()
                return wire
    except (TimeoutError, OSError, errors.Error) as error:
        problems = problems or [error]
    finally:
        if not nc.is_connected:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await nc.close()
    problem = problems[-1]
    raise BusUnavailable(url=url, reason=str(problem) or type(problem).__name__) from problem
