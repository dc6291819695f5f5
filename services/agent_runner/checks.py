"""Obra's own look at the work: the task's check commands, run where the agent ran, without what the agent was given."""

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from obra.events import CheckResult, Content
from obra.services.agent_runner.process import ExitStatus, Limits, Process, start
from obra.services.agent_runner.sandbox import Sandbox, wrap

HEAD_BYTES, TAIL_BYTES = 12 * 1024, 36 * 1024
TEXT_BYTES_MAX = 60 * 1024
"""Below the size from which a text travels by reference, so that the next prompt has all of it."""

NOT_STARTED = 127
"""The shell's exit code for a command that could not be started."""

ENV = {"LANG": "C.UTF-8", "TERM": "dumb", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True)
class Room:
    """Where checks run, and with what.

    ``path`` is their PATH, ``home`` a HOME of their own: in the agent's, it could have left what every program
    loads as it starts, and so decide how a check ends.
    """

    workspace: Path
    home: Path
    path: str
    sandbox: Sandbox
    marker: str
    file_bytes_max: int

    @property
    def env(self) -> Mapping[str, str]:
        """Return all that a check inherits. The variables that the agent was given are not among it."""
        scratch = self.home / "tmp"
        scratch.mkdir(mode=0o700, exist_ok=True)
        inside = "/tmp" if self.sandbox.kind == "bwrap" else str(scratch)
        compiled = self.home / "compiled"  # what an agent has left beside the sources is not what they say
        return {
            **ENV, "PATH": self.path, "HOME": str(self.home), "TMPDIR": inside, "PYTHONPYCACHEPREFIX": str(compiled),
        }  # fmt: skip


class Kept:
    """The beginning and the end of an output of any length."""

    def __init__(self) -> None:
        self._head, self._tail, self._size = bytearray(), bytearray(), 0

    def add(self, data: bytes) -> None:
        """Take in the next piece."""
        self._size += len(data)
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        del self._tail[:-TAIL_BYTES]

    @property
    def text(self) -> str:
        """Return it as text, with a line that says how much is missing in the middle."""
        missing = self._size - len(self._head) - len(self._tail)
        gap = f"\n[… {missing:,} bytes left out …]\n".encode() if missing else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode(errors="replace")


def bounded(text: str) -> str:
    """Return *text* such that it stays whole inside an event: replaced bytes may have made it longer."""
    data = text.encode("utf-8", "replace")
    if len(data) <= TEXT_BYTES_MAX:
        return text
    head, tail = data[:HEAD_BYTES], data[HEAD_BYTES - TEXT_BYTES_MAX :]
    gap = f"\n[… {len(data) - len(head) - len(tail):,} bytes left out …]\n"
    return head.decode(errors="ignore") + gap + tail.decode(errors="ignore")


async def run_check(
    command: str, room: Room, timeout_s: float, redact: Callable[[str], str], tries: int = 1
) -> CheckResult:
    """Run one check until it passes, but no more than *tries* times; what comes to its deadline is not run again."""
    number, result = 1, await _run(command, room, timeout_s, redact)
    while number < tries and result.exit_code and not result.timed_out:
        number, result = number + 1, await _run(command, room, timeout_s, redact)
    return msgspec.structs.replace(result, tries=number)


async def _run(command: str, room: Room, timeout_s: float, redact: Callable[[str], str]) -> CheckResult:
    """Run one check to its end or its deadline. Nothing of it is left running, also if this is cancelled."""
    began = time.monotonic()
    kept = Kept()
    status, timed_out = ExitStatus(code=NOT_STARTED), False
    try:
        process = await _start(command, room)
    except OSError as error:
        kept.add(f"the check could not be started: {error}\n".encode())
    else:
        try:
            status, timed_out = await _watch(process, kept, timeout_s)
        finally:
            await process.close()
        if status.problem:
            kept.add(f"\nthe check could not be started: {status.problem}\n".encode())
    code = status.returned
    return CheckResult(
        command=command,
        exit_code=-signal.SIGKILL if timed_out else NOT_STARTED if code is None else code,
        duration_ms=round((time.monotonic() - began) * 1e3, 3),
        timed_out=timed_out,
        output=Content.of(bounded(redact(kept.text))),
    )


async def _start(command: str, room: Room) -> Process:
    env = room.env
    shell = shutil.which("bash", path=room.path) or "/bin/sh"
    argv = wrap(room.sandbox, [shell, "-c", command], workspace=room.workspace, home=room.home, env=env)
    limits = Limits(file_bytes_max=room.file_bytes_max)
    return await start(
        argv, cwd=room.workspace, env=env, sandbox=room.sandbox, marker=room.marker, limits=limits, merge=True
    )


async def _watch(process: Process, kept: Kept, timeout_s: float) -> tuple[ExitStatus, bool]:
    """Read to the end of the output, or rather of the process: what it left behind may hold the pipe open."""
    reading = asyncio.create_task(_read(process, kept))
    try:
        async with asyncio.timeout(timeout_s):
            status = await process.wait()
        await asyncio.wait([reading], timeout=1.0)
    except TimeoutError:
        return await process.kill(), True
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
    return status, False


async def _read(process: Process, kept: Kept) -> None:
    while data := await process.read():
        kept.add(data)
