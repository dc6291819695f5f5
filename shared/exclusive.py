"""Directories for oneself: held against every process of this machine, and against every task of this one."""

import asyncio
import contextlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from obra.shared.errors import EnvironmentLacks
from obra.shared.home import locked

PATIENCE_S = 60.0
PAUSE_S = 0.01


@contextlib.asynccontextmanager
async def exclusive(folder: Path) -> AsyncIterator[None]:
    """Hold *folder* while the block runs; the kernel lets go of it when this process ends, however it ends.

    Raises `EnvironmentLacks` where another does not let go of it within a minute.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + PATIENCE_S
        while not locked(descriptor):
            if time.monotonic() > until:
                raise EnvironmentLacks(problem=f"another process has held {folder} for {PATIENCE_S:.0f} s; try again")
            await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1.0))
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def own_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a fresh directory below *parent* that nobody else uses; nothing is left of it afterwards.

    What killed processes have left there under this *prefix* is removed first: the kernel has let go of it.
    """
    for left in parent.glob(f"{prefix}*"):
        with _held(left) as ours:
            if ours:
                shutil.rmtree(left, ignore_errors=True)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with _held(folder) as ours:
            if not ours or not folder.exists():  # another took it for one of those, before it was held
                continue
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold *folder* while the block runs; yield whether that went without waiting."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    try:
        yield locked(descriptor)
    finally:
        os.close(descriptor)
