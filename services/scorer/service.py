"""The scorer as a service: a decider for each task, and the calibrator over all of them."""

import asyncio
from dataclasses import dataclass, field

from obra.events import CalibrationFitted, Event, TaskLabelled
from obra.services.scorer.calibrator import Calibrator
from obra.services.scorer.decide import DECIDER, State
from obra.shared.bus import Bus, Delivery
from obra.shared.config import Settings
from obra.shared.home import Home
from obra.shared.service import Service, Thinking


@dataclass(eq=False)
class Scorer(Thinking[State]):
    """Answers events of a task as any thinking service does, and labels by fitting the calibration."""

    calibrator: Calibrator = field(default_factory=lambda: Calibrator(DECIDER.name, 1))

    @property
    def hears(self) -> tuple[type[Event], ...]:
        """See `Service.hears`."""
        return (*super().hears, TaskLabelled)

    @property
    def says(self) -> tuple[type[Event], ...]:
        """See `Service.says`."""
        return (*super().says, CalibrationFitted)

    async def _answer(self, bus: Bus, delivery: Delivery, stop: asyncio.Event) -> None:
        if not isinstance(delivery.recorded.event, TaskLabelled):
            await super()._answer(bus, delivery, stop)
            return
        await self.calibrator.hear(bus, delivery.recorded)
        await delivery.done()


def service(settings: Settings, home: Home) -> Service:
    """Return the scorer; all it goes by is in the events, and one number of the policy."""
    return Scorer(DECIDER, calibrator=Calibrator(DECIDER.name, settings.policy().calibration_outcomes_min))
