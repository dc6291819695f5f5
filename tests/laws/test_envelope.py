"""Laws that every envelope keeps on its way."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obra.events import Event, TaskCancelled
from obra.events.subjects import Scope, name
from obra.shared.envelope import Envelope, Unknown, answer, decode, encode, fresh, type_of
from obra.shared.errors import Undecodable
from tests.arbitrary import events

SCOPES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
thorough = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
QUESTION = Envelope(id=UUID(int=7), project="p", task="t", at=AT, event=TaskCancelled())


@thorough
@given(
    event=events(), at=st.datetimes(timezones=st.just(UTC)), scope=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
)
def test_encoding_and_decoding_gives_the_same_envelope(event: Event, at: datetime, scope: str) -> None:
    envelope = Envelope(id=UUID(int=1), project=scope, task=scope, at=at, event=event, service="s")  # type: ignore[arg-type]
    assert decode(encode(envelope)) == envelope
    assert encode(decode(encode(envelope))) == encode(envelope)
    assert type_of(envelope) == name(event)


@thorough
@given(event=events())
def test_an_answer_repeated_is_the_same_envelope_but_for_the_clock(event: Event) -> None:
    one, two = answer(QUESTION, "s", event, AT), answer(QUESTION, "s", event)
    assert (one.id, one.cause, one.correlation) == (two.id, QUESTION.id, QUESTION.id)
    assert answer(QUESTION, "other", event, AT).id != one.id
    assert answer(QUESTION, "s", event, AT, scope=QUESTION.scope) == one
    assert answer(QUESTION, "s", event, AT, scope=Scope(QUESTION.project, "elsewhere")).id != one.id


@thorough
@given(data=st.binary(max_size=200))
def test_what_is_no_envelope_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(data)


@thorough
@given(event=events(), cut=st.integers(1, 50))
def test_a_cut_envelope_is_none(event: Event, cut: int) -> None:
    with pytest.raises(Undecodable):
        decode(encode(fresh(Scope("p", "t"), event, "s"))[:-cut])


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(Undecodable, match=r"Expected `datetime` with a timezone component - at `\$\.at`"):
        decode(encode(QUESTION).replace(b"2026-01-02T03:04:05Z", b"2026-01-02T03:04:05"))


def test_an_event_of_an_unknown_type_is_kept_by_its_name() -> None:
    loose = msgspec.json.decode(encode(QUESTION))
    loose["event"] = {"type": "from.the.future", "x": 1}
    read = decode(msgspec.json.encode(loose))
    assert (read.event, type_of(read)) == (Unknown(name="from.the.future"), "from.the.future")


def test_a_known_type_with_a_wrong_field_is_refused_with_the_reason() -> None:
    loose = msgspec.json.decode(encode(QUESTION))
    loose["event"] = {"type": "task.cancelled", "reason": 5}
    with pytest.raises(Undecodable, match=r"reason"):
        decode(msgspec.json.encode(loose))
