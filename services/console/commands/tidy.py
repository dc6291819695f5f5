"""`obra tidy`: make room, of what tasks that are over have left."""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from obra.events.subjects import Scope
from obra.services.console.options import Place, as_json, placed
from obra.services.console.pins import let_go, of_pruned
from obra.services.console.reading import OVER, rows
from obra.services.console.render.text import count, size
from obra.services.console.selection import Bound, bound
from obra.shared.home import Home, locked
from obra.shared.removal import remove

LEFT = """
    SELECT project, task FROM task t WHERE status IN {over} AND {before} AND NOT EXISTS (
        FROM event e WHERE e.type = 'workspace.handed_over' AND e.project = t.project AND e.task = t.task
    ) ORDER BY position
"""
"""Tasks that are over, but for those in whose workspaces a person goes on."""

MADE_AGAIN = ("workspace", "home", "check-home")
"""What is in a task's directory and is made again where it is needed: from checkpoints, and what agents remember.

The agent's home holds caches and temporary files, which may well be more than all else."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many tasks had something to remove, how much it was, and how many were left since something works there.

    ``pins`` are references in people's repositories that were of no more use.
    """

    tasks: int
    size_bytes: int
    busy: int
    pins: int = 0


@click.command(short_help="Make room: remove the workspaces of tasks that are over.")
@click.option("--before", metavar="WHEN", help="Only of tasks that ended before this position or time. [default: all]")
@click.option("--dry-run", is_flag=True, help="Say how much it would be, and remove nothing.")
@as_json()
@placed
def tidy(place: Place, before: str | None, dry_run: bool, json_: bool) -> int:
    """Remove the workspaces of tasks that are over, and the private homes of their agents.

    Branches, checkpoints, transcripts, what agents remember and the record stay: every command answers as before,
    and a task that is rolled back gets its workspace again. Tasks that were taken over keep theirs. Of tasks that
    were pruned, which can't be rolled back, the references refs/obra/TASK/base in your repositories go as well.
    """
    done = asyncio.run(_tidied(place, bound(before, datetime.now(UTC), "--before"), dry_run=dry_run))
    if json_:
        told = {"tasks": done.tasks, "bytes": done.size_bytes, "busy": done.busy, "pins": done.pins, "dry_run": dry_run}
        click.echo(json.dumps(told))
        return 0
    verb = "would be freed" if dry_run else "freed"
    click.echo(f"{size(done.size_bytes)} {verb}: the workspaces of {count(done.tasks, 'task')} that ended")
    if done.pins:
        verb = "would be let go" if dry_run else "let go"
        click.echo(f"{count(done.pins, 'reference')} of tasks that were pruned {verb} in your repositories")
    if done.busy:
        click.echo(f"{count(done.busy, 'task')} left as they are: something works there now")
    return 0


async def _tidied(place: Place, before: Bound, *, dry_run: bool) -> Tidied:
    ended = "true"
    if isinstance(before, datetime):
        ended = f"ended_at < '{before.astimezone(UTC).isoformat()}'::TIMESTAMPTZ"
    elif before is not None:
        ended = f"position < {before}"
    found = await rows(place, LEFT.format(over=OVER, before=ended))
    scopes = [Scope(str(row["project"]), str(row["task"])) for row in found]
    done = await asyncio.to_thread(_removed, place.home, scopes, dry_run=dry_run)
    pins = {} if before is not None else await of_pruned(place)
    return replace(done, pins=await asyncio.to_thread(let_go, pins, dry_run=dry_run))


def _removed(home: Home, scopes: list[Scope], *, dry_run: bool) -> Tidied:
    tasks = size_bytes = busy = 0
    for folder in (home.checkpoints(scope).parent for scope in scopes):
        there = [folder / name for name in MADE_AGAIN if os.path.lexists(folder / name)]
        if not there:
            continue
        with _held(folder) as held:
            if not held:
                busy += 1
                continue
            tasks, size_bytes = tasks + 1, size_bytes + sum(map(_bytes, there))
            for path in () if dry_run else there:
                remove(path)
    return Tidied(tasks, size_bytes, busy)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a task's directory as runners do; false where one works there."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield locked(descriptor)
    finally:
        os.close(descriptor)


def _bytes(path: Path) -> int:
    """Return how much of the disk is taken by what lies at *path*."""
    total = path.lstat().st_blocks
    for at, directories, files in os.walk(path):
        for name in (*directories, *files):
            with contextlib.suppress(OSError):  # what can't be looked at is removed all the same
                total += os.lstat(os.path.join(at, name)).st_blocks
    return total * 512
