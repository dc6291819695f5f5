"""nats-py's parser of the wire protocol, with a short way for messages that arrived whole.

nats-py matches two expressions for each message and copies it out of a buffer that it then shortens: a third of what
receiving one costs. Here a chunk is walked through once. What is no message, or not yet whole, is left to nats-py.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nats.protocol.parser import AWAITING_CONTROL_LINE, CRLF_SIZE, Parser

if TYPE_CHECKING:
    from obra.shared.bus.client import QuickClient

Take = Callable[[int, bytes, bytes, bytes, bytes], bool]
_PARTS = {b"MSG": (4, 5), b"HMSG": (5, 6)}
"""How many words a control line has, without and with a subject to reply to."""


class QuickParser(Parser):
    """Gives *client* each message as nats-py's parser does; *take* is asked first, and returns whether it took it."""

    def __init__(self, client: "QuickClient", take: Take) -> None:
        """Begin with nothing read."""
        self._client, self._take, self._lives = client, take, 0
        super().__init__(client)

    def reset(self) -> None:
        """Begin anew: what was read belongs to a connection that is gone."""
        self._lives += 1
        super().reset()

    async def parse(self, data: bytes = b"") -> None:
        """Take in what was read."""
        life = self._lives
        if self.state != AWAITING_CONTROL_LINE:
            missing = self.needed + CRLF_SIZE - len(self.buf)
            await super().parse(data[:missing])
            data = data[missing:]
        elif self.buf:
            data, self.buf = bytes(self.buf) + data, bytearray()
        if data and life == self._lives:
            at = await self._whole(data, life)
            if life == self._lives:
                await super().parse(data[at:])

    async def _whole(self, data: bytes, life: int) -> int:
        """Hand over the messages that stand whole at the beginning of *data*; return where the rest begins."""
        at, size, take = 0, len(data), self._take
        while (line := data.find(b"\r\n", at)) >= 0:
            words = data[at:line].split()
            if not words or len(words) not in _PARTS.get(words[0], ()):
                break
            begin = line + CRLF_SIZE
            end = begin + int(words[-1])
            if end + CRLF_SIZE > size:
                break
            body = begin + int(words[-2]) if words[0] == b"HMSG" else begin
            reply = words[3] if len(words) == _PARTS[words[0]][1] else b""
            at, sid, head = end + CRLF_SIZE, int(words[2]), data[begin:body]
            try:
                if take(sid, words[1], reply, data[body:end], head):
                    continue
            except Exception as error:
                await self._client._error_cb(error)
            else:
                await self._client._process_msg(sid, words[1], reply, data[body:end], head)
            if life != self._lives:
                break
        return at
