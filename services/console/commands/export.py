"""`obra export`: everything as Parquet."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from obra.services.console.options import Place, as_json, placed
from obra.services.console.render.screen import Screen, screen
from obra.services.console.render.text import count
from obra.services.console.selection import Bound, bound
from obra.services.console.storefile import StoreFile, store_file
from obra.services.console.whoever import stream_of
from obra.shared.archive import blobs
from obra.shared.archive import manifest as manifests
from obra.shared.archive.manifest import Manifest
from obra.shared.errors import BadUsage


@click.command(short_help="Write everything as Parquet, partitioned by day.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--since", metavar="WHEN", help="From this position or time on: 42, 2026-01-31T14:00, 10m (ago).")
@click.option("--until", metavar="WHEN", help="Up to this position or time.")
@as_json()
@placed
def export(place: Place, folder: Path, since: str | None, until: str | None, json_: bool) -> int:
    """Write everything as Parquet into DIR, partitioned by day.

    DuckDB, Polars and Spark read it in place. A second export into the same directory adds what is new. The store is
    verified first; a directory is whole as soon as its manifest.json is there. `obra import` restores from it.
    """
    now = datetime.now(UTC)
    span = (bound(since, now, "--since"), bound(until, now, "--until"))
    with screen(sys.stderr) as lines:
        before, after = asyncio.run(_export(place, folder.absolute(), span, lines))
    if json_:
        click.echo(json.dumps({**msgspec.to_builtins(after), "added": after.events - before}, default=str))
        return 0
    click.echo(
        f"{count(after.events - before, 'event')} added: {folder} holds {count(after.events, 'event')} up to position "
        f"{after.through:,} and {count(after.blobs, 'large text')}, head {after.head[:16]}…"
    )
    if after.blobs_missing:
        click.echo(f"obra: {count(len(after.blobs_missing), 'large text')} could not be found any more", err=True)
    return 0


async def _export(place: Place, folder: Path, span: tuple[Bound, Bound], lines: Screen) -> tuple[int, Manifest]:
    async with store_file(place) as file:
        with manifests.alone(folder):
            return await _add(place, file, folder, span, lines)


async def _add(
    place: Place, file: StoreFile, folder: Path, span: tuple[Bound, Bound], lines: Screen
) -> tuple[int, Manifest]:
    from obra.shared.archive.export import exported  # noqa: PLC0415 - DuckDB

    def progress(done: int, total: int) -> None:
        lines.doing(f"verifying: {done:,} of {total:,} events")

    old = manifests.read(folder)
    since = await _position(file.path, span[0], 0) or 0
    until = await _position(file.path, span[1], None)
    low = max(0, since - 1) if isinstance(span[0], int) else since
    made = await asyncio.to_thread(exported, file.path, folder, low, until, progress)
    if not (old or made.events) and span != (None, None):
        raise BadUsage(problem="nothing happened between --since and --until, so nothing was exported")
    lines.doing("large texts")
    wanted = await asyncio.to_thread(_lacking, file.path, folder, made)
    gone = await _fetched(place, folder, wanted)
    made = msgspec.structs.replace(made, blobs=blobs.count(folder), blobs_missing=tuple(gone))
    manifests.write(folder, made)
    return old.events if old else 0, made


async def _position(store: Path, asked: Bound, otherwise: int | None) -> int | None:
    from obra.shared.archive.export import position_at  # noqa: PLC0415 - DuckDB

    if isinstance(asked, datetime):
        return await asyncio.to_thread(position_at, store, asked)
    return otherwise if asked is None else asked


def _lacking(store: Path, folder: Path, made: Manifest) -> list[str]:
    from obra.shared.store import opened  # noqa: PLC0415 - DuckDB

    db = opened(store, read_only=True)
    try:
        return blobs.lacking(db, folder, made.since, made.through)
    finally:
        db.close()


async def _fetched(place: Place, folder: Path, wanted: list[str]) -> list[str]:
    """Fetch large texts from the object store; return those that are gone."""
    if not wanted:
        return []
    async with stream_of(place) as bus:
        return await blobs.fetched(bus, folder, wanted)
