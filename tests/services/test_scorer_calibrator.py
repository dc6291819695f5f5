"""The calibrator: when ground truth has come in, a map for all tasks."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from obra.events import AttemptScored, CalibrationFitted, Event, TaskLabelled, TaskRolledBack
from obra.events.subjects import PLATFORM, Scope
from obra.services.scorer.calibrator import Calibrator
from obra.services.scorer.service import service
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import Settings
from obra.shared.envelope import Recorded, fresh
from obra.shared.home import Home


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    bus = MemoryBus()
    yield bus
    await bus.close()


async def put(bus: MemoryBus, task: str, event: Event) -> Recorded:
    envelope = fresh(Scope("shop", task), event, "test")
    return Recorded(await bus.append([envelope]), envelope)


async def labelled(bus: MemoryBus, number: int) -> Recorded:
    """Score one task too surely, and label it: every third is good."""
    await put(bus, f"t{number}", AttemptScored(attempt=1, run=1, quality=1.0, confidence=0.95, confidence_raw=0.95))
    return await put(bus, f"t{number}", TaskLabelled(good=number % 3 == 0))


async def fitted(bus: MemoryBus) -> list[CalibrationFitted]:
    past = await bus.past(PLATFORM)
    return [recorded.event for recorded in past.events if isinstance(recorded.event, CalibrationFitted)]


async def test_it_waits_for_enough_outcomes_and_fits_again_as_they_grow(bus: MemoryBus) -> None:
    calibrator, counts = Calibrator("scorer", 30), []
    for number in range(60):
        await calibrator.hear(bus, await labelled(bus, number))
        counts.append([each.calibration.outcomes for each in await fitted(bus)])
    assert counts[28] == []
    assert counts[29] == [30]
    assert counts[-1][:4] == [30, 31, 32, 33]
    assert counts[-1][-1] >= 58
    last = (await fitted(bus))[-1]
    assert last.brier_after < last.brier_before


async def test_the_same_label_again_adds_nothing_and_a_fresh_process_knows_what_was_before(bus: MemoryBus) -> None:
    labels = [await labelled(bus, number) for number in range(30)]
    await Calibrator("scorer", 30).hear(bus, labels[-1])
    await Calibrator("scorer", 30).hear(bus, labels[-1])
    await asyncio.gather(*(Calibrator("scorer", 30).hear(bus, label) for label in labels[:3]))
    assert [each.calibration.outcomes for each in await fitted(bus)] == [30]


async def test_two_that_fit_at_once_say_it_once(bus: MemoryBus) -> None:
    labels = [await labelled(bus, number) for number in range(30)]
    await asyncio.gather(*(Calibrator("scorer", 30).hear(bus, labels[-1]) for _ in range(3)))
    assert len(await fitted(bus)) == 1


async def test_a_label_that_was_rolled_back_counts_no_more(bus: MemoryBus) -> None:
    for number in range(30):
        await labelled(bus, number)
    await put(bus, "t0", TaskRolledBack(to=0))
    label = await put(bus, "t1", TaskLabelled(good=True))
    await Calibrator("scorer", 30).hear(bus, label)
    assert await fitted(bus) == []


async def test_the_scorer_hears_labels_beside_what_its_decider_hears(bus: MemoryBus, tmp_path: object) -> None:
    settings = Settings(decision={"calibration_outcomes_min": 5})
    scorer, stop = service(settings, Home(tmp_path)), asyncio.Event()  # type: ignore[arg-type]
    assert TaskLabelled in scorer.hears
    assert CalibrationFitted in scorer.says
    running = asyncio.create_task(scorer.run(bus, stop))
    for number in range(5):
        await labelled(bus, number)
    async for raw in bus.follow(0, ["obra.-.-.calibration.fitted"]):
        assert raw.envelope
        assert (raw.envelope.service, raw.envelope.scope) == ("scorer", PLATFORM)
        break
    stop.set()
    await asyncio.wait_for(running, 10)
