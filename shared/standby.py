"""Git commands that are started before they are needed, so that nobody waits while they start.

Half of what a short command takes is its start. One that stands by has that behind it: it is told to include what
stands on its standard input among its configuration, which git reads before anything else, and what stands there is
a quotation that ends only when the command is wanted. If this process dies before that, the quotation never ends,
and git gives up with nothing read or changed.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

GATE = ("-c", "include.path=/dev/stdin")
OPENING, CLOSING = b'[obra]\n\tcall = "', b'go"\n'
STANDING_MAX = 96
"""Three for each agent that runs; a process that waits holds about a megabyte."""

PROBE_S, END_S = 5.0, 10.0

Key = tuple[tuple[str, ...], int, int]
_standing: dict[Key, "subprocess.Popen[bytes]"] = {}


def begin(command: Sequence[str], gated: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
    """Start *gated*, which is *command* with `GATE` in it, to be had from `take`.

    Does nothing where one stands by already, where too many do, and where git does not wait for its configuration.
    Raises `OSError` if the machine refuses.
    """
    key = _key(command, cwd)
    if key in _standing or len(_standing) >= STANDING_MAX or not _waits(gated[0], tuple(sorted(env.items()))):
        return
    _standing[key] = _open(gated, cwd, env)


def take(command: Sequence[str], cwd: Path) -> "subprocess.Popen[bytes] | None":
    """Return *command* as a process that has just been let go, its standard input closed; None if none stood by.

    One that stood by in a directory which another has replaced does not count.
    """
    process = _standing.pop(_key(command, cwd), None) if _standing else None
    if process is None:
        return None
    assert process.stdin is not None
    try:
        process.stdin.write(CLOSING)
        process.stdin.close()
    except BrokenPipeError:  # somebody killed it
        _end(process)
        return None
    process.stdin = None
    return process


def dismiss(command: Sequence[str]) -> None:
    """End *command* if it still stands by, wherever it does."""
    for key in [key for key in tuple(_standing) if key[0] == tuple(command)]:
        if process := _standing.pop(key, None):
            _end(process)


def dismiss_all() -> None:
    """End whatever stands by."""
    while _standing:
        with suppress(KeyError):  # another thread was faster
            _end(_standing.popitem()[1])


def _key(command: Sequence[str], cwd: Path) -> Key:
    try:
        about = os.stat(cwd)
    except FileNotFoundError:
        return tuple(command), 0, 0
    return tuple(command), about.st_dev, about.st_ino


def _open(gated: Sequence[str], cwd: Path, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        gated, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(OPENING)
    process.stdin.flush()
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(timeout=END_S)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@lru_cache(maxsize=4)
def _waits(git: str, env: tuple[tuple[str, str], ...]) -> bool:
    """Return whether git fails when the quotation never ends, as it does only if it waits for that end."""
    process = _open([git, *GATE, "var", "GIT_COMMITTER_IDENT"], Path("/"), dict(env))
    assert process.stdin is not None
    process.stdin.close()
    try:
        return process.wait(timeout=PROBE_S) != 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        _end(process)
