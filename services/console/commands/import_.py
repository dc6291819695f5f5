"""`obra import`: a home from an export."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from obra.services.console.options import Place, as_json, placed
from obra.services.console.render.screen import Screen, screen
from obra.services.console.render.text import count, page
from obra.shared.archive.place import Imported
from obra.shared.config import Settings, home_at, load
from obra.shared.home import Home


@click.command("import", short_help="Restore a store from an export.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="Home to restore. [default: OBRA_HOME]")
@as_json()
@placed
def import_(place: Place, folder: Path, into: Path | None, json_: bool) -> int:
    """Restore a home's store from the export DIR, every event verified.

    Where the home's stream is empty it is filled, too, at the old positions, so that open tasks go on and names stay
    taken. A home that holds another history is refused, and nothing is changed.
    """
    home = Home(home_at(into)) if into else place.home
    with screen(sys.stderr) as lines:
        done = asyncio.run(_import(place, home, folder, lines))
    if json_:
        click.echo(json.dumps(asdict(done)))
        return 0
    page(told(done, home))
    return 0


async def _import(place: Place, home: Home, folder: Path, lines: Screen) -> Imported:
    from obra.shared.archive.place import imported  # noqa: PLC0415 - DuckDB
    from obra.shared.embedded.private import private  # noqa: PLC0415 - nats-py

    def progress(done: int, total: int) -> None:
        lines.doing(f"verifying: {done:,} of {total:,} events")

    settings = place.settings if home == place.home else _of_its_own(load(home.root, place.config))
    async with private(home, settings) as bus:
        return await imported(bus, home, settings.nats, folder, progress)


def _of_its_own(settings: Settings) -> Settings:
    """Return *settings* for a home that is made: its stream lies in it, whatever server the others use."""
    return settings.model_copy(update={"nats": settings.nats.model_copy(update={"url": ""})})


def told(done: Imported, home: Home) -> list[str]:
    """Return what a person reads."""
    if done.already:
        return [f"{home.root} holds all {count(done.events, 'event')} of it already; nothing was changed."]
    said = [f"{home.root} holds {count(done.events, 'event')} up to position {done.through:,}, each verified."]
    if done.refilled:
        said.append(
            f"Its stream holds what is not over and the ends of what is: {count(done.refilled.events, 'event')}, "
            f"{count(done.refilled.timers, 'timer')} set anew, {count(done.blobs, 'large text')}."
        )
        said.append("Workspaces, transcripts and live output are not part of an export.")
    return said
