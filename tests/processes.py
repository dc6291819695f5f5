"""Finds what belongs to an Obra home among the machine's processes, to kill it or to prove that nothing is left."""

import contextlib
import time
from pathlib import Path

import psutil

GONE_S = 15.0


def of(home: Path) -> list[psutil.Process]:
    """Return every live process whose command line or environment names *home*, but this one's own."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if process.pid == psutil.Process().pid or process.status() == psutil.STATUS_ZOMBIE:
                continue
            told = "\0".join([*process.cmdline(), *(f"{k}={v}" for k, v in process.environ().items())])
            if str(home) in told:
                found.append(process)
    return found


def kill_all(home: Path) -> int:
    """Kill -9 everything of *home*, as a power cut would, in no order; return how many there were."""
    victims = of(home)
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(victims, timeout=GONE_S)
    return len(victims)


def left(home: Path) -> list[list[str]]:
    """Return the command lines of what is still there once everything had time to end."""
    until = time.monotonic() + GONE_S
    while (alive := of(home)) and time.monotonic() < until:
        psutil.wait_procs(alive, timeout=0.05)
    lines = []
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            lines.append(process.cmdline())
    return lines
