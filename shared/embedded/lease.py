"""Leases: connections that keep a host alive. A killed process drops its lease as surely as a polite one."""

import asyncio
import contextlib
import hmac
import secrets
from dataclasses import dataclass, field

FIRST_LEASE_S = 15.0
LINGER_S = 0.05
HELLO_S = 5.0


@dataclass(slots=True)
class LeaseServer:
    """The host's side: accepts leases on the loopback interface and says when the last one is gone."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    port: int = 0
    _held: int = 0
    _over: bool = False
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _busy: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._hold, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            said = await asyncio.wait_for(reader.readuntil(b"\n"), HELLO_S)
            if self._over or not hmac.compare_digest(said.strip(), self.token.encode()):
                return  # who came too late starts a host of its own
            self._held += 1
            self._busy.set()
            self._idle.clear()
            try:
                writer.write(b"ok\n")
                await writer.drain()
                await reader.read()
            finally:
                self._held -= 1
                if not self._held:
                    self._idle.set()

    async def last_gone(self) -> None:
        """Wait until no lease is held, after at least one was, or none came for 15 s; from then on, none is given."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._busy.wait(), FIRST_LEASE_S)
        while self._held:
            await self._idle.wait()
            await asyncio.sleep(LINGER_S)
        self._over = True

    async def stop(self) -> None:
        """Give no more leases, also to those who are connected already."""
        self._over = True
        if self._server:
            self._server.close()


@dataclass(slots=True)
class Lease:
    """A command's side: as long as it is open, the host lives."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _end: "asyncio.Task[None] | None" = None

    @classmethod
    async def take(cls, port: int, token: str) -> "Lease | None":
        """Return a lease on the host at *port*, or None if no host of ours is there any more."""
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), HELLO_S)
        except (OSError, TimeoutError):
            return None
        try:
            writer.write(token.encode() + b"\n")
            if await asyncio.wait_for(reader.readline(), HELLO_S) == b"ok\n":
                return cls(reader, writer)
        except (OSError, TimeoutError):
            pass
        writer.close()
        return None

    async def lost(self) -> None:
        """Wait until the host is gone. Any number may wait, while a stream has room for one reader."""
        self._end = self._end or asyncio.create_task(self._ended())
        await asyncio.shield(self._end)

    async def _ended(self) -> None:
        with contextlib.suppress(OSError):
            await self.reader.read()

    async def drop(self) -> None:
        """Give the lease back."""
        if self._end is not None:
            self._end.cancel()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
