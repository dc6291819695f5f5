"""The decider as a service."""

from obra.services.decider.decide import DECIDER
from obra.shared.config import Settings
from obra.shared.home import Home
from obra.shared.service import Service, Thinking


def service(settings: Settings, home: Home) -> Service:
    """Return the decider; all it goes by is in the events of a task."""
    return Thinking(DECIDER)
