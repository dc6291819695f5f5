"""nats-py's client, with a short way for messages that somebody here waits for."""

import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import ParseResult

import msgspec
from nats.aio.client import Client, Srv
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from obra.shared.bus.parser import QuickParser

NO_HEADERS: dict[str, str] = {}
VERSION = b"NATS/1.0"
TCP = ("nats", "tls")
READ_BYTES = 256 * 1024
"""As much as asyncio takes from a socket at once."""


class Incoming(msgspec.Struct, gc=False):
    """A message as it came; ``head`` is the header block as it stands on the wire, empty if there is none.

    A struct, because a million of them are made a minute.
    """

    subject: str
    reply: str
    data: bytes
    head: bytes = b""
    _headers: dict[str, str] | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Return its headers; of the server's own words also `Status` and `Description`, as nats-py has them.

        They are read when somebody asks for them: most are not asked for.
        """
        if self._headers is None:
            self._headers = _read(self.head) if self.head else NO_HEADERS
        return self._headers


Hear = Callable[[Incoming], None]


class JoiningTransport(TcpTransport):
    """A TCP connection that writes many pieces as one, as Python 3.11 does by itself.

    asyncio's own `writelines` knows no lost connection (from Python 3.12 to early 3.14: gh-136234): it leaves a writer
    behind for a descriptor that is about to be closed, and the next pipe that gets its number, an agent's perhaps, is
    never read. Nor does it pause who writes too much (early 3.12 and 3.13: gh-127655). `write` minds both.
    """

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect; a reader takes in what has come at once, and is not stopped and started for it again and again."""
        await super().connect(uri, max(buffer_size, READ_BYTES), connect_timeout)

    async def read(self, buffer_size: int) -> bytes:
        """Return what has come."""
        data: bytes = await super().read(max(buffer_size, READ_BYTES))
        return data

    def writelines(self, payload: list[bytes]) -> None:
        """Write *payload*, or drop it where the connection is lost, which reading tells."""
        self.write(b"".join(payload))  # type: ignore[no-untyped-call]

    async def drain(self) -> None:
        """Wait until there is room, or the connection is lost, which reading tells: closing must not end half-way."""
        with contextlib.suppress(ConnectionError):
            await super().drain()  # type: ignore[no-untyped-call]

    def __bool__(self) -> bool:
        """Return True, connected or not: nats-py puts one of its own in the place of what is false."""
        return True


class QuickClient(Client):
    """A client that hands messages of some subscriptions over as they come.

    nats-py puts each message into a queue, wakes a task for it, and reads its headers a character at a time: half of
    what receiving one costs. Who only notes a message down, and bounds by itself what may come, needs none of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what nats-py's client takes."""
        super().__init__(*args, **kwargs)
        self._heard: dict[int, Hear] = {}
        self._ps = QuickParser(self, self._hand)

    async def hear(self, subject: str, hear: Hear) -> Subscription:
        """Subscribe to *subject*; *hear* is called with each message, at once, and must neither wait nor raise."""
        subscription = await self.subscribe(subject)
        self._heard[subscription._id] = hear
        return subscription

    async def _connect_to_server(self, s: Srv) -> None:
        """See nats-py, which calls it for each try to connect; it makes a transport where there is none."""
        if self._transport is None and s.uri.scheme in TCP:
            self._transport = JoiningTransport()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """See nats-py, which calls it from its parser with the parts of a message."""
        try:
            if self._hand(sid, subject, reply, data, headers or b""):
                return
        except Exception as error:
            await self._error_cb(error)
            return
        await super()._process_msg(sid, subject, reply, data, headers)

    def _hand(self, sid: int, subject: bytes, reply: bytes, data: bytes, head: bytes) -> bool:
        """Hand a message to who hears the subscription *sid*; return whether anybody does."""
        hear = self._heard.get(sid)
        if hear is None:
            return False
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        hear(Incoming(subject.decode(), reply.decode(), data, head))
        return True

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        """See nats-py, which calls it once a subscription has ended."""
        self._heard.pop(sid, None)
        super()._remove_sub(sid, max_msgs)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        return lines(raw)


def _read(head: bytes) -> dict[str, str]:
    first, _, rest = head.partition(b"\r\n")
    status, _, description = first.removeprefix(VERSION).strip().partition(b" ")
    found = {"Status": status.decode()} if status.isdigit() else {}
    if description:
        found["Description"] = description.decode("utf-8", "replace").strip()
    return found | lines(rest)


def lines(raw: bytes) -> dict[str, str]:
    """Return the headers in *raw*, a line each.

    As in nats-py, a line without a colon is passed over, and what is no UTF-8 becomes U+FFFD.
    """
    found = {}
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found
