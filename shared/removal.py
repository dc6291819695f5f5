"""Removing what an agent may have left unwritable."""

import contextlib
import os
import shutil
from pathlib import Path


def remove(path: Path) -> None:
    """Remove whatever is at *path*, also what an agent has made unwritable; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        _unlock(path)
        shutil.rmtree(path)
    else:  # a file, a link, a named pipe, a socket
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _unlock(path: Path) -> None:
    """Make every directory below *path* writable by us, so that it can be emptied."""
    for at, directories, _ in os.walk(path):
        for name in ("", *directories):
            place = os.path.join(at, name)
            if not os.path.islink(place) and not os.access(place, os.R_OK | os.W_OK | os.X_OK):
                os.chmod(place, 0o700)
