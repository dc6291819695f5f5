"""Runs one service as a process of its own: ``obra service NAME``, or ``python -m obra.services.NAME``."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from obra.shared.config import Settings, home_of, load
from obra.shared.embedded import notice
from obra.shared.embedded.host import keep_running
from obra.shared.embedded.join import NotRunning, external_login
from obra.shared.errors import ObraError
from obra.shared.home import Home
from obra.shared.log import get_logger, setup
from obra.shared.service import Service
from obra.shared.services import make

LOOK_EVERY_S = 1.0

log = get_logger("service")


async def run_service(name: str, home: Home, settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT, on the external server that *settings* name or the home's hosts.

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
    await beside(service, home, board, stop)


async def beside(service: Service, home: Home, board: notice.Notice, stop: asyncio.Event) -> None:
    """Run *service* until *stop* on the host whose notice is *board*, then on the one after it, and so on.

    Each host has an address and passwords of its own, so what led to one leads nowhere once it is gone.
    """
    while not stop.is_set():
        over = asyncio.Event()
        running = asyncio.create_task(keep_running(service, board.url, board.services[service.name], over))
        try:
            board = await _following(home, board, stop)
        finally:
            over.set()
            await running


async def _following(home: Home, board: notice.Notice, stop: asyncio.Event) -> notice.Notice:
    """Return the next host's notice as soon as it is up; once *stop* is set, *board*."""
    while not stop.is_set():
        if (found := notice.read(home)) and found != board:
            log.info("another host runs", url=found.url, pid=found.host_pid)
            return found
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
    return board


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
