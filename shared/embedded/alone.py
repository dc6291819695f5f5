"""The lock of a home: whoever runs its server, a host or a command that works on the stream by itself, holds it."""

import contextlib
import os
import time
from collections.abc import Iterator

from obra.shared.errors import EnvironmentLacks
from obra.shared.home import Home, locked

STOP_S = 15.0
LOOKED_AT_S = 0.1
"""How long the lock may be held by somebody who only looks whether it is."""

STOPPING_S = STOP_S + 5.0
"""How long a host that has let go of its last command may take to end, before its successor gives up."""

LOCK_PAUSE_S = 0.02


class HostRuns(EnvironmentLacks):
    """Another Obra already runs on {home}."""


@contextlib.contextmanager
def alone(home: Home, patience_s: float = LOOKED_AT_S) -> Iterator[None]:
    """Hold the home's lock; the kernel lets go of it when this process ends, however it ends.

    Raises `HostRuns` where another has not let go of it within *patience_s*.
    """
    descriptor = os.open(home.run / "host.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + patience_s
        while not locked(descriptor):
            if time.monotonic() > until:
                raise HostRuns(home=home.root)
            time.sleep(LOCK_PAUSE_S)
        yield
    finally:
        os.close(descriptor)
