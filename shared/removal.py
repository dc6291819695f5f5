"""Removing what an agent may have left unwritable."""

import os
import shutil
from pathlib import Path


def remove(path: Path) -> None:
    """Remove whatever is at *path*, also what an agent has made unwritable; nothing there is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    if path.exists():
        _unlock(path)
        shutil.rmtree(path)


def _unlock(path: Path) -> None:
    """Make every directory below *path* writable by us, so that it can be emptied."""
    for at, directories, _ in os.walk(path):
        for name in ("", *directories):
            place = os.path.join(at, name)
            if not os.path.islink(place) and not os.access(place, os.R_OK | os.W_OK | os.X_OK):
                os.chmod(place, 0o700)
