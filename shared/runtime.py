"""Runs one service as a process of its own: ``obra service NAME``, or ``python -m obra.services.NAME``."""

import asyncio
import signal
import sys
from pathlib import Path

from obra.shared.config import Settings, home_of, load
from obra.shared.embedded import notice
from obra.shared.embedded.host import keep_running
from obra.shared.embedded.join import NotRunning, external_login
from obra.shared.errors import ObraError
from obra.shared.home import Home
from obra.shared.log import setup
from obra.shared.services import make


async def run_service(name: str, home: Home, settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT, on the external server that *settings* name or the home's host.

    Raises `NotRunning` where there is neither.
    """
    service = make(name, settings, home)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if settings.nats.url:
        user, password = external_login(settings)
        await keep_running(service, settings.nats.url, password, stop, user=user)
        return
    board = notice.read(home)
    if board is None:
        raise NotRunning(home=home.root)
    await keep_running(service, board.url, board.services[name], stop)


def main(name: str, config: Path | None = None) -> int:
    """Run the service called *name* with the settings of this process's environment; return the exit code."""
    try:
        home = Home(home_of())
        settings = load(home.root, config)
        setup(settings.log.level)
        asyncio.run(run_service(name, home, settings))
    except ObraError as error:
        sys.stderr.write(f"obra: {error}\n")
        return error.exit_code
    return 0
