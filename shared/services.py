"""The seven services by name, made when asked for.

This is the one place that knows them all. It reaches them by name, so that nothing in `obra.shared` imports a
service and no service imports another.
"""

from importlib import import_module
from typing import Any

from obra.shared.config import Settings
from obra.shared.decider import Decider
from obra.shared.errors import BadUsage
from obra.shared.home import Home
from obra.shared.service import Service

NAMES = (
    "planner",
    "session-manager",
    "supervisor-llm",
    "agent-runner",
    "scorer",
    "decider",
    "log-sink",
)


def make(name: str, settings: Settings, home: Home) -> Service:
    """Return the service called *name*; `BadUsage` if there is none."""
    if name not in NAMES:
        raise BadUsage(problem=f"there is no service {name!r}; there are: {', '.join(NAMES)}")
    module = import_module(f"obra.services.{name.replace('-', '_')}.service")
    made: Service = module.service(settings, home)
    return made


def make_all(settings: Settings, home: Home) -> list[Service]:
    """Return all seven."""
    return [make(name, settings, home) for name in NAMES]


def decider(name: str) -> Decider[Any]:
    """Return the two pure functions of the thinking service called *name*, to decide something again."""
    module = import_module(f"obra.services.{name.replace('-', '_')}.decide")
    found: Decider[Any] = module.DECIDER
    return found
