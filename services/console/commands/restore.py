"""`obra restore`: bring back what a home has lost."""

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.services.console.options import Place, as_json, placed
from obra.services.console.render.screen import Screen, screen
from obra.services.console.render.text import count, page

if TYPE_CHECKING:
    from obra.shared.archive.recover import Restored


@click.command(short_help="Bring back a stream or a store that is lost.")
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@as_json()
@placed
def restore(place: Place, folder: Path | None, json_: bool) -> int:
    """Bring back a stream or a store that is lost, from what is left, or from the export DIR.

    The stream is made anew from the store, the store from the stream and, where that was pruned, from the export
    that it names; both from DIR. What is there and whole is left alone. Obra must not run on the home.
    """
    with screen(sys.stderr) as lines:
        done = asyncio.run(_restore(place, folder.absolute() if folder else None, lines))
    if json_:
        click.echo(json.dumps(asdict(done)))
    else:
        page(told(done, place.home.root))
    return 0


async def _restore(place: Place, folder: Path | None, lines: Screen) -> "Restored":
    from obra.shared.archive.recover import restored  # noqa: PLC0415 - DuckDB
    from obra.shared.embedded.private import private  # noqa: PLC0415 - nats-py

    def progress(done: int, total: int) -> None:
        lines.doing(f"{done:,} of {total:,} events")

    async with private(place.home, place.settings) as bus:
        return await restored(bus, place.home, place.settings.nats, folder, progress)


def told(done: "Restored", home: Path) -> Iterator[str]:
    """Yield what a person reads."""
    if done.what == "nothing":
        yield f"{home} lacks nothing; nothing was changed."
        return
    source = f", with the export {done.archive}" if done.archive else ""
    yield f"{home} has its {done.what} again, up to position {done.through:,}{source}; every event was verified."
    if "stream" in done.what:
        again = f"{count(done.stream_events, 'event')}, {count(done.timers, 'timer')} set anew"
        yield f"The stream holds what is not over and the ends of what is: {again}."
    if done.texts:
        yield f"{count(done.texts, 'large text')} of the export lie in the stream's object store again."
    if done.what == "stream" and not done.archive:
        yield "Large texts and live output went with the old stream; an export has the texts: `obra restore DIR`."
