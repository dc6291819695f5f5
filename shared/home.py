"""Where everything lies below OBRA_HOME, the only directory Obra writes to."""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from obra.events.subjects import Scope
from obra.shared.errors import EnvironmentLacks

ROOM_BYTES_MIN = 1024**2


class HomeUnusable(EnvironmentLacks):
    """Nothing can be kept in {home}: {reason}. Set OBRA_HOME to a directory that you can write to."""


class HomeFull(EnvironmentLacks):
    """The disk is full, and nothing more can be recorded: free some (`obra tidy` does, in {home}/tasks){hint}"""


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of OBRA_HOME. Directories are made on first use, readable by their owner alone."""

    root: Path

    @property
    def run(self) -> Path:
        """Return the directory of what only matters while something runs: locks, ports, credentials."""
        return self._made(self.root / "run")

    @property
    def unsettled(self) -> Path:
        """Return the mark that the store may lag behind the stream; log-sink removes it once it has all, at its end."""
        return self.run / "unsettled"

    @property
    def jetstream(self) -> Path:
        """Return the embedded server's storage."""
        return self._made(self.root / "nats")

    @property
    def store(self) -> Path:
        """Return the DuckDB file."""
        self._made(self.root)
        return self.root / "obra.duckdb"

    @property
    def logs(self) -> Path:
        """Return the directory of the services' logs."""
        return self._made(self.root / "logs")

    @property
    def demo(self) -> Path:
        """Return the directory of the sample repositories that `obra demo` makes."""
        return self._made(self.root / "demo")

    def task(self, scope: Scope) -> Path:
        """Return a task's directory: workspace, checkpoints, transcripts, the agent's private home."""
        return self._made(self.root / "tasks" / scope.project / scope.task)

    def checkpoints(self, scope: Scope) -> Path:
        """Return the git directory that holds a task's checkpoints, if it was worked on below this home."""
        return self.root / "tasks" / scope.project / scope.task / "git"

    def environment(self, scope: Scope) -> Path:
        """Return the file that carries a task's PATH and agent environment, never seen on the bus.

        JSON object of name to value, mode 0600, written by the submitting command, read by the runner.
        """
        return self._made(self.root / "run" / "env" / scope.project) / f"{scope.task}.json"

    @property
    def full(self) -> bool:
        """Return whether the disk has no room even for a few events."""
        return self.root.exists() and shutil.disk_usage(self.root).free < ROOM_BYTES_MIN

    def _made(self, path: Path) -> Path:
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HomeUnusable(home=self.root, reason=error.strerror) from error
        return path


def write_private(path: Path, data: bytes) -> None:
    """Write *path* atomically with mode 0600 from its first byte on."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def locked(descriptor: int) -> bool:
    """Take the lock of an open file without waiting; return whether it is ours. Closing the file lets go of it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
