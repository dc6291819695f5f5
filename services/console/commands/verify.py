"""`obra verify`: prove that the store is as it was written."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from obra.services.console.options import Place, as_json, placed
from obra.services.console.render.screen import Screen, screen
from obra.services.console.render.text import count, page
from obra.services.console.storefile import StoreFile, store_file
from obra.shared.archive.anchorage import NOTE, kept
from obra.shared.archive.anchors import Anchor, BadAnchor, held_against, parsed, public_key, taken_away
from obra.shared.archive.fault import Fault

SHOWN_MAX = 5


@click.command(short_help="Prove that the store is unaltered, or name what was altered.")
@click.option(
    "--anchor", metavar="note|FILE", help="Hold the chain against the anchors there, too. [default: as configured]"
)
@click.option("--repo", type=click.Path(path_type=Path), help="Repository of the notes. [default: as configured, or .]")
@click.option("--key", metavar="BASE64", help="Public key of the anchors. [default: this home's]")
@as_json()
@placed
def verify(place: Place, anchor: str | None, repo: Path | None, key: str | None, json_: bool) -> int:
    """Prove that the store is unaltered, or name the first event that isn't.

    Every event's hash covers the one before it, so nothing can be altered, removed, put in or moved without a trace;
    an anchor shows that the end was not rewritten either. While Obra runs, the store is held against the stream, too.
    Exits with 1 if anything is wrong.
    """
    source, anchors = _anchors(place, anchor, repo, key)
    with screen(sys.stderr) as lines:
        own = source if anchor in (None, place.settings.anchor.to) and repo is None else ""
        found = asyncio.run(_verify(place, anchors, own, lines)) | {"anchored_in": source}
    if json_:
        click.echo(json.dumps(found))
    else:
        page(_told(found))
    return 0 if found["ok"] else 1


def _anchors(place: Place, asked: str | None, repo: Path | None, key: str | None) -> tuple[str, list[Anchor]]:
    """Return where the anchors are, and them; where only the settings name the place there may be none yet."""
    configured = place.settings.anchor
    source, folder = asked or configured.to, repo or Path(configured.repo or ".")
    if not source or (not asked and source != NOTE and not Path(source).exists()):
        return source, []
    lines = kept(source, folder)
    if not any(lines) and not asked:
        return source, []
    found = list(parsed(lines, source, key or public_key(place.home)))
    if asked and not found:
        raise BadAnchor(source=source, reason="there is none in it; `obra anchor` makes one")
    return source, found


async def _verify(place: Place, anchors: list[Anchor], own: str, lines: Screen) -> dict[str, Any]:
    """Return what is told as JSON; *own* is where the settings have anchors kept, if these are all from there."""
    from obra.shared.archive.audit import audited  # noqa: PLC0415 - DuckDB
    from obra.shared.store import opened  # noqa: PLC0415

    def progress(done: int, total: int) -> None:
        lines.doing(f"{done:,} of {total:,} events")

    async with store_file(place) as file:
        db = await asyncio.to_thread(opened, file.path, read_only=True)
        try:
            audit = await asyncio.to_thread(audited, db, progress)
            fault = audit.fault or held_against(db, anchors) or (taken_away(db, anchors, own) if own else None)
            stream: int | None = None
            if fault is None and file.live:
                lines.doing("the stream")
                stream, fault = await _stream(db, file, audit.through)
        finally:
            db.close()
    return {
        "ok": fault is None, "events": audit.events, "through": audit.through, "head": audit.head.hex(),
        "stream": stream, "anchors": len(anchors),
        "anchored": [{"position": one.position, "at": one.at.isoformat()} for one in anchors], "fault": _fields(fault),
    }  # fmt: skip


async def _stream(db: Any, file: StoreFile, through: int) -> tuple[int, Fault | None]:
    from obra.shared.archive.against import compared  # noqa: PLC0415 - as above
    from obra.shared.archive.pruned import pruned_through  # noqa: PLC0415

    assert file.live
    bus = file.live.joined.bus
    result = await compared(db, bus.copied(0), through, await pruned_through(bus))
    return result.messages, result.fault


def _fields(fault: Fault | None) -> dict[str, Any] | None:
    if fault is None:
        return None
    return {
        "kind": fault.kind, "position": fault.position, "id": fault.id, "type": fault.type, "detail": fault.detail,
        "text": fault.told(),
    }  # fmt: skip


def _told(found: dict[str, Any]) -> list[str]:
    whole = f"{found['events']:,} events up to position {found['through']:,}"
    if found["fault"]:
        return [f"NOT as it was written. {found['fault']['text']}", f"In order before it: {whole}."]
    said = [f"Unaltered: {whole}, head {found['head'][:16]}…"]
    if found["anchored"]:
        said.append(_passed(found["anchored"], found["anchored_in"]))
    elif found["anchored_in"]:
        said.append(f"There is no anchor in {found['anchored_in']} yet.")
    if found["stream"] is None:
        said.append("Not held against the stream, since Obra does not run.")
    else:
        said.append(f"The same as the stream in all {found['stream']:,} messages that it holds.")
    return said


def _passed(anchored: list[dict[str, Any]], source: str) -> str:
    """Return which anchors the chain passes through."""
    newest = max(anchored, key=lambda one: one["position"])
    where = "the git notes" if source == NOTE else source
    told = ", ".join(f"{one['position']:,}" for one in anchored[-SHOWN_MAX:])
    more = "…, " if len(anchored) > SHOWN_MAX else ""
    when = newest["at"][:16].replace("T", " ")
    anchors = f"{'all ' if len(anchored) > 1 else ''}{count(len(anchored), 'anchor')}"
    return f"The chain passes through {anchors} in {where}, at {more}{told}; the newest is of {when} UTC."
