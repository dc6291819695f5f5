"""What must stay readable inside the sandbox so that the programs on PATH still work.

Tools often lie below the user's home, which is hidden: virtual environments, pyenv, nvm, ~/.local/bin. Their
directories are shown again, read-only, as narrowly as they still run; a directory that may hold credentials
beside its programs (~/.local, ~/.cargo) shows its ``bin`` alone.
"""

import os
import sys
from functools import lru_cache
from itertools import islice
from pathlib import Path

LINKS_MAX = 512
BINS = frozenset({"bin", "sbin", "shims", "cmd"})
WHOLE = frozenset({
    ".pyenv", ".rbenv", ".nodenv", ".asdf", ".nvm", ".volta", ".rustup", ".sdkman", ".bun", ".deno", ".goenv",
    ".jenv", "mise",
})  # fmt: skip
"""Version managers: their shims need what lies beside them, and they keep no credentials."""


def below(path: str, top: str) -> bool:
    """Tell whether *path* is *top* or lies below it."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def readable(program: str, search: str, hidden: tuple[str, ...], user_home: str) -> tuple[str, ...]:
    """Return the real paths to show again so that *program* and what lies on *search* (a PATH) can run."""
    places = tuple(place for place in search.split(":") if os.path.isabs(place) and os.path.isdir(place))
    return _readable(program, places, tuple(os.stat(place).st_mtime_ns for place in places), hidden, user_home)


@lru_cache(maxsize=64)
def _readable(
    program: str, places: tuple[str, ...], stamps: tuple[int, ...], hidden: tuple[str, ...], user_home: str
) -> tuple[str, ...]:
    """See `readable`; *stamps* make it look again when a tool was installed or removed."""
    found: set[str] = set()
    tops = (*hidden, user_home)
    for place in places:
        real = os.path.realpath(place)
        if _covered(real, hidden):
            found |= _shown(place, tops) | _shown(real, tops)
        if _covered(real, hidden) or real == "/usr/local/bin":
            for target in _targets(real, hidden):
                found |= _tree(target, tops)
    if os.path.isabs(program):
        for path in _chain(program):
            found |= {path} if _covered(path, hidden) else set()
            found |= _tree(os.path.realpath(path), tops) if _covered(os.path.realpath(path), hidden) else set()
    found |= _interpreters(places, hidden, tops)
    if os.path.islink("/etc/resolv.conf"):
        real = os.path.dirname(os.path.realpath("/etc/resolv.conf"))
        found |= {real} if _covered(real, hidden) and os.path.isdir(real) and real not in hidden else set()
    kept = {path for path in found if os.path.exists(path) and path not in tops}
    return tuple(sorted(path for path in kept if not any(path != top and below(path, top) for top in kept)))


def python() -> str:
    """Return the interpreter that runs this process, without its virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)


def _covered(path: str, hidden: tuple[str, ...]) -> bool:
    return any(below(path, top) for top in hidden)


def _shown(place: str, tops: tuple[str, ...]) -> set[str]:
    """Return what to show of one directory of PATH: its whole prefix, where that is known to be programs alone."""
    path = Path(place)
    for parent in path.parents:
        if parent.name in WHOLE:
            return {str(parent)}
    prefix = path.parent
    narrow = str(prefix) in tops or (prefix.name.startswith(".") and not (prefix / "pyvenv.cfg").exists())
    if path.name in BINS and not narrow and ((prefix / "lib").is_dir() or (prefix / "pyvenv.cfg").exists()):
        return {str(prefix)}
    return {place}


def _tree(target: str, tops: tuple[str, ...]) -> set[str]:
    """Return what to show for a program that a link leads to."""
    shown = _shown(os.path.dirname(target), tops)
    return {target} if shown == {os.path.dirname(target)} else shown


def _targets(place: str, hidden: tuple[str, ...]) -> set[str]:
    """Return where the links in a directory of PATH lead, if that is hidden."""
    with os.scandir(place) as entries:
        links = [entry.path for entry in islice(entries, LINKS_MAX) if entry.is_symlink()]
    return {path for link in links for path in _chain(link)[1:] if _covered(path, hidden)}


def _chain(path: str) -> list[str]:
    """Return *path* and every step of the way that its links lead."""
    steps = [path]
    while os.path.islink(steps[-1]) and len(steps) < 16:  # noqa: PLR2004 - more is a loop
        steps.append(os.path.normpath(os.path.join(os.path.dirname(steps[-1]), os.readlink(steps[-1]))))
    real = os.path.realpath(path)
    return steps if steps[-1] == real else [*steps, real]


def _interpreters(places: tuple[str, ...], hidden: tuple[str, ...], tops: tuple[str, ...]) -> set[str]:
    """Return the base prefixes of virtual environments on PATH; a venv without them has no standard library."""
    found: set[str] = set()
    for place in places:
        config = Path(place).parent / "pyvenv.cfg"
        if not config.is_file():
            continue
        for line in config.read_text(errors="replace").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home" and _covered(os.path.realpath(value.strip()), hidden):
                found |= _shown(os.path.realpath(value.strip()), tops)
    return found
