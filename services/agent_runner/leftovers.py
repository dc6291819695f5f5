"""Finds what a crashed Obra left running, by the marker in its environment, and ends it."""

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARKER = "OBRARUN"
GONE_WITHIN_S = 10.0
ROUNDS_MAX = 20
POLL_S = 0.005


def sweep(marker_prefix: str) -> int:
    """Kill every process whose marker starts with *marker_prefix*, and all that descend from it.

    Returns how many there were. Blocks until they are gone, 10 s at most; what then still lives is stuck in the
    kernel. Processes of other users, whose environment can't be read, are left alone, as are this process and
    those above it. *marker_prefix* must not be empty.
    """
    if not marker_prefix:
        raise ValueError("an empty prefix would match every marker")
    import psutil  # noqa: PLC0415 - slow to import, seldom needed

    killed: set[tuple[int, float]] = set()
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for _ in range(ROUNDS_MAX):
        found = [process for process in _marked(marker_prefix) if process.pid not in spared]
        if not found:
            break
        for process in found:
            try:
                process.suspend()
            except psutil.Error:
                continue
        for process in found:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
            killed.add((process.pid, process.create_time()))
        _await_end(found)
    return len(killed)


def _await_end(processes: "list[psutil.Process]") -> None:
    """Wait a while until they are gone. psutil's own wait would reap those that are our children."""
    import psutil  # noqa: PLC0415 - see `sweep`

    until_s = time.monotonic() + GONE_WITHIN_S / ROUNDS_MAX
    while time.monotonic() < until_s:
        try:
            processes = [each for each in processes if each.status() != psutil.STATUS_ZOMBIE and each.is_running()]
        except psutil.NoSuchProcess:
            processes = [each for each in processes if each.is_running()]
        if not processes:
            return
        time.sleep(POLL_S)


def alive(marker_prefix: str) -> list[int]:
    """Return the pids of processes whose marker starts with *marker_prefix*."""
    return sorted({process.pid for process in _marked(marker_prefix)})


def _marked(prefix: str) -> "Iterator[psutil.Process]":
    import psutil  # noqa: PLC0415 - see `sweep`

    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(prefix) and process.status() != psutil.STATUS_ZOMBIE:
                yield process
                yield from process.children(recursive=True)
        except (psutil.Error, OSError):
            continue
