"""The host: a nats-server and all seven services in one process, alive as long as somebody holds a lease."""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

from obra.shared.archive.whole import check_whole
from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision
from obra.shared.bus.tail import Tail
from obra.shared.config import Settings, load
from obra.shared.embedded import notice
from obra.shared.embedded.access import ADMIN, EDGE, User, users_for
from obra.shared.embedded.alone import STOP_S, STOPPING_S, alone
from obra.shared.embedded.lease import LeaseServer
from obra.shared.embedded.server import Server, start
from obra.shared.envelope import VERSION
from obra.shared.errors import EnvironmentLacks, ObraError
from obra.shared.home import Home
from obra.shared.log import get_logger
from obra.shared.presence import announce
from obra.shared.provisioning import prepare
from obra.shared.service import Service
from obra.shared.services import make_all
from obra.shared.store.schema import digest

SINK = "log-sink"
SERVER_GONE = 2
"""The place of the server's end among what ends a host."""

RESTART_S = (0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 60.0
"""A service that ran for so long before it failed is started again as if it had never failed before."""

log = get_logger("host")


async def host(home: Home, settings: Settings, ready: int | None = None) -> None:
    """Run server and services until the last lease is gone, or SIGTERM or SIGINT comes.

    *ready* is a file descriptor that gets ``ready`` once commands may join. Raises `HostRuns` where another host
    has the lock, `EnvironmentLacks` where the server can't be started or ends by itself.
    """
    with alone(home, STOPPING_S):  # nobody can join one that runs and has no notice up: it is about to end
        services = make_all(settings, home)
        users = users_for(services)
        server = await start(home, settings.nats, users)
        try:
            await _serve(home, settings, services, users, server, ready)
        finally:
            notice.take_down(home)
            await server.stop()


async def _serve(
    home: Home,
    settings: Settings,
    services: Sequence[Service],
    users: Sequence[User],
    server: Server,
    ready: int | None,
) -> None:
    passwords = {user.name: user.password for user in users}
    await _prepare(home, server, settings, services, passwords[ADMIN])
    leases = LeaseServer()
    await leases.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    last_stop = asyncio.Event()  # log-sink goes last, so that it stores what the others say in the end
    stops = {service.name: last_stop if service.name == SINK else stop for service in services}
    running = _started(services, stops, server.url, passwords)
    try:
        _put_up(home, server, leases, passwords)
        if ready is not None:
            with contextlib.suppress(BrokenPipeError):  # who started us is gone; others may join, or nobody will
                os.write(ready, b"ready\n")
            os.close(ready)
        log.info("host ready", url=server.url, pid=os.getpid(), server=server.pid)
        ended = await _first(stop.wait(), leases.last_gone(), server.gone())
        log.info("host stops", why=("a signal", "the last command is gone", "nats-server ended")[ended])
        notice.take_down(home)
        await leases.stop()
        stop.set()
        patience_s = 2.0 if ended == SERVER_GONE else STOP_S
        await _over([task for name, task in running.items() if name != SINK], patience_s)
        last_stop.set()
        await _over([running[SINK]], patience_s)
        if ended == SERVER_GONE:
            raise EnvironmentLacks(problem=f"nats-server ended by itself; its log is {home.logs / 'nats.log'}")
    finally:  # however this ends: a service that nobody stops would wait for the server for ever
        stop.set()
        last_stop.set()


def _started(
    services: Sequence[Service], stops: dict[str, asyncio.Event], url: str, passwords: dict[str, str]
) -> dict[str, asyncio.Task[None]]:
    """Start every service, each to run until its stop; they share what they have seen of the stream."""
    tail = Tail()
    return {
        service.name: asyncio.create_task(
            keep_running(service, url, passwords[service.name], stops[service.name], tail=tail), name=service.name
        )
        for service in services
    }


def _put_up(home: Home, server: Server, leases: LeaseServer, passwords: dict[str, str]) -> None:
    notice.put_up(
        home,
        notice.Notice(
            url=server.url, user=EDGE, password=passwords[EDGE], host_pid=os.getpid(), server_pid=server.pid,
            lease_port=leases.port, lease_token=leases.token,
            services={name: word for name, word in passwords.items() if name not in (ADMIN, EDGE)},
            version=VERSION, views=digest(),
        ),
    )  # fmt: skip


async def _over(tasks: Sequence[asyncio.Task[None]], patience_s: float) -> None:
    """Wait for services to end; cancel those that take longer than *patience_s*."""
    _, late = await asyncio.wait(tasks, timeout=patience_s)
    for task in late:
        log.warning("service stopped the hard way", service=task.get_name())
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _prepare(home: Home, server: Server, settings: Settings, services: Sequence[Service], password: str) -> None:
    """Create or update streams and consumers, and hand out again at once what the last host left unsettled."""
    admin = await JetStreamBus.connect(server.url, user=ADMIN, password=password, service=ADMIN)
    try:
        await provision(admin.js, settings.nats)
        await check_whole(admin, home)
        home.unsettled.touch()
        await prepare(admin, settings, services, nobody_reads=True)
    finally:
        await admin.close()


async def keep_running(
    service: Service, url: str, password: str, stop: asyncio.Event, *, user: str = "", tail: Tail | None = None
) -> None:
    """Run *service* on a connection of its own until *stop*; start it again, more slowly each time, if it fails."""
    user, failures = user or service.name, 0
    while True:
        began_s = time.monotonic()
        try:
            bus = await JetStreamBus.connect(url, user=user, password=password, service=service.name, tail=tail)
            try:
                async with announce(bus, service.name):
                    await service.run(bus, stop)
            finally:
                await bus.close()
        except ObraError as error:
            log.error("service failed", service=service.name, error=str(error))
        except Exception:
            log.exception("service crashed", service=service.name)
        if stop.is_set() or _cancelled():
            return
        failures = 0 if time.monotonic() - began_s > STEADY_S else failures
        pause_s = RESTART_S[min(failures, len(RESTART_S) - 1)] * random.uniform(0.5, 1.0)
        failures += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
            return


def _cancelled() -> bool:
    """Return whether this task was cancelled, also where nats-py has swallowed that while it looked for a server."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _first(*waits: Awaitable[object]) -> int:
    """Return the index of the first of *waits* to end; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(index for index, task in enumerate(tasks) if task.done())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a host in the background of the command that started it."""
    parser = argparse.ArgumentParser(prog="python -m obra.shared.embedded.host", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--ready-fd", type=int)
    asked = parser.parse_args(argv)
    try:
        home = Home(asked.home)
        settings = load(home.root, asked.config)
        from obra.shared.log import setup  # noqa: PLC0415 - only the process that logs pays for it

        setup(settings.log.level, home.logs / "host.log")
        asyncio.run(host(home, settings, asked.ready_fd))
    except ObraError as error:
        sys.stderr.write(f"obra: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
