"""A program of somebody else's, started so that nothing of it outlives us and nothing it does blocks us.

In bubblewrap, the kernel ends the whole process namespace with its first process. Without, `launcher` stands
between us and the program and kills whatever descends from it. Either dies with this process. What neither can
reach is work handed to another service of the machine (cron, systemd, a container engine); and outside Linux,
where there are no subreapers, a process that left its group is missed.
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from obra.services.agent_runner import launcher
from obra.services.agent_runner.exits import ExitStatus, Init, seen, told
from obra.services.agent_runner.leftovers import MARKER, sweep
from obra.services.agent_runner.reachable import python
from obra.services.agent_runner.sandbox import Sandbox, outer

LAUNCHER = os.path.realpath(launcher.__file__)
CHUNK_BYTES = 256 * 1024
KILL_WAIT_S = launcher.KILL_WITHIN_S + 2
POLL_S = 0.002
CHILD = re.compile(rb'"child-pid": (\d+)')
LIMITED = 'ulimit -c 0; ulimit -f "$0" && exec "$@"'

__all__ = ["ExitStatus", "Limits", "Process", "start", "sweep"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. ``stderr_bytes_max`` is what is kept of its standard error."""

    file_bytes_max: int = 1024**3
    stderr_bytes_max: int = 64 * 1024


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
        marker: str, limits: Limits, channel: socket.socket, bwrap: bool,
    ) -> None:  # fmt: skip
        self.pid = inner.pid
        self.started_at_s = self.heard_at_s = time.monotonic()
        self._inner, self._protocol, self._transport = inner, protocol, transport
        self._marker, self._limits, self._channel = marker, limits, channel
        self._bwrap, self._said = bwrap, bytearray()
        self._init: Init | None = None
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
            await self._listening
            status = None if self._bwrap else told(bytes(self._said))
            if self._bwrap:
                await self._empty()
            elif status is None:  # the launcher was killed before its work was done
                await asyncio.to_thread(sweep, self._marker)
            self._status = status or seen(self._transport.get_returncode())
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
        if not self._bwrap:
            self._send(b"T")
        for pid in launcher.descendants(self._init.pid)[:1] if self._init else []:
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
            self._channel.close()

    async def _destroy(self) -> None:
        if not self._bwrap:
            self._send(b"K")
        elif self._init is not None:  # the first process of the namespace takes all others along
            self._init.kill()
        try:
            async with asyncio.timeout(1.0 if self._bwrap else KILL_WAIT_S):
                await self._protocol.exited.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
            await self._protocol.exited.wait()
            await asyncio.to_thread(sweep, self._marker)

    async def _empty(self) -> None:
        """Wait until the kernel has ended the namespace; bubblewrap itself does not wait for that."""
        until_s = time.monotonic() + KILL_WAIT_S
        while self._init is not None and self._init.alive() and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    async def _read_stderr(self) -> None:
        if self._inner.stderr is None:
            return
        most = self._limits.stderr_bytes_max
        while data := await self._inner.stderr.read(CHUNK_BYTES):
            self.heard_at_s = time.monotonic()
            self._stderr += data
            del self._stderr[:-most]

    async def _listen(self) -> None:
        """Collect what the launcher or bubblewrap says about it, until they hang up."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(self._channel, 4096):
                self._said += data
                if self._bwrap and self._init is None and (found := CHILD.search(self._said)):
                    self._init = Init.of(int(found[1]))

    def _send(self, letter: bytes) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(letter)


async def start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], sandbox: Sandbox, marker: str, stdin: bool = False,
    limits: Limits | None = None, merge: bool = False,
) -> Process:  # fmt: skip
    """Start *argv*, already wrapped by `sandbox.wrap`, with exactly *env* and the *marker* in it.

    *marker* starts with what `sweep` will be asked for. *merge* sends standard error into standard output. Raises
    `OSError` if the machine refuses (no such directory, no memory, too many processes).
    """
    limits = limits or Limits()
    environment = {**outer(sandbox, env), MARKER: marker}
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    bwrap, number = sandbox.kind == "bwrap", str(theirs.fileno())
    if bwrap:
        inner = [argv[0], "--json-status-fd", number, *argv[1:]]
        command = ["/bin/sh", "-c", LIMITED, str(max(1, limits.file_bytes_max // 512)), *inner]
    else:
        command = [python(), "-I", "-S", LAUNCHER, number, str(limits.file_bytes_max), *argv]
    pipe, devnull = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        transport, protocol = await loop.subprocess_exec(
            lambda: _Protocol(loop), *command, cwd=cwd, env=environment, start_new_session=True,
            stdin=pipe if stdin else devnull, stdout=pipe, stderr=asyncio.subprocess.STDOUT if merge else pipe,
            pass_fds=(theirs.fileno(),),
        )  # fmt: skip
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    process = asyncio.subprocess.Process(transport, protocol, loop)
    return Process(process, protocol, transport, marker, limits, ours, bwrap)
