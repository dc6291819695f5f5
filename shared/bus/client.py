"""nats-py's client, with a short way for messages that somebody here waits for."""

from collections.abc import Callable
from typing import Any

from nats.aio.client import Client
from nats.aio.subscription import Subscription

NO_HEADERS: dict[str, str] = {}
VERSION = b"NATS/1.0"


class Incoming:
    """A message as it came. Its headers are read when somebody asks for them: most are not asked for."""

    __slots__ = ("_head", "_headers", "data", "reply", "subject")

    def __init__(self, subject: str, reply: str, data: bytes, head: bytes = b"") -> None:
        """Remember its parts; *head* is the header block as it stands on the wire, empty if there is none."""
        self.subject, self.reply, self.data, self._head = subject, reply, data, head
        self._headers: dict[str, str] | None = None if head else NO_HEADERS

    @property
    def headers(self) -> dict[str, str]:
        """Return its headers; of the server's own words also `Status` and `Description`, as nats-py has them."""
        if self._headers is None:
            self._headers = _read(self._head)
        return self._headers


Hear = Callable[[Incoming], None]


class QuickClient(Client):
    """A client that hands messages of some subscriptions over as they come.

    nats-py puts each message into a queue, wakes a task for it, and reads its headers a character at a time: half of
    what receiving one costs. Who only notes a message down, and bounds by itself what may come, needs none of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what nats-py's client takes."""
        super().__init__(*args, **kwargs)
        self._heard: dict[int, Hear] = {}

    async def hear(self, subject: str, hear: Hear) -> Subscription:
        """Subscribe to *subject*; *hear* is called with each message, at once, and must neither wait nor raise."""
        subscription = await self.subscribe(subject)
        self._heard[subscription._id] = hear
        return subscription

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """See nats-py, which calls it from its parser with the parts of a message."""
        hear = self._heard.get(sid)
        if hear is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        try:
            hear(Incoming(subject.decode(), reply.decode(), data, headers or b""))
        except Exception as error:
            await self._error_cb(error)

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
