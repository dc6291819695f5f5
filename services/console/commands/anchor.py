"""`obra anchor`: write the signed head of the chain where whoever can alter the store can't reach."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from obra.services.console.options import Place, as_json, placed
from obra.services.console.storefile import store_file
from obra.shared.archive.anchorage import NOTE, keep
from obra.shared.archive.anchors import public_key, signed


@click.command(short_help="Sign the head of the chain into a git note or a file.")
@click.option("--to", "target", default=NOTE, metavar="note|FILE", help="Where to add it.", show_default=True)
@click.option("--repo", type=click.Path(path_type=Path), default=".", help="Repository of the note.", show_default=True)
@click.option("--public-key", "show_key", is_flag=True, help="Print the public key, and anchor nothing.")
@as_json()
@placed
def anchor(place: Place, target: str, repo: Path, show_key: bool, json_: bool) -> int:
    """Sign the head of the chain, and keep it in a git note or a file.

    Whoever rewrites the end of the store, all hashes included, can't rewrite an anchor that lies elsewhere: `obra
    verify --anchor` holds the one against the other. The key is made on first use, below OBRA_HOME.
    """
    if show_key:
        click.echo(public_key(place.home))
        return 0
    position, head = asyncio.run(_head(place))
    made = signed(place.home, position, head, datetime.now(UTC))
    where = keep(made.line(), target, repo)
    if json_:
        click.echo(made.line())
    else:
        click.echo(f"Anchored position {position:,}, head {made.hash[:16]}…, in {where}")
    return 0


async def _head(place: Place) -> tuple[int, bytes]:
    from obra.shared.archive.audit import head_of  # noqa: PLC0415 - DuckDB

    async with store_file(place) as file:
        return await asyncio.to_thread(head_of, file.path)
