"""How a program ended, and how one can be sure that it did."""

import contextlib
import os
import signal
from dataclasses import dataclass

SIGNAL_BASE = 128


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


@dataclass(frozen=True, slots=True)
class Init:
    """The first process of a namespace, told from one that has its number later by when it started."""

    pid: int
    started: bytes

    @classmethod
    def of(cls, pid: int) -> "Init":
        """Return the process that has *pid* now."""
        return cls(pid, _stat(pid)[1])

    def alive(self) -> bool:
        """Tell whether it is there; as a zombie it has nothing left."""
        state, started = _stat(self.pid)
        return started == self.started and state not in (b"", b"Z", b"X")

    def kill(self) -> None:
        """End it, if it is still itself."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def _stat(pid: int) -> tuple[bytes, bytes]:
    """Return the state of a process and when it started; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return b"", b""
    return fields[0], fields[19]


def told(said: bytes) -> ExitStatus | None:
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


def seen(code: int | None) -> ExitStatus:
    """Return what an exit code means; bubblewrap, as any shell, reports a signal as 128 and its number."""
    if code is not None and code < 0:
        return ExitStatus(signal=-code)
    if code is not None and SIGNAL_BASE < code <= SIGNAL_BASE + int(max(signal.valid_signals())):
        return ExitStatus(signal=code - SIGNAL_BASE)
    return ExitStatus(code=code)
