"""`obra replay`: every projection anew, from the stream or from an export."""

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from obra.services.console.options import Place, as_json, placed
from obra.services.console.render.screen import Screen, screen
from obra.services.console.render.text import count, page
from obra.services.console.storefile import store_file
from obra.services.console.whoever import stream_of
from obra.shared.archive.manifest import required
from obra.shared.archive.pruned import reaches_back
from obra.shared.bus import Bus
from obra.shared.errors import BadUsage

STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A store that was made anew. ``difference``: the first thing that is not as in the live one, None unchecked."""

    events: int
    through: int
    seconds: float
    difference: str | None = None


@click.command(short_help="Rebuild the store, and prove that it is the same.")
@click.option(
    "--from", "source", default=STREAM, metavar="stream|DIR", help="Where events come from.", show_default=True
)
@click.option(
    "--until", type=click.IntRange(min=1), metavar="POSITION", help="Only up to there; with --check or --into."
)
@click.option(
    "--into", type=click.Path(path_type=Path, dir_okay=False), help="Make this file, and leave the store alone."
)
@click.option("--check", is_flag=True, help="Compare with the live store, and replace nothing.")
@as_json()
@placed
def replay(place: Place, source: str, until: int | None, into: Path | None, check: bool, json_: bool) -> int:
    """Rebuild the store from the stream or an export, and prove that it is the same.

    With an export, what came after it is taken from the stream. --check exits with 1 and names the first row, view
    or story that differs. Without it the store is replaced, while nothing else runs.
    """
    if until and not (check or into):
        raise click.UsageError("--until needs --check or --into: a store that ends early would be filled up again")
    folder = None if source == STREAM else Path(source).absolute()
    if into and into.exists():
        raise BadUsage(problem=f"{into} exists already")
    with screen(sys.stderr) as lines:
        done = asyncio.run(_check(place, folder, until, lines) if check else _make(place, folder, until, into, lines))
    if json_:
        click.echo(json.dumps({"ok": not done.difference, **asdict(done)}))
    else:
        page(told(done, into or place.home.store))
    return 1 if done.difference else 0


def told(done: Replayed, where: Path) -> list[str]:
    """Return what a person reads."""
    rate = f"{done.events / max(done.seconds, 1e-9):,.0f} events/s"
    said = f"{count(done.events, 'event')} up to position {done.through:,} in {done.seconds:.1f} s ({rate})"
    if done.difference is None:
        return [f"Rebuilt {where} from {said}."]
    if done.difference:
        return [f"NOT the same: {done.difference}.", f"Replayed {said}."]
    return [f"The same in every row, view and story: {said}."]


async def _check(place: Place, folder: Path | None, until: int | None, lines: Screen) -> Replayed:
    from obra.shared.archive.audit import head_of  # noqa: PLC0415 - DuckDB
    from obra.shared.archive.place import scratch  # noqa: PLC0415
    from obra.shared.archive.same import difference  # noqa: PLC0415

    async with contextlib.AsyncExitStack() as stack:
        file = await stack.enter_async_context(store_file(place))
        through = min(until or sys.maxsize, (await asyncio.to_thread(head_of, file.path))[0])
        fresh = stack.enter_context(scratch(place.home))
        goes_on = folder is None or required(folder).through < through
        bus = await stack.enter_async_context(stream_of(place)) if goes_on else None
        done = await _made(bus, folder, fresh, through, lines)
        lines.doing("comparing")
        found = await asyncio.to_thread(difference, fresh, file.path, through)
        return Replayed(done.events, done.through, done.seconds, found)


async def _make(place: Place, folder: Path | None, until: int | None, into: Path | None, lines: Screen) -> Replayed:
    from obra.shared.archive.place import agrees, put_in_place, scratch  # noqa: PLC0415 - DuckDB
    from obra.shared.archive.whole import check_whole  # noqa: PLC0415
    from obra.shared.embedded.private import private  # noqa: PLC0415 - nats-py

    async with private(place.home, place.settings) as bus:
        archived = required(folder).through if folder else 0
        if not (into and folder):
            await check_whole(bus, place.home)
        last = await bus.last_position()
        if not (last or archived):
            raise BadUsage(problem="nothing has happened yet: the stream is empty")
        with scratch(place.home) as fresh:
            done = await _made(bus, folder, fresh, min(until or sys.maxsize, max(last, archived)), lines)
            if folder and not into:
                await agrees(bus, place.home, fresh, min(last, archived))
            put_in_place(fresh, into or place.home.store)
    return done


async def _made(bus: Bus | None, folder: Path | None, fresh: Path, through: int, lines: Screen) -> Replayed:
    from obra.shared.archive.restore import Made, from_archive, from_stream  # noqa: PLC0415 - DuckDB

    def progress(done: int, total: int) -> None:
        lines.doing(f"{done:,} of {total:,}")

    begun, events, at = time.monotonic(), 0, 0
    if folder:
        manifest = await asyncio.to_thread(from_archive, folder, fresh, through, progress)
        at = min(manifest.through, through)
        events = await asyncio.to_thread(_rows, fresh)
    if bus:
        await reaches_back(bus, at)
        made = await from_stream(bus.copied(at), fresh, through, progress)
    else:
        made = Made(0, at)
    return Replayed(events + made.events, made.through, round(time.monotonic() - begun, 3))


def _rows(path: Path) -> int:
    from obra.shared.store import opened  # noqa: PLC0415 - DuckDB

    db = opened(path, read_only=True)
    try:
        row = db.execute("SELECT count(*) FROM event").fetchone()
    finally:
        db.close()
    return int(row[0]) if row else 0
