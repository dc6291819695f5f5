"""`obra up`: keep Obra running."""

import asyncio
import signal

import click

from obra.services.console.options import Place, placed
from obra.shared.errors import BadUsage


@click.command(short_help="Keep Obra running in the foreground until Ctrl-C.")
@placed
def up(place: Place) -> int:
    """Keep Obra running in the foreground until Ctrl-C.

    Unfinished tasks go on, detached ones are worked on, and other commands join what runs here.
    """
    if place.settings.nats.url:
        raise BadUsage(problem=f"tasks go to {place.settings.nats.url}, where `obra service NAME` runs each service")
    return asyncio.run(_up(place))


async def _up(place: Place) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with place.obra() as obra:
        click.echo(f"Obra runs on {place.home.root} ({obra.joined.url}). Ctrl-C stops it.")
        waits = {asyncio.ensure_future(stop.wait()), asyncio.ensure_future(obra.joined.lost())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not stop.is_set():
            said = f"Obra was stopped by another command, or failed: {place.home.logs / 'host.log'} says which"
            click.echo(f"obra: {said}", err=True)
            return 4
    click.echo("Obra stopped; unfinished tasks go on when it runs again.")
    return 0
