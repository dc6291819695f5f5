"""Messages are read off the wire as nats-py reads them, only faster."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from obra.shared.bus.client import QuickClient
from obra.shared.bus.parser import QuickParser

Said = tuple[Any, ...]
HEARD = 7

SUBJECTS = st.from_regex(r"[a-zA-Z0-9_$]{1,8}(\.[a-zA-Z0-9_-]{1,8}){0,4}", fullmatch=True).map(str.encode)
GAPS = st.sampled_from([b" ", b"  ", b"\t"])


class Witness:
    """What a parser calls; half of the subscriptions are heard at once."""

    def __init__(self) -> None:
        self.said: list[Said] = []

    def take(self, *parts: Any) -> bool:
        if parts[0] % 2 == HEARD % 2:
            self.said.append((*parts[:4], parts[4] or None))
            return True
        return False

    async def _process_msg(self, *parts: Any) -> None:
        self.said.append((*parts[:4], parts[4] or None))

    async def _process_ping(self) -> None:
        self.said.append(("ping",))

    async def _process_pong(self) -> None:
        self.said.append(("pong",))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.said.append(("info", info))

    async def _process_err(self, message: str) -> None:
        self.said.append(("err", message))

    async def _error_cb(self, error: Exception) -> None:
        self.said.append(("raised", str(error)))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    subject, sid, gap, body = draw(SUBJECTS), draw(st.integers(1, 99)), draw(GAPS), draw(st.binary(max_size=60))
    reply = gap + draw(SUBJECTS) if draw(st.booleans()) else b""
    start = gap.join([subject, b"%d" % sid]) + reply + gap
    if draw(st.booleans()):
        head = b"NATS/1.0\r\n" + draw(st.sampled_from([b"", b"a: b\r\n", b"Nats-Msg-Id: 3\r\n"])) + b"\r\n"
        return b"HMSG%b%b%d%b%d\r\n%b%b\r\n" % (gap, start, len(head), gap, len(head + body), head, body)
    return b"MSG%b%b%d\r\n%b\r\n" % (gap, start, len(body), body)


OTHERS = st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b'INFO {"max_payload":3}\r\n', b"-ERR 'no'\r\n"])


def parsers() -> tuple[QuickParser, Parser, Witness, Witness]:
    quick, plain = Witness(), Witness()
    return QuickParser(quick, quick.take), Parser(plain), quick, plain  # type: ignore[arg-type]


async def read(parser: Parser, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await parser.parse(chunk)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(wire=st.lists(messages() | OTHERS, max_size=12).map(b"".join), cuts=st.lists(st.integers(0, 900), max_size=9))
def test_what_is_read_does_not_depend_on_where_the_wire_is_cut(wire: bytes, cuts: list[int]) -> None:
    at = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    chunks = [wire[begin:end] for begin, end in pairwise(at)]
    quick, plain, heard, seen = parsers()
    asyncio.run(read(quick, chunks))
    asyncio.run(read(plain, chunks))
    assert heard.said == seen.said
    assert not quick.buf


@pytest.mark.parametrize("wire", [b"MSG\r\n", b"MSG a 1 2 3 4 5\r\nxx", b"HMSG a 1 2\r\nxx\r\n", b"WHAT\r\n"])
async def test_what_is_no_message_is_the_librarys_to_judge(wire: bytes) -> None:
    quick, plain, *_ = parsers()
    for parser in (quick, plain):
        with pytest.raises(ProtocolError):
            await parser.parse(b"PING\r\n" + wire)


async def test_what_a_reader_breaks_on_is_told_and_the_next_message_is_read() -> None:
    client, told = QuickClient(), list[str]()

    async def tell(error: Exception) -> None:
        told.append(str(error))

    def hear(message: Any) -> None:
        told.append(message.data.decode())
        raise ValueError("broken")

    client._error_cb = tell
    client._heard[HEARD] = hear
    await client._ps.parse(b"MSG a 7 1\r\nx\r\nMSG a 7 1\r\ny\r\nMSG a 7 1\r\n")
    await client._ps.parse(b"z\r\n")
    assert told == ["x", "broken", "y", "broken", "z", "broken"]


async def test_nothing_of_a_connection_that_is_gone_is_read_on_the_next_one() -> None:
    quick, _, witness, _ = parsers()

    async def reconnects(*parts: Any) -> None:
        witness.said.append((*parts[:4], parts[4] or None))
        quick.reset()

    witness._process_msg = reconnects  # type: ignore[method-assign]
    await quick.parse(b"MSG a 2 1\r\nx\r\nMSG a 7 1\r\ny\r\nMSG a 7 1\r")
    await quick.parse(b"MSG b 7 1\r\nz\r\n")
    assert witness.said == [(2, b"a", b"", b"x", None), (7, b"b", b"", b"z", None)]
