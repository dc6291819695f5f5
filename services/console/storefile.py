"""The store as a file that nobody writes to, for commands that read all of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from obra.services.console.options import Place
from obra.services.console.reading import reading
from obra.shared.client import Orchestrator
from obra.shared.errors import EnvironmentLacks
from obra.shared.store.errors import StoreMissing


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A DuckDB file, and the Obra that runs beside it, if one does. While it runs, ``path`` is a copy."""

    path: Path
    live: Orchestrator | None


@contextlib.asynccontextmanager
async def store_file(place: Place) -> AsyncIterator[StoreFile]:
    """Yield the store of *place*, with everything in it that has happened; `StoreMissing` if there is none yet."""
    async with reading(place) as reader:
        if reader.live is None:
            if not place.home.store.exists():
                raise StoreMissing(path=place.home.store)
            if await asyncio.to_thread(updated, place.home.store):
                yield StoreFile(place.home.store, None)
                return
            async with store_file(place) as meanwhile:
                yield meanwhile
            return
        copy = await reader.live.snapshot()
        try:
            if not copy.exists():
                raise EnvironmentLacks(problem="the store lies on another machine: run this where log-sink runs")
            yield StoreFile(copy, reader.live)
        finally:
            for file in (copy, copy.with_name(f"{copy.name}.wal")):
                file.unlink(missing_ok=True)


def updated(path: Path) -> bool:
    """Bring the views of the store up to date, where another version of Obra wrote it last.

    Returns whether it is there to be read: an Obra may have been started meanwhile, which has it now.
    """
    from obra.shared.store import Store, opened  # noqa: PLC0415 - DuckDB
    from obra.shared.store.errors import StoreDamaged, StoreLocked  # noqa: PLC0415
    from obra.shared.store.schema import digest  # noqa: PLC0415

    try:
        db = opened(path, read_only=True)
        try:
            views = db.execute("SELECT views FROM sink").fetchone()
        finally:
            db.close()
        if views != (digest(),):
            with contextlib.suppress(StoreDamaged):  # whoever asked finds out, and says what is wrong with it
                Store(path).close()
    except StoreLocked:
        return False
    return True
