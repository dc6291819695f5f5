"""The planner as a service."""

from obra.services.planner.decide import decider
from obra.shared.config import Settings
from obra.shared.home import Home
from obra.shared.service import Service, Thinking


def service(settings: Settings, home: Home) -> Service:
    """Return the planner, with the policy that *settings* put into force."""
    return Thinking(decider(settings.policy()))
