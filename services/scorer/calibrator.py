"""Fits the calibration again when ground truth arrives: the one thing of the scorer that is not about one task.

It follows labels and scores over all tasks, keeps them by position, and says `calibration.fitted` for the whole
installation, which the planner hands on with each task it readies. So no score depends on what happens meanwhile.
"""

import asyncio
import contextlib
from uuid import uuid5

import msgspec

from obra.events import CalibrationFitted
from obra.events.subjects import PLATFORM, heard
from obra.shared.bus import Bus
from obra.shared.calibration_fit import fit
from obra.shared.envelope import Envelope, Recorded, answer
from obra.shared.errors import StaleAppend
from obra.shared.outcomes import KINDS, Outcomes

GROWTH = 20
"""It is fitted again once there is a twentieth more, so that a thousand labels don't make a thousand maps."""

RACES_MAX = 5


class Calibrator:
    """Keeps what was labelled so far; one for each process, used by one event at a time."""

    def __init__(self, service: str, outcomes_min: int) -> None:
        self._service, self._outcomes_min = service, outcomes_min
        self._outcomes = Outcomes()
        self._turn = asyncio.Lock()

    async def hear(self, bus: Bus, label: Recorded) -> None:
        """Take in everything up to *label*; say what is fitted, if there are enough outcomes and more than before."""
        async with self._turn:
            await self._follow(bus, label.position)
            for _ in range(RACES_MAX):
                try:
                    await self._fit(bus, label)
                    return
                except StaleAppend:
                    continue

    async def _follow(self, bus: Bus, until: int) -> None:
        if self._outcomes.position >= until:
            return
        async with contextlib.aclosing(bus.follow(self._outcomes.position, heard(KINDS))) as raws:
            async for raw in raws:
                if raw.envelope:
                    self._outcomes.take(Recorded(raw.position, raw.envelope))
                if raw.position >= until:
                    return

    async def _fit(self, bus: Bus, label: Recorded) -> None:
        past = await bus.past(PLATFORM)
        fitted = [each.event for each in past.events if isinstance(each.event, CalibrationFitted)]
        before = fitted[-1] if fitted else None
        outcomes = self._outcomes.all()
        known = before.calibration.outcomes if before else 0
        if len(outcomes) < max(self._outcomes_min, known + max(1, known // GROWTH)):
            return
        found = await asyncio.to_thread(fit, outcomes)
        if before and before.reason == found.reason and before.calibration.points == found.calibration.points:
            return
        await bus.append([self._envelope(label.envelope, found)], expected=past.position)

    def _envelope(self, label: Envelope, found: CalibrationFitted) -> Envelope:
        """Return the answer to *label* in the scope of everything; its id is of no other answer."""
        said = answer(label, self._service, found)
        return msgspec.structs.replace(
            said, id=uuid5(said.id, ".".join(PLATFORM)), project=PLATFORM.project, task=PLATFORM.task
        )
