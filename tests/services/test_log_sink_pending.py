"""What comes slowly goes into the store together; what somebody waits for goes at once."""

import asyncio

import pytest

from obra.services.log_sink.pending import LINGER_S, Pending
from obra.shared.bus import Raw
from obra.shared.errors import Undecodable
from tests.recorded import simulated

RAWS = simulated(range(1))
AT_ONCE_S = LINGER_S / 2


async def taken(pending: Pending) -> list[int]:
    async with asyncio.timeout(AT_ONCE_S):
        return [raw.position for raw in await pending.take()]


async def given(*raws: Raw, batch_max: int = 100) -> Pending:
    pending = Pending(batch_max)
    for raw in raws:
        await pending.put(raw)
    return pending


async def test_a_message_waits_for_company() -> None:
    pending = await given(RAWS[0])
    with pytest.raises(TimeoutError):
        await taken(pending)
    await pending.put(RAWS[1])
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
    await pending.put(RAWS[1])
    assert await taken(pending) == [2]
    await pending.put(RAWS[2])
    with pytest.raises(TimeoutError):
        await taken(pending)


async def test_what_cannot_be_read_waits_for_nothing() -> None:
    problem = Undecodable(size=3, reason="it is no JSON")
    pending = await given(RAWS[0], Raw(2, "obra.shop.t1.task.submitted", b"odd", 0, None, problem))
    assert await taken(pending) == [1, 2]
