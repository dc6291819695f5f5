"""Runs git such that nothing in a repository or in anyone's configuration can make it run something else.

No hook, no file system monitor, no filter driver, no system or user configuration; an environment of its own; a
time limit. What git is told about a working tree that an agent has touched goes through a git directory of ours,
never through the one inside that tree.
"""

import contextlib
import os
import shutil
import subprocess
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from obra.shared import standby
from obra.shared.errors import EnvironmentLacks, ObraError

TIMEOUT_S = 60.0
LONG_S = 900.0
"""For commands whose work grows with the size of a repository."""

SAFE = (
    "--no-optional-locks", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
    "-c", "maintenance.auto=false", "-c", "core.untrackedCache=false", "-c", "advice.detachedHead=false",
)  # fmt: skip
ANY_OWNER = ("-c", "safe.directory=*")
"""Git refuses what another user owns, for fear of the configuration there. It is not in force here."""

NAME, EMAIL = "Obra", "obra@localhost"


class GitFailed(ObraError):
    """git {command} failed with {code}: {reason}"""

    @property
    def reason(self) -> str:
        """Return what git said."""
        return str(self.fields["reason"])


class GitTooSlow(GitFailed):
    """git {command} took longer than {timeout_s} s and was stopped: {reason}"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a git command ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Return its output without the last line break."""
        return self.out.decode(errors="surrogateescape").rstrip("\n")


@dataclass(frozen=True, slots=True)
class Git:
    """Where commands run: a git directory and a working tree by name, or whatever is found from a directory.

    With ``new_objects`` whatever a command makes goes there instead of among the objects of ``git_dir``.
    """

    git_dir: Path | None = None
    work_tree: Path | None = None
    cwd: Path | None = None
    index: Path | None = None
    new_objects: Path | None = None
    any_owner: bool = True

    def command(self, *args: str) -> list[str]:
        """Return the whole command line of ``git ARGS``."""
        place = [f"--git-dir={self.git_dir}"] if self.git_dir else []
        place += [f"--work-tree={self.work_tree}"] if self.work_tree else []
        return [_program(), *SAFE, *(ANY_OWNER if self.any_owner else ()), *place, *args]

    def stand_by(self, *args: str) -> None:
        """Start ``git ARGS`` now, to wait until the same is asked for by `start`, `try_` or `run`: see `standby`."""
        if self._plain:
            command = self.command(*args)
            gated = [command[0], *standby.GATE, *command[1:]]
            standby.begin(command, gated, self._where, _environment())

    def dismiss(self, *args: str) -> None:
        """End ``git ARGS`` if it still stands by."""
        standby.dismiss(self.command(*args))

    def start(self, *args: str, stdin: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start ``git ARGS`` with its output on pipes. The caller waits for it, with a time limit."""
        command = self.command(*args)
        if stdin == subprocess.DEVNULL and self._plain and (waiting := standby.take(command, self._where)):
            return waiting
        try:
            process = subprocess.Popen(
                command, cwd=self._where, env=self._environment(),
                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise _missing(error, self) from error
        _started.add(process)
        return process

    @contextlib.contextmanager
    def beside(self, *args: str, timeout_s: float = LONG_S) -> Iterator[Callable[[], Said]]:
        """Run ``git ARGS`` while the block goes on. What is yielded waits for it and returns how it ended.

        It is killed if the block ends before it does.
        """
        process = self.start(*args)
        try:
            yield lambda: _ended(process, args, b"", timeout_s)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def try_(self, *args: str, data: bytes = b"", timeout_s: float = TIMEOUT_S) -> Said:
        """Run ``git ARGS`` with *data* on its standard input and return how it ended, whatever that is."""
        with self.start(*args, stdin=subprocess.PIPE if data else subprocess.DEVNULL) as process:
            return _ended(process, args, data, timeout_s)

    def run(self, *args: str, data: bytes = b"", timeout_s: float = TIMEOUT_S) -> Said:
        """Run ``git ARGS`` and return what it said; raise `GitFailed` if it does not exit 0."""
        said = self.try_(*args, data=data, timeout_s=timeout_s)
        if said.code:
            raise failed(args, said.code, said.err)
        return said

    @property
    def _where(self) -> Path:
        return self.work_tree or self.cwd or Path("/")

    @property
    def _plain(self) -> bool:
        """Return whether the environment is the one that all commands have."""
        return self.index is None and self.new_objects is None

    def _environment(self) -> Mapping[str, str]:
        more = {"GIT_INDEX_FILE": str(self.index)} if self.index else {}
        if self.new_objects and self.git_dir:
            there = str(self.git_dir / "objects")
            more |= {"GIT_OBJECT_DIRECTORY": str(self.new_objects), "GIT_ALTERNATE_OBJECT_DIRECTORIES": there}
        return {**_environment(), **more}


def failed(args: Sequence[str], code: int, err: str) -> GitFailed:
    """Return the error for a command that exited with *code*."""
    return GitFailed(command=args[0], code=code, reason=err[-2_000:] or "it said nothing")


def _ended(process: "subprocess.Popen[bytes]", args: Sequence[str], data: bytes, timeout_s: float) -> Said:
    try:
        out, err = process.communicate(data or None, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()[1].decode(errors="replace").strip()
        raise GitTooSlow(command=args[0], code=-9, timeout_s=timeout_s, reason=said or "no word") from None
    return Said(process.returncode, out, err.decode(errors="replace").strip())


_started: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()


def stop_all() -> None:
    """Kill every git command that this process has running, so that threads that wait for one can end."""
    standby.dismiss_all()
    for process in tuple(_started):
        if process.poll() is None:
            process.kill()


@lru_cache(maxsize=1)
def _program() -> str:
    """Return where git is. Looked for each time, it would cost one call of the system for each directory of PATH."""
    return shutil.which("git", path=_environment()["PATH"]) or "git"


@lru_cache(maxsize=1)
def _environment() -> dict[str, str]:
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _who()}
    return {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", **who,
    }  # fmt: skip


def _who() -> list[tuple[str, str]]:
    return [("NAME", NAME), ("EMAIL", EMAIL)]


def _missing(error: FileNotFoundError, git: Git) -> ObraError:
    """Tell a missing git from a missing directory to run it in: Python reports both alike."""
    place = git.work_tree or git.cwd
    if place is not None and not place.is_dir():
        return GitFailed(command="", code=127, reason=f"there is no directory {place}")
    return EnvironmentLacks(problem=f"git is not installed, or not on PATH ({error})")
