"""Sends an agent's live output in pieces: soon enough to watch, few enough not to burden the bus."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

import msgspec

from obra.events import Output
from obra.events.subjects import Scope
from obra.shared.bus import Bus

PIECE_BYTES_MAX = 32 * 1024
PAUSE_S = 0.05

_encoder = msgspec.json.Encoder()


class Speaker:
    """Collects lines and says them together: the first at once, then at most every 50 ms or 32 KiB."""

    def __init__(self, bus: Bus, scope: Scope, attempt: int) -> None:
        self._bus, self._scope, self._attempt = bus, scope, attempt
        self._lines: list[bytes] = []
        self._bytes = 0
        self._stir = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._send())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sending is not None
        self._sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sending
        await self._flush()

    async def say(self, output: Output) -> None:
        """Take one piece of output; see `job.Say`."""
        line = _encoder.encode(output)
        if self._bytes + len(line) > PIECE_BYTES_MAX:
            await self._flush()
        self._lines.append(line)
        self._bytes += len(line) + 1
        self._stir.set()

    async def _send(self) -> None:
        while True:
            await self._stir.wait()
            await self._flush()
            await asyncio.sleep(PAUSE_S)

    async def _flush(self) -> None:
        self._stir.clear()
        if self._lines:
            data, self._lines, self._bytes = b"\n".join(self._lines), [], 0
            await self._bus.say(self._scope, self._attempt, data)
