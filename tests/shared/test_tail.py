"""What a process remembers of a past must be that past, or nothing."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obra.events import TaskCancelled
from obra.events.subjects import Scope
from obra.shared.bus import Past
from obra.shared.bus.tail import EVENTS_MAX, SCOPES_MAX, Tail
from obra.shared.envelope import Envelope, Recorded, encode
from obra.shared.errors import Undecodable

T1 = Scope("shop", "t1")


def at(position: int) -> Recorded:
    event = TaskCancelled(reason=str(position))
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return Recorded(position, Envelope(id=UUID(int=position), project="shop", task="t1", at=noon, event=event))


def test_links_that_were_learnt_in_any_order_make_a_past() -> None:
    tail = Tail()
    tail.add(T1, 5, [at(8), at(9)])
    tail.add(T1, 0, [at(2)])
    assert tail.after(T1, 0, 9) is None
    assert tail.after(T1, 0, 2) == Past(2, (at(2),))
    tail.add(T1, 2, [at(5)])
    assert tail.after(T1, 0, 9) == Past(9, (at(2), at(5), at(8), at(9)))
    assert tail.after(T1, 5, 9) == Past(9, (at(8), at(9)))


def test_what_is_not_known_is_not_answered() -> None:
    tail = Tail()
    assert tail.after(T1, 0, 1) is None
    tail.add(T1, 0, [at(1)])
    assert tail.after(T1, 0, 2) is None
    assert tail.after(Scope("shop", "t2"), 0, 1) is None
    tail.clear()
    assert tail.after(T1, 0, 1) is None


def test_a_walk_never_goes_back() -> None:
    tail = Tail()
    tail.add(T1, 3, [at(5)])
    tail.add(T1, 5, [at(3)])
    assert tail.after(T1, 3, 5) == Past(5, (at(5),))


def test_a_message_is_known_only_byte_for_byte_on_its_own_subject() -> None:
    tail, envelope = Tail(), at(7).envelope
    data, subject = encode(envelope), "obra.shop.t1.task.cancelled"
    tail.note(7, subject, data, envelope)
    assert tail.read(7, subject, data) is envelope
    assert tail.read(8, subject, data) is not envelope
    other = encode(at(8).envelope)
    assert tail.read(7, subject, other) == at(8).envelope
    with pytest.raises(Undecodable):
        tail.read(7, "obra.shop.t2.task.cancelled", data)
    tail.clear()
    assert tail.read(7, subject, data) is not envelope


def test_it_remembers_no_more_than_it_may() -> None:
    tail = Tail()
    tail.add(T1, 0, [at(position) for position in range(1, EVENTS_MAX + 2)])
    assert tail.after(T1, 0, 1) is None
    for number in range(SCOPES_MAX + 1):
        tail.add(Scope("shop", f"t{number}"), 0, [at(1)])
    assert tail.after(Scope("shop", "t0"), 0, 1) is None
    assert tail.after(Scope("shop", f"t{SCOPES_MAX}"), 0, 1) == Past(1, (at(1),))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    gaps=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    seen=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 4)), max_size=8),
    after=st.integers(0, 11),
    reaching=st.integers(0, 60),
)
def test_an_answer_is_a_beginning_of_the_truth(
    gaps: list[int], seen: list[tuple[int, int]], after: int, reaching: int
) -> None:
    positions = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    tail = Tail()
    for first, count in seen:
        events = [at(position) for position in positions[first : first + count]]
        tail.add(T1, positions[first - 1] if 0 < first <= len(positions) else 0, events if first < len(gaps) else [])
    begin = positions[after] if after < len(positions) else 0
    truth = [position for position in positions if position > begin]
    answer = tail.after(T1, begin, reaching)
    if answer is not None:
        known = [recorded.position for recorded in answer.events]
        assert known == truth[: len(known)]
        assert answer.position == (known[-1] if known else begin) >= reaching
