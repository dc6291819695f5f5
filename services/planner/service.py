"""The planner as a service."""

from obra.services.planner.decide import planner
from obra.shared.config import Settings
from obra.shared.home import Home
from obra.shared.managing import Managing
from obra.shared.service import Service


def service(settings: Settings, home: Home) -> Service:
    """Return the planner, with the policy that *settings* put into force."""
    return Managing(planner(settings.policy()))
