"""What comes slowly goes into the store together; what somebody waits for goes at once."""

import asyncio

import pytest

from obra.services.log_sink.pending import LINGER_S, Pending
from obra.shared.bus import Raw
from tests.recorded import simulated

RAWS = simulated(range(1))
AT_ONCE_S = LINGER_S / 2


async def taken(pending: Pending) -> list[int]:
    async with asyncio.timeout(AT_ONCE_S):
        return [raw.position for raw in await pending.take()]


async def given(*raws: Raw, batch_max: int = 100) -> Pending:
    pending = Pending(batch_max)
    for raw in raws:
        await pending.put([raw])
    return pending


async def test_a_message_waits_for_company() -> None:
    pending = await given(RAWS[0])
    with pytest.raises(TimeoutError):
        await taken(pending)
    await pending.put([RAWS[1]])
    pending.close()
    assert await taken(pending) == [1, 2]
    assert await taken(pending) == []


async def test_a_whole_batch_waits_for_nothing() -> None:
    assert await taken(await given(*RAWS[:3], batch_max=2)) == [1, 2]


async def test_what_is_asked_for_waits_for_nothing() -> None:
    pending = await given(RAWS[0])
    pending.hurry(1)
    assert await taken(pending) == [1]


async def test_what_is_asked_for_before_it_is_there_waits_for_nothing_either() -> None:
    pending = await given(RAWS[0])
    pending.hurry(2)
    assert await taken(pending) == [1]
    await pending.put([RAWS[1]])
    assert await taken(pending) == [2]
    await pending.put([RAWS[2]])
    with pytest.raises(TimeoutError):
        await taken(pending)


async def test_what_comes_at_once_is_taken_a_batch_at_a_time() -> None:
    pending = Pending(batch_max=3)
    await pending.put(RAWS[:7])
    assert [await taken(pending), await taken(pending)] == [[1, 2, 3], [4, 5, 6]]
    pending.close()
    assert [await taken(pending), await taken(pending)] == [[7], []]


async def test_a_batch_is_no_larger_than_its_bytes_allow() -> None:
    pending = Pending(batch_max=100, batch_bytes_max=len(RAWS[0].data) + 1)
    await pending.put([RAWS[0]] * 4)
    pending.close()
    assert [await taken(pending), await taken(pending), await taken(pending)] == [[1, 1], [1, 1], []]


async def test_there_is_room_again_once_a_batch_is_taken() -> None:
    pending = Pending(batch_max=2)
    await pending.put(RAWS[:5])
    more = asyncio.ensure_future(pending.put(RAWS[5:6]))
    assert [await taken(pending), await taken(pending)] == [[1, 2], [3, 4]]
    await more
    assert await taken(pending) == [5, 6]
