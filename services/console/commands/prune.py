"""`obra prune`: let the stream forget what an export holds."""

import asyncio
import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from obra.events import PruneRefused, PruneRequested, StreamPruned
from obra.events.subjects import PLATFORM
from obra.services.console.options import Place, as_json, placed
from obra.services.console.render.screen import Screen, screen
from obra.services.console.render.text import count
from obra.services.console.selection import Bound, bound
from obra.services.console.storefile import store_file
from obra.services.console.whoever import stream_of
from obra.shared.bus import Bus
from obra.shared.edge import EDGE
from obra.shared.envelope import fresh
from obra.shared.errors import BadUsage, EnvironmentLacks

ANSWER_S = 600.0


class NotArchived(BadUsage):
    """Nothing was pruned: {reason}"""

    exit_code = 1


@click.command(short_help="Let the stream forget what an export holds.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--before", metavar="WHEN", help="Only what ended before this position or time. [default: all of the export]"
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and let nothing go.")
@as_json()
@placed
def prune(place: Place, folder: Path, before: str | None, dry_run: bool, json_: bool) -> int:
    """Let the stream forget what the export DIR holds: the past of tasks that are over.

    The export is verified first, and its hash held against the store's. Everything stays in the store, so `obra
    show`, `events` and `sql` answer as before. Of a task, its end stays in the stream; what is not over stays whole.
    """
    with screen(sys.stderr) as lines:
        done = asyncio.run(
            _prune(place, folder.absolute(), bound(before, datetime.now(UTC), "--before"), dry_run, lines)
        )
    if json_:
        click.echo(json.dumps(done))
    else:
        verb = "would let go" if dry_run else "let go"
        click.echo(
            f"The stream {verb} of {count(done['messages'], 'message')} of {count(done['tasks'], 'task')} that ended "
            f"up to position {done['through']:,}; the store and {folder} hold them."
        )
    return 0


async def _prune(place: Place, folder: Path, before: Bound, dry_run: bool, lines: Screen) -> dict[str, Any]:
    from obra.shared.archive.proof import proven  # noqa: PLC0415 - DuckDB

    def progress(done: int, total: int) -> None:
        lines.doing(f"verifying: {done:,} of {total:,} events")

    async with store_file(place) as file:
        asked = await asyncio.to_thread(_through, file.path, before)
        through, head = await asyncio.to_thread(proven, folder, file.path, asked, progress)
        if dry_run:
            tasks, messages = await asyncio.to_thread(_would_go, file.path, through)
            return {"through": through, "tasks": tasks, "messages": messages, "dry_run": True}
    lines.doing("pruning")
    request = PruneRequested(through=through, hash=head, archive=str(folder))
    async with stream_of(place, stored=True) as bus:
        answer = await _answer(bus, request)
    return {"through": through, "tasks": answer.tasks, "messages": answer.messages, "dry_run": False}


def _through(store: Path, before: Bound) -> int | None:
    from obra.shared.archive.export import position_at  # noqa: PLC0415 - DuckDB

    if isinstance(before, datetime):
        return position_at(store, before)
    return None if before is None else before - 1


def _would_go(store: Path, through: int) -> tuple[int, int]:
    from obra.shared.archive.pruned import over  # noqa: PLC0415 - DuckDB
    from obra.shared.store import opened  # noqa: PLC0415

    db = opened(store, read_only=True)
    try:
        ends = over(db, through)
        counted = [
            db.execute(
                "SELECT count(*) FROM event WHERE project = ? AND task = ? AND position < ?", [*scope, end]
            ).fetchone()
            for scope, end in ends
        ]
    finally:
        db.close()
    return len(ends), sum(int(row[0]) for row in counted if row)


async def _answer(bus: Bus, request: PruneRequested) -> StreamPruned:
    envelope = fresh(PLATFORM, request, EDGE)
    position = await bus.append([envelope])
    try:
        async with asyncio.timeout(ANSWER_S), contextlib.aclosing(bus.follow(position, [PLATFORM.everything])) as raws:
            async for raw in raws:
                if raw.envelope is None or raw.envelope.cause != envelope.id:
                    continue
                match raw.envelope.event:
                    case PruneRefused(reason=reason):
                        raise NotArchived(reason=reason)
                    case StreamPruned() as pruned:
                        return pruned
    except TimeoutError as error:
        raise EnvironmentLacks(problem="log-sink has not answered; it prunes once it runs again") from error
    raise AssertionError("the stream has no end")
