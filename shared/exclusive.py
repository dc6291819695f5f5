"""Holding a directory for oneself, against every process of this machine and every task of this one."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator
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
