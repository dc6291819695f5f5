"""Joining the running Obra of a home, and starting it where none runs."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from obra.shared.config import PREFIX, Settings
from obra.shared.embedded import notice
from obra.shared.embedded.access import EDGE
from obra.shared.embedded.lease import Lease
from obra.shared.envelope import VERSION
from obra.shared.errors import EnvironmentLacks, ObraWarning
from obra.shared.exclusive import exclusive
from obra.shared.home import Home, HomeFull

if TYPE_CHECKING:
    from obra.shared.bus.jetstream import JetStreamBus

START_S = 30.0
READY = b"ready\n"
STDERR = "host.stderr"
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME")


class NotRunning(EnvironmentLacks):
    """No Obra runs on {home}: start one with `obra up`."""


class OtherVersion(ObraWarning):
    """{theirs} runs on {home}, and this command is Obra {ours}: only what both know works. `obra down` stops it."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A command's place in a running Obra. ``started``: this command started it."""

    bus: "JetStreamBus"
    url: str
    started: bool
    lease: Lease | None

    async def lost(self) -> None:
        """Wait until the Obra that was joined is gone; forever for an external server, which reconnects."""
        if self.lease:
            await self.lease.lost()
        else:
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def join(
    home: Home, settings: Settings, *, config: Path | None = None, start: bool = True
) -> AsyncIterator[Joined]:
    """Join the Obra that runs on *home*, or the external server that *settings* name, as the edge.

    Where none runs, start one in the background, or raise `NotRunning` if *start* is false. It lives at least as
    long as the block.
    """
    from obra.shared.bus.jetstream import JetStreamBus  # noqa: PLC0415 - nats-py, while the host starts

    if settings.nats.url:
        user, password = external_login(settings)
        bus = await JetStreamBus.connect(settings.nats.url, user=user, password=password, service=EDGE)
        try:
            yield Joined(bus, settings.nats.url, started=False, lease=None)
        finally:
            await bus.close()
        return
    lease, board, started = await _lease(home, config, start=start)
    _compare(board, home)
    try:
        bus = await JetStreamBus.connect(board.url, user=board.user, password=board.password, service=EDGE)
        try:
            yield Joined(bus, board.url, started, lease)
        finally:
            await bus.close()
    finally:
        await lease.drop()


def _compare(board: notice.Notice, home: Home) -> None:
    """Warn where the host is of another version, or its store has other views: files were replaced while it ran."""
    from obra.shared.store.schema import digest  # noqa: PLC0415 - while the host may just be starting

    if (board.version, board.views) != (VERSION, digest()):
        same = f"Another build of Obra {VERSION}"
        theirs = same if board.version == VERSION else f"Obra {board.version}" if board.version else "An older Obra"
        warnings.warn(OtherVersion(theirs=theirs, home=home.root, ours=VERSION), stacklevel=2)


def external_login(settings: Settings) -> tuple[str, str]:
    """Return user and password for the external server; the password comes from a file, never from argv."""
    try:
        password = Path(settings.nats.password_file).read_text().strip() if settings.nats.password_file else ""
    except OSError as error:
        raise EnvironmentLacks(problem=f"nats.password_file can't be read: {error}") from error
    return settings.nats.user, password


async def _lease(home: Home, config: Path | None, *, start: bool) -> tuple[Lease, notice.Notice, bool]:
    """Take a lease on the running host; start one if there is none and nobody else is starting one."""
    if found := await _take(home):
        return (*found, False)
    if not start:
        raise NotRunning(home=home.root)
    async with exclusive(home.run):
        if found := await _take(home):
            return (*found, False)
        await _start(home, config)
        if found := await _take(home):
            return (*found, True)
    raise EnvironmentLacks(problem=f"the host started and ended at once; its log is {home.logs / 'host.log'}")


async def _take(home: Home) -> tuple[Lease, notice.Notice] | None:
    board = notice.read(home)
    if board is None:
        return None
    lease = await Lease.take(board.lease_port, board.lease_token)
    return (lease, board) if lease else None


async def _start(home: Home, config: Path | None) -> None:
    """Start a host and wait until it says that it is ready; `EnvironmentLacks` says why it does not."""
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as ready:
        try:
            process = _spawn(home, config, writes)
        finally:
            os.close(writes)
        reaper = threading.Thread(target=process.wait, daemon=True, name="reaps the host")
        reaper.start()
        if await _word(ready, home) == READY:
            return
    await asyncio.to_thread(reaper.join, START_S)
    if home.full:
        raise HomeFull(home=home.root, hint="")
    stderr = (home.logs / STDERR).read_text(errors="replace")
    *_, said = stderr.strip().removeprefix("obra: ").splitlines() or [""]
    code = process.returncode
    raise EnvironmentLacks(problem=f"{said or f'the host ended with exit code {code}'} (its logs are in {home.logs})")


def _spawn(home: Home, config: Path | None, ready: int) -> "subprocess.Popen[bytes]":
    """Start a host in a session of its own, to write to *ready* once it is.

    It gets the settings in the environment, and of the rest only what programs need to run.
    """
    environment = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith((PREFIX, "XDG_"))}
    argv = [sys.executable, "-m", "obra.shared.embedded.host", "--home", str(home.root), "--ready-fd", str(ready)]
    if config:
        argv += ["--config", str(config.absolute())]
    with (home.logs / STDERR).open("wb") as log:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, pass_fds=(ready,),
            start_new_session=True, cwd=home.root,
        )  # fmt: skip


async def _word(ready: BinaryIO, home: Home) -> bytes:
    """Return what the host says, empty if it ended without a word; `EnvironmentLacks` if it says nothing in time."""
    loop, spoken = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(ready, spoken.set)
    try:
        async with asyncio.timeout(START_S):
            await spoken.wait()
    except TimeoutError:
        problem = f"the host was not ready within {START_S:g} s; its logs are in {home.logs}"
        raise EnvironmentLacks(problem=problem) from None
    finally:
        loop.remove_reader(ready)
    return os.read(ready.fileno(), len(READY))
