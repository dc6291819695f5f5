"""What the agent itself remembers: its sessions and notes in its private home, kept beside each checkpoint.

A rollback that left them alone would hand a resumed session what was undone. So they are copied after each run,
and put back with the files. Caches and credentials are no memory and stay as they are. The home is the agent's to
write, so nothing there is followed: links and special files are passed over, and in the way of what is put back they
are removed.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from obra.services.agent_runner.place import Place, directory
from obra.services.agent_runner.state import Key
from obra.shared.removal import remove

MEMORIES = (".claude", ".claude.json", ".codex", ".gemini", ".config/opencode", ".local/share/opencode")
"""Where agents keep what they remember, below their home."""

NO_MEMORY = frozenset(
    {".credentials.json", "auth.json", "oauth_creds.json", "cache", "debug", "log", "logs", "plugins",
     "shell-snapshots", "statsig", "telemetry", "tmp"}
)  # fmt: skip
BYTES_MAX = 256 * 1024**2
FILES_MAX = 10_000


def keep(place: Place, key: Key) -> str:
    """Copy what the agent remembers now, as that of run *key*; return why that could not be done, else nothing."""
    if next(_files(place.home), None) is None:
        return ""
    kept, scratch = _kept(place, key), place.root / "memories" / "new"
    try:
        remove(scratch)
        scratch.mkdir(mode=0o700, parents=True)
        problem = _copy(place.home, scratch)
        remove(kept)
        scratch.rename(kept)
    except OSError as error:
        return f"what the agent remembers could not be kept: {error}"
    return problem


def put_back(place: Place, key: Key | None) -> None:
    """Make the agent remember what it did after run *key*; nothing, if there is none. Raises `OSError`."""
    for path, _ in _files(place.home):
        path.unlink(missing_ok=True)
    if key is not None and (kept := _kept(place, key)).is_dir():
        _copy(kept, place.home)


def _kept(place: Place, key: Key) -> Path:
    return place.root / "memories" / f"attempt-{key[0]}.{key[1]}"


def _copy(source: Path, target: Path) -> str:
    size_bytes = 0
    for number, (path, info) in enumerate(_files(source), start=1):
        size_bytes += info.st_size
        if number > FILES_MAX or size_bytes > BYTES_MAX:
            return f"the agent remembers more than {BYTES_MAX:,} bytes or {FILES_MAX:,} files; only a part was kept"
        to = _room(target, path.relative_to(source))
        shutil.copyfile(path, to, follow_symlinks=False)
        os.utime(to, ns=(info.st_atime_ns, info.st_mtime_ns))
    return ""


def _room(top: Path, below: Path) -> Path:
    """Return *below* in *top*, with nothing there and no link on the way."""
    for folder in reversed(below.parents[:-1]):
        directory(top / folder)
    remove(top / below)
    return top / below


def _files(home: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the plain files among an agent's memories. No link is followed, the first of a path included."""
    for name in MEMORIES:
        top = home / name
        if not os.path.lexists(top):
            continue
        if any(part.is_symlink() for part in (top, *top.parents) if part != home and home in part.parents):
            continue
        if top.is_file():
            yield top, top.lstat()
        for folder, folders, files in os.walk(top):
            folders[:] = sorted(set(folders) - NO_MEMORY)
            for file in sorted(set(files) - NO_MEMORY):
                path = Path(folder, file)
                info = path.lstat()
                if stat.S_ISREG(info.st_mode):
                    yield path, info
