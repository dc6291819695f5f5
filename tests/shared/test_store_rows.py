"""Many messages are made rows at once as each is by itself: the short way is no other way."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obra.events import InputReceived, MessageRejected, TaskCancelled, TaskFailed
from obra.events.base import Content
from obra.events.subjects import Scope, subject
from obra.shared.bus import Stored
from obra.shared.envelope import Envelope, encode
from obra.shared.redact import HINTS, suspicious_among, suspicious_json
from obra.shared.store.row import Row, row_of
from obra.shared.store.rows import TOGETHER, rows_of
from tests.recorded import message, simulated

ID, CAUSE = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
PLAIN = (
    f'{{"id":"{ID}","project":"shop","task":"t1","at":"2026-01-02T03:04:05.678901Z",'
    '"event":{"type":"input.received","text":{"text":"hello","size":5}},'
    f'"cause":"{CAUSE}","correlation":"{CAUSE}","service":"tester","version":"0.1.0"}}'
)
ODD = {
    "a secret": ('"hello"', '"password = hunter2hunter2"'),
    "a secret behind an escape": ('"hello"', r'"\u0070assword=hunter2hunter2"'),
    "a long s": ('"hello"', '"pa\u017fsword = hunter2hunter2"'),
    "a replacement character": ('"hello"', '"\ufffd"'),
    "umlauts": ('"hello"', '"Grüße"'),
    "two lines": (',"cause"', ',\n"cause"'),
    "blanks around it": ('{"id"', '  {"id"'),
    "an id twice, one of them none": ('"id"', '"id":"","id"'),
    "a task twice": ('"task":"t1"', '"task":"t2","task":"t1"'),
    "an event twice, one of them none": ('"event"', '"event":1,"event"'),
    "a time twice, the other one short": (
        '"at":"2026-01-02T03:04:05.678901Z"', '"at":"2026-01-02T03:04:05Z","at":"2026-01-02T03:04:05.5Z"',
    ),
    "a short time and an unknown field": ("05.678901Z\"", '05.5Z","":1'),
    "a time without a zone": ("678901Z", "678901"),
    "a time of another zone": ("678901Z", "678901+02:00"),
    "no time": ('"2026-01-02T03:04:05.678901Z"', "5"),
    "an id without hyphens": (ID, ID.replace("-", "")),
    "an id in capitals": (CAUSE, CAUSE.upper()),
    "an id with hyphens elsewhere": (ID, "1111111-12222-3333-4444-555555555555"),
    "an id with a blank": (ID, " 1111111-2222-3333-4444-555555555555"),
    "no id at all": (ID, "x" * 36),
    "an unknown field": ('"event"', '"colour":"red","event"'),
    "an unknown event": ("input.received", "input.dreamt"),
    "what is never published": ('"type":"input.received"', '"type":"unknown","name":"x"'),
    "a field of the wrong type": ('"size":5', '"size":"five"'),
    "a version of the wrong type": ('"0.1.0"', "1"),
    "a schema number of today": ('"version"', '"schema":1,"version"'),
    "a schema number of tomorrow": ('"version"', '"schema":9,"version"'),
    "another task than its subject": ('"t1"', '"t9"'),
    "a task that is none": ('"t1"', '"t.1"'),
    "the project itself": ('"t1"', '"-"'),
    "half of it": ('"version":"0.1.0"}', ""),
    "nested deep": ('"hello"', '"' + "{" * 70 + '"'),
}  # fmt: skip


def as_rows(messages: Sequence[Stored]) -> list[Row]:
    return [row_of(message(one.position, one.subject, one.data)) for one in messages]


def stored(*datas: bytes, on: str = "obra.shop.t1.input.received") -> list[Stored]:
    made = [message(number, on, data) for number, data in enumerate(datas, 1)]
    return [Stored(one.position, one.subject, one.data, one.stored_at_ns) for one in made]


def test_a_message_as_obra_writes_it_takes_the_short_way() -> None:
    messages = stored(PLAIN.encode())
    assert (rows_of(messages).rows, rows_of(messages).read) == (as_rows(messages), {})


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_an_odd_message_makes_the_same_row_either_way(change: tuple[str, str]) -> None:
    assert change[0] in PLAIN
    odd = PLAIN.replace(*change, 1)
    for task in ("t1", "-", "t9"):
        messages = stored(PLAIN.encode(), odd.encode(), PLAIN.encode(), on=f"obra.shop.{task}.input.received")
        assert rows_of(messages).rows == as_rows(messages)


def test_two_ids_that_are_whole_only_together_are_none() -> None:
    """The ids of many messages are looked at as one text."""
    whole = PLAIN.replace(f'"cause":"{CAUSE}","correlation":"{CAUSE}",', "")
    datas = [whole.replace(ID, ID[:-1]).encode(), whole.replace(ID, ID[-1] + ID).encode()]
    messages = stored(*datas)
    assert rows_of(messages).rows == as_rows(messages)
    assert [row.problem is None for row in rows_of(messages).rows] == [False, False]


def test_what_is_read_by_itself_is_told() -> None:
    datas = [PLAIN.encode(), b"nonsense", PLAIN.replace("hello", "token: abcdefgh12345678").encode()]
    messages = stored(*datas)
    assert list(rows_of(messages).read) == [2, 3]
    assert list(rows_of(messages, alone={"input.received"}).read) == [1, 2, 3]


def test_what_is_in_the_log_already_gets_no_line() -> None:
    messages = stored(PLAIN.encode(), PLAIN.encode())
    first, second = as_rows(messages)
    assert rows_of(messages, logged=1).rows == [first._replace(line=b""), second]


@pytest.mark.parametrize(
    "event",
    [
        InputReceived(text=Content.of("x")), TaskCancelled(reason="cancelled by me"), TaskFailed(reasons=("no",)),
        MessageRejected(position=3, subject="obra.x", reason="no", preview="no"),
    ],
    ids=lambda event: type(event).__name__,
)  # fmt: skip
@pytest.mark.parametrize("at", [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)])
def test_an_envelope_makes_the_same_row_either_way(event: object, at: datetime) -> None:
    envelope = Envelope(id=UUID(ID), project="shop", task="t1", at=at, event=event)  # type: ignore[arg-type]
    messages = stored(encode(envelope), on=subject(Scope("shop", "t1"), event))  # type: ignore[arg-type]
    assert rows_of(messages).rows == as_rows(messages)


def test_a_whole_past_makes_the_same_rows_either_way() -> None:
    messages = [
        Stored(raw.position, raw.subject, raw.data, raw.stored_at_ns) for raw in simulated(range(20))
    ]  # fmt: skip
    assert len(messages) > 2 * TOGETHER
    made = rows_of(messages)
    assert made.rows == as_rows(messages)
    assert len(made.read) < len(messages) / 20


@given(st.text(alphabet=sorted({*PLAIN[:60], *'"{}[]:,\\ \n.5Z-'}), max_size=12), st.integers(0, len(PLAIN)))
def test_whatever_is_put_into_a_message_it_makes_the_same_row_either_way(put: str, place: int) -> None:
    messages = stored((PLAIN[:place] + put + PLAIN[place:]).encode(), PLAIN.encode())
    assert rows_of(messages).rows == as_rows(messages)


@given(st.integers(0, len(PLAIN)), st.integers(0, 40), st.sampled_from(["", "1", '"":1,', "Z", "\u212a"]))
def test_whatever_is_taken_out_of_a_message_it_makes_the_same_row_either_way(begin: int, size: int, put: str) -> None:
    messages = stored((PLAIN[:begin] + put + PLAIN[begin + size :]).encode(), PLAIN.encode())
    assert rows_of(messages).rows == as_rows(messages)


PIECES = st.sampled_from(
    [*HINTS, "password", "=", ": ", "\\", "\\u", "\n", "\0", "x", "\u017f", "\u212a", "ü", "Token"]
)


@given(st.lists(st.lists(PIECES, max_size=4).map("".join).map(str.encode), max_size=6))
def test_texts_that_are_searched_together_are_found_one_by_one(texts: list[bytes]) -> None:
    assert suspicious_among(texts) == {number for number, text in enumerate(texts) if suspicious_json(text)}


def test_no_hint_has_what_stands_between_texts() -> None:
    assert not [hint for hint in HINTS if re.search("\0", hint)]
