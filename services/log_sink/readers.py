"""Connections to the store that are lent to whoever reads it, and taken back when it is closed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from obra.shared.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TAKE_BACK_S, INTERRUPTS_MAX = 5.0, 50


class Readers:
    """The connections that are out."""

    def __init__(self) -> None:
        """Begin with none."""
        self._out: set[DuckDBPyConnection] = set()
        self._returned = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def lent(self, store: Store) -> AsyncIterator["DuckDBPyConnection"]:
        """Lend a connection to *store*; what runs on it is interrupted by `take_back`."""
        reader = store.cursor()
        self._out.add(reader)
        try:
            yield reader
        finally:
            self._out.discard(reader)
            await asyncio.to_thread(reader.close)
            async with self._returned:
                self._returned.notify_all()

    async def take_back(self) -> None:
        """Interrupt what runs on lent connections until all are back; an interrupt before a query begins is lost."""
        for _ in range(INTERRUPTS_MAX):
            for reader in self._out:
                reader.interrupt()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAKE_BACK_S / INTERRUPTS_MAX), self._returned:
                    await self._returned.wait_for(lambda: not self._out)
                    return
