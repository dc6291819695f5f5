"""Logging in to NATS."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from nats import errors

from obra.shared.bus.client import QuickClient
from obra.shared.bus.wire import Wire
from obra.shared.errors import BusUnavailable
from obra.shared.log import get_logger

CONNECT_S = 10.0
RECONNECT_WAIT_S = 0.25
RECONNECTS_MAX = 2_400
PING_S = 20
DRAIN_S = 3
PENDING_BYTES_MAX = 16 * 1024**2
REFUSED = "authorization violation"
BROKEN = (OSError, errors.UnexpectedEOF, errors.StaleConnectionError)
"""It comes back by itself; whoever waits for something sees to it that this does not last for ever."""

log = get_logger("bus")


async def connect(url: str, user: str, password: str, service: str, inbox_prefix: str) -> Wire:
    """Return an open wire to *url*. Raises `BusUnavailable` after 10 s, or at once where the login is refused."""
    problem: Exception = TimeoutError(f"no answer within {CONNECT_S:g} s")
    try:
        async with asyncio.timeout(CONNECT_S):
            while True:
                login = _Login(service)
                try:
                    return await login.run(url, user, password, inbox_prefix)
                except (OSError, errors.Error) as error:
                    problem = login.problem or error
                    if REFUSED in str(problem).lower():
                        break
                finally:
                    if login.problem:
                        problem = login.problem
                await asyncio.sleep(RECONNECT_WAIT_S)
    except TimeoutError:
        pass  # the problem says why
    raise BusUnavailable(url=url, reason=str(problem) or type(problem).__name__) from problem


@dataclass(slots=True)
class _Login:
    """One try. nats-py itself tries on while nobody answers, and also when it is refused: that ends here."""

    service: str
    nc: QuickClient = field(default_factory=QuickClient)
    problem: Exception | None = None
    wire: Wire = field(init=False)
    refused: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.wire = Wire(self.nc)

    async def run(self, url: str, user: str, password: str, inbox_prefix: str) -> Wire:
        """Connect and open the wire; what fails is closed again."""
        connecting: asyncio.Future[None] = asyncio.ensure_future(
            self.nc.connect(
                url, name=self.service, user=user or None, password=password or None, inbox_prefix=inbox_prefix,
                error_cb=self._on_error, reconnected_cb=self._on_reconnect, closed_cb=self._on_close,
                connect_timeout=2, reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                max_reconnect_attempts=RECONNECTS_MAX, ping_interval=PING_S, drain_timeout=DRAIN_S,
                pending_size=PENDING_BYTES_MAX,
            )
        )  # fmt: skip
        refusal: asyncio.Future[Any] = asyncio.ensure_future(self.refused.wait())
        try:
            both: list[asyncio.Future[Any]] = [connecting, refusal]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self.refused.is_set() and self.problem:
                raise self.problem
            await connecting
            await self.wire.open()
        except BaseException:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await asyncio.gather(self.nc.close(), return_exceptions=True)
            raise
        finally:
            refusal.cancel()
        return self.wire

    async def _on_error(self, error: Exception) -> None:
        if not self.refused.is_set():
            self.problem = error
        if REFUSED in str(error).lower():
            self.refused.set()
        self.wire.denied(str(error))
        if self.nc.is_connected:
            told = log.info if isinstance(error, BROKEN) else log.warning
            told("nats", service=self.service, error=repr(error))

    async def _on_reconnect(self) -> None:
        log.info("nats reconnected", service=self.service)
        self.wire.reconnected()

    async def _on_close(self) -> None:
        self.wire.reconnected()
