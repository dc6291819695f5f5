"""Workspaces made before anybody asks: the next task in the same repository waits neither for git nor for the disk.

A spare is what `making` makes, for no task yet, from HEAD as it is while an agent runs and its runner has nothing to
do. A task takes it if it starts from that very commit, with the same branches and tags; else it is thrown away.
"""

import itertools
import os
import shutil
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from obra.events.subjects import Scope
from obra.services.agent_runner import clone, making, objects
from obra.services.agent_runner.place import Place
from obra.shared.errors import ObraError
from obra.shared.home import Home, locked
from obra.shared.log import get_logger
from obra.shared.repository import Target, locate, locate_plain

SPARES_MAX = 8
"""Repositories used last that have one: each takes as much room as a workspace."""

REFS_CHARS_MAX = 64 * 1024
"""Of branches and tags together; a repository that has more is better left to a thread."""

NOBODY = Scope("-", "spare")
LOCK = "lock"

log = get_logger("agent-runner")


@dataclass(frozen=True, slots=True)
class Spare:
    """A workspace for nobody, at the base commit of ``target``, when its branches and tags were ``refs``."""

    place: Place
    target: Target
    refs: str


class Spares:
    """The spare workspaces of one process, in a directory of its own that is removed with it, or after it."""

    def __init__(self, home: Home) -> None:
        self._all = home.root / "spares"
        self._own = self._all / uuid4().hex[:12]
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._spares: OrderedDict[Path, Spare] = OrderedDict()
        self._making: set[Path] = set()
        self._useless: list[Path] = []
        self._held = -1
        self._closed = False

    def sweep(self) -> None:
        """Remove what processes that are gone have left. Blocking."""
        for left in self._all.iterdir() if self._all.is_dir() else ():
            with suppress(FileNotFoundError):
                descriptor = os.open(left / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    if locked(descriptor):
                        shutil.rmtree(left, ignore_errors=True)
                finally:
                    os.close(descriptor)

    def lay_in(self, target: Target) -> None:
        """Make a spare for the repository of *target*, unless there is one or its copy would not be small. Blocking."""
        key = target.common_dir
        with self._guard:
            if self._closed or key in self._making:
                return
            self._making.add(key)
        try:
            self._renew(key, target.path)
        except (ObraError, OSError) as error:  # the next task will say what is wrong, if it still is
            log.info("no spare workspace", repo=str(target.path), why=str(error))
        finally:
            with self._guard:
                self._making.discard(key)
            self._throw_away()

    def take(self, place: Place, repo: Path, base: str) -> bool:
        """Make the spare for *repo*, if there is one that serves, the workspace of *place*; else False.

        `making.pin` is owed then. It reads and renames a few small files, in well under a millisecond, and so is not
        for a thread: taking turns with the event loop made it last several times as long.
        """
        with self._guard:
            spare = self._spares.pop(Path(os.path.realpath(repo), ".git"), None)
        if spare is None:
            return False
        try:
            target = locate_plain(repo, base) if base in ("", spare.target.base) else None
            same = target is not None and target == spare.target and clone.refs_of(target) == spare.refs
            if same and making.remembered(place) is None:
                making.adopt(spare.place, place, spare.target, spare.refs)
                return True
        except (ObraError, OSError) as error:  # the workspace is made anew, which says what is wrong, if it still is
            log.info("spare workspace not taken", repo=str(repo), why=str(error))
        finally:
            with self._guard:
                self._useless.append(spare.place.root)
        return False

    def close(self) -> None:
        """Remove all of them; no more are made. Blocking."""
        with self._guard:
            self._closed = True
            self._spares.clear()
            if self._held >= 0:
                shutil.rmtree(self._own, ignore_errors=True)
                os.close(self._held)
                self._held = -1

    def _renew(self, key: Path, repo: Path) -> None:
        target = locate(repo)
        refs = clone.refs_of(target) if key == target.path / ".git" else None
        with self._guard:
            old = self._spares.get(key)
        if refs is None or len(refs) > REFS_CHARS_MAX or (old is not None and (old.target, old.refs) == (target, refs)):
            return
        if (repo / ".gitmodules").exists() or objects.few(key / "objects") is None:
            return
        place = Place(self._room(), NOBODY, "")
        made = making.make(place, repo, "", pinned=False)
        same = made.base == target.base and clone.refs_in(place.workspace / ".git") == refs
        with self._guard:
            old = self._spares.pop(key, None)
            self._useless += [old.place.root] if old else []
            if not same or made.submodules or self._closed:
                self._useless.append(place.root)
                return
            self._spares[key] = Spare(place, target, refs)
            while len(self._spares) > SPARES_MAX:
                self._useless.append(self._spares.popitem(last=False)[1].place.root)

    def _room(self) -> Path:
        """Return a new directory in one that is this process's while it holds the lock there."""
        with self._guard:
            if self._held < 0 and not self._closed:
                self._own.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._held = os.open(self._own / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                locked(self._held)
        room = self._own / str(next(self._numbers))
        room.mkdir(mode=0o700)
        return room

    def _throw_away(self) -> None:
        with self._guard:
            useless, self._useless = self._useless, []
        for root in useless:
            shutil.rmtree(root, ignore_errors=True)
