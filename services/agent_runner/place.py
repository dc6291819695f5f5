"""Where a task lies on disk, and who may work there now."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from obra.events.subjects import Scope
from obra.services.agent_runner.survey import WorkspaceLost
from obra.shared.home import Home, locked
from obra.shared.removal import remove

LOCK_POLL_S = 0.25


def directory(path: Path) -> Path:
    """Return *path* as a directory, in a place that an agent can write to.

    What else stands there is removed. A link to somewhere else would be followed by whoever works there for us, and
    by bubblewrap, which opens what it leads to. Raises `OSError`.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        path.unlink()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@dataclass(frozen=True, slots=True)
class Place:
    """A task's directories.

    ``workspace`` is the agent's own clone and nothing else reads its ``.git``. ``control`` is our git directory
    over the same files: checkpoints, index, configuration, all out of the agent's reach. ``home`` is the agent's
    private HOME.
    """

    root: Path
    scope: Scope
    marker: str

    @classmethod
    def of(cls, home: Home, scope: Scope) -> "Place":
        """Return the place of *scope*; the marker tells its processes from those of other homes and tasks."""
        digest = hashlib.sha256(os.fsencode(home.root.resolve())).hexdigest()[:12]
        return cls(home.task(scope), scope, f"{digest}.{scope.project}.{scope.task}.")

    @property
    def workspace(self) -> Path:
        """Return the agent's clone."""
        return self.root / "workspace"

    @property
    def control(self) -> Path:
        """Return our own git directory."""
        return self.root / "git"

    @property
    def home(self) -> Path:
        """Return the agent's private HOME, made if need be."""
        path = self.root / "home"
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def fresh_home(self) -> Path:
        """Return an empty HOME for checks. Raises `WorkspaceLost` if it can't be emptied of what earlier ones left."""
        path = self.root / "check-home"
        try:
            remove(path)
            path.mkdir(mode=0o700)
        except OSError as error:
            raise WorkspaceLost(problem=f"there is no empty home for checks: {error}") from error
        return path

    def transcript(self, attempt: int, run: int) -> Path:
        """Return the file for all output of a run; its directory is made."""
        path = self.root / "transcripts"
        path.mkdir(mode=0o700, exist_ok=True)
        return path / f"attempt-{attempt}.{run}.jsonl"

    @contextlib.asynccontextmanager
    async def alone(self, stop: asyncio.Event) -> AsyncIterator[bool]:
        """Hold the task's directory against every other runner on this machine; False if *stop* came first.

        The kernel lets go of it when this process ends, however it ends; an agent does not inherit it.
        """
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not (held := locked(descriptor)) and not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOCK_POLL_S)
            yield held
        finally:
            os.close(descriptor)
