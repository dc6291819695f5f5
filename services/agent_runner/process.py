"""A program of somebody else's, started so that nothing of it outlives us and nothing it does blocks us.

In bubblewrap, the kernel ends the whole process namespace with its first process. Without, `launcher` stands
between us and the program and kills whatever descends from it. Either dies with this process. What neither can
reach is work handed to another service of the machine (cron, systemd, a container engine); and outside Linux,
where there are no subreapers, a process that left its group is missed.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from obra.services.agent_runner import launcher
from obra.services.agent_runner.leftovers import MARKER, sweep
from obra.services.agent_runner.reachable import python
from obra.services.agent_runner.sandbox import Sandbox, outer

LAUNCHER = os.path.realpath(launcher.__file__)
CHUNK_BYTES = 256 * 1024
KILL_WAIT_S = launcher.KILL_WITHIN_S + 2
POLL_S = 0.002
SIGNAL_BASE = 128
LIMITED = 'ulimit -c 0; ulimit -f "$0" && exec "$@"'

__all__ = ["ExitStatus", "Limits", "Process", "start", "sweep"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. ``stderr_bytes_max`` is what is kept of its standard error."""

    file_bytes_max: int = 1024**3
    stderr_bytes_max: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a program ended: with ``code``, by ``signal``, or never started, because of ``problem``."""

    code: int | None = None
    signal: int | None = None
    problem: str = ""

    @property
    def returned(self) -> int | None:
        """Return the exit code, negative for a signal, None if it never ran."""
        return -self.signal if self.signal else self.code


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Says when the process ended, whether or not its pipes were read to the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=CHUNK_BYTES, loop=loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Process:
    """A running program. Read ``stdout`` to its end, await `wait`; `kill` leaves nothing of it."""

    def __init__(
        self, inner: asyncio.subprocess.Process, protocol: _Protocol, transport: asyncio.SubprocessTransport,
        marker: str, limits: Limits, channel: socket.socket | None,
    ) -> None:  # fmt: skip
        self.pid = inner.pid
        self.started_at_s = self.heard_at_s = time.monotonic()
        self._inner, self._protocol, self._transport = inner, protocol, transport
        self._marker, self._limits, self._channel = marker, limits, channel
        self._stderr, self._cut = bytearray(), 0
        self._pump = asyncio.create_task(self._read_stderr())
        self._listening = asyncio.create_task(self._listen())
        self._status: ExitStatus | None = None

    @property
    def stdout(self) -> asyncio.StreamReader:
        """Return its standard output; reading slowly slows the program down."""
        assert self._inner.stdout is not None
        return self._inner.stdout

    @property
    def stderr(self) -> str:
        """Return the end of what it said on standard error so far."""
        return bytes(self._stderr).decode(errors="replace")

    async def read(self, most: int = CHUNK_BYTES) -> bytes:
        """Return the next piece of standard output, empty at its end, and note that something was heard."""
        data = await self.stdout.read(most)
        self.heard_at_s = time.monotonic()
        return data

    async def write(self, data: bytes) -> bool:
        """Send *data* to its standard input; False if it does not listen any more."""
        stdin = self._inner.stdin
        if stdin is None or stdin.is_closing():
            return False
        try:
            stdin.write(data)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def close_stdin(self) -> None:
        """Tell it that nothing more will come."""
        if self._inner.stdin is not None:
            self._inner.stdin.close()

    async def wait(self) -> ExitStatus:
        """Return how it ended, once it and everything that it started are gone."""
        await self._protocol.exited.wait()
        if self._status is None:
            status = _told(await self._listening)
            if status is None and self._channel is not None:  # the launcher was killed before its work was done
                await asyncio.to_thread(sweep, self._marker)
            self._status = status or _seen(self._transport.get_returncode())
        return self._status

    async def kill(self, grace_s: float = 0.0) -> ExitStatus:
        """Ask it to end, wait *grace_s*, kill what is left with all its children; return once that is true."""
        if grace_s > 0 and not self._protocol.exited.is_set():
            self.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._protocol.exited.wait()
        if not self._protocol.exited.is_set():
            await self._destroy()
        return await self.wait()

    def terminate(self) -> None:
        """Send SIGTERM to the program itself; it may take its time or ignore it."""
        if self._channel is not None:
            self._send(b"T")
            return
        inside = launcher.descendants(self.pid) if launcher.LINUX else []
        for pid in inside[1:2]:  # bubblewrap's own first process comes before the program
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    async def close(self) -> None:
        """Kill it if it runs, and give back pipes and tasks. Needed after every `start`."""
        try:
            await self.kill()
        finally:
            self._transport.close()
            for task in (self._pump, self._listening):
                task.cancel()
            await asyncio.gather(self._pump, self._listening, return_exceptions=True)
            if self._channel is not None:
                self._channel.close()

    async def _destroy(self) -> None:
        if self._channel is not None:
            self._send(b"K")
        else:
            for pid in launcher.descendants(self.pid)[:1]:  # the first process of the namespace takes all along
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(KILL_WAIT_S if self._channel is not None else 1.0):
                await self._protocol.exited.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
            await self._protocol.exited.wait()
            await asyncio.to_thread(sweep, self._marker)

    async def _read_stderr(self) -> None:
        if self._inner.stderr is None:
            return
        most = self._limits.stderr_bytes_max
        while data := await self._inner.stderr.read(CHUNK_BYTES):
            self.heard_at_s = time.monotonic()
            self._stderr += data
            del self._stderr[:-most]

    async def _listen(self) -> bytes:
        """Collect what the launcher says, until it hangs up."""
        said = b""
        if self._channel is not None:
            loop = asyncio.get_running_loop()
            with contextlib.suppress(ConnectionError):
                while data := await loop.sock_recv(self._channel, 4096):
                    said += data
        return said

    def _send(self, letter: bytes) -> None:
        with contextlib.suppress(OSError):
            assert self._channel is not None
            self._channel.send(letter)


def _told(said: bytes) -> ExitStatus | None:
    """Return what the launcher said about the end, if it came to say it."""
    for line in said.decode(errors="replace").splitlines():
        match line[:1], line[1:]:
            case "E", number:
                return ExitStatus(code=int(number))
            case "S", number:
                return ExitStatus(signal=int(number))
            case "F", problem:
                return ExitStatus(problem=problem)
    return None


def _seen(code: int | None) -> ExitStatus:
    """Return what an exit code means; bubblewrap, as any shell, reports a signal as 128 and its number."""
    if code is not None and code < 0:
        return ExitStatus(signal=-code)
    if code is not None and SIGNAL_BASE < code <= SIGNAL_BASE + int(max(signal.valid_signals())):
        return ExitStatus(signal=code - SIGNAL_BASE)
    return ExitStatus(code=code)


async def start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], sandbox: Sandbox, marker: str, stdin: bool = False,
    limits: Limits = Limits(), merge: bool = False,
) -> Process:  # fmt: skip
    """Start *argv*, already wrapped by `sandbox.wrap`, with exactly *env* and the *marker* in it.

    *marker* starts with what `sweep` will be asked for. *merge* sends standard error into standard output. Raises
    `OSError` if the machine refuses (no such directory, no memory, too many processes).
    """
    environment = {**outer(sandbox, env), MARKER: marker}
    loop = asyncio.get_running_loop()
    ours: socket.socket | None = None
    theirs: socket.socket | None = None
    if sandbox.kind == "bwrap":
        command = ["/bin/sh", "-c", LIMITED, str(max(1, limits.file_bytes_max // 512)), *argv]
    else:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [python(), "-I", "-S", LAUNCHER, str(theirs.fileno()), str(limits.file_bytes_max), *argv]
    pipe, devnull = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        transport, protocol = await loop.subprocess_exec(
            lambda: _Protocol(loop), *command, cwd=cwd, env=environment, start_new_session=True,
            stdin=pipe if stdin else devnull, stdout=pipe, stderr=asyncio.subprocess.STDOUT if merge else pipe,
            pass_fds=(theirs.fileno(),) if theirs else (),
        )  # fmt: skip
    except BaseException:
        if ours is not None:
            ours.close()
        raise
    finally:
        if theirs is not None:
            theirs.close()
    inner = asyncio.subprocess.Process(transport, protocol, loop)
    return Process(inner, protocol, transport, marker, limits, ours)
