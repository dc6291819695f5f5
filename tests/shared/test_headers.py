"""Headers of messages are read as nats-py reads them, only faster."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.aio.client import Client

from obra.shared.bus.client import Incoming, QuickClient

TOKENS = st.text(st.characters(codec="ascii", exclude_characters=":\r\n", min_codepoint=33), min_size=1, max_size=20)
VALUES = st.text(st.characters(exclude_characters="\r\n\x1c\x1d\x1e\x1f\x85\xa0", exclude_categories=["Cs", "Z"]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(headers=st.dictionaries(TOKENS, VALUES, max_size=6))
def test_headers_are_read_as_the_library_reads_them(headers: dict[str, str]) -> None:
    raw = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"no colon\r\n", b"a:b\r\n", b"a:\tb \r\n", b"a: \xff\r\n", b"a:\r\nb: c\r\n"]
)
def test_what_is_odd_is_read_alike_too(raw: bytes) -> None:
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


@pytest.mark.parametrize(
    "head",
    [
        b"", b"NATS/1.0\r\n\r\n", b"NATS/1.0 404\r\n\r\n", b"NATS/1.0 503\r\n\r\n",
        b"NATS/1.0 404 No Messages\r\n\r\n", b"NATS/1.0\r\nfoo: bar\r\nhello: world\r\n\r\n",
        b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1016\r\nNats-Last-Stream: 1024\r\n\r\n",
        b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 3\r\n\r\n",
    ],
)  # fmt: skip
async def test_what_the_server_says_of_itself_is_read_as_the_library_reads_it(head: bytes) -> None:
    assert Incoming("subject", "", b"", head).headers == (await Client()._process_headers(head) or {})
