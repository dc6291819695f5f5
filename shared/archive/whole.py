"""Whether a home has everything that it needs before anything may happen on it."""

import asyncio
from pathlib import Path

from obra.shared.bus import Bus
from obra.shared.errors import EnvironmentLacks
from obra.shared.home import Home

UNFINISHED = "importing"
"""A file in the home: its stream was being filled, and that did not come to an end. It names the export, if any."""


class StreamLost(EnvironmentLacks):
    """The stream of {home} is gone, {rest}. `obra restore` makes it anew; to begin anew instead, move {store} away."""


class Unfinished(EnvironmentLacks):
    """The stream of {home} was being made anew, and that did not come to its end: run `obra restore` once more."""


async def check_whole(bus: Bus, home: Home) -> None:
    """Raise `StreamLost` or `Unfinished` where *home* must be restored before anything happens on it.

    It costs a question to the server; the store is opened only where the stream is empty.
    """
    if (home.root / UNFINISHED).exists():
        raise Unfinished(home=home.root)
    if await bus.last_position() or not home.store.exists():
        return
    if rest := await asyncio.to_thread(_rest, home.store):
        raise StreamLost(home=home.root, rest=rest, store=home.store.name)


def _rest(store: Path) -> str:
    """Return what there is beside an empty stream, or nothing if nobody would miss it."""
    from obra.shared.archive.place import holds_tasks  # noqa: PLC0415 - DuckDB, and rarely needed
    from obra.shared.store.errors import StoreDamaged  # noqa: PLC0415

    try:
        return "but its store holds what happened" if holds_tasks(store) else ""
    except StoreDamaged:
        return "and its store can't be read"
