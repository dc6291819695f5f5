"""The session-manager as a service."""

import asyncio

from obra.services.session_manager.decide import decider
from obra.services.session_manager.sharing import join, sum_up
from obra.services.session_manager.state import State
from obra.shared import rules, tokens
from obra.shared.bus import Bus, Delivery
from obra.shared.config import Settings
from obra.shared.home import Home
from obra.shared.service import Service, Thinking


def service(settings: Settings, home: Home) -> Service:
    """Return the session-manager. The rules it tells are read here, so that a bad file of yours is refused at once.

    Token ranks are loaded in a thread from here on, while the server starts and connections are made.
    """
    tokens.warm(rules.load)
    if settings.prompt.rules:
        rules.load(settings.prompt.rules)
    return SessionManager(decider(settings.prompt.rules))


class SessionManager(Thinking[State]):
    """Thinks; and beside that tells the tasks of a goal of one another.

    Before it decides on a shared session that was opened, it briefs its task; of a milestone that is reached, it has
    the LLM write a summary.
    """

    async def _answer(self, bus: Bus, delivery: Delivery, stop: asyncio.Event) -> None:
        await join(bus, delivery.recorded)
        await sum_up(bus, delivery.recorded)
        await super()._answer(bus, delivery, stop)
