"""`obra down`: stop the Obra that runs."""

import asyncio
import contextlib
import os
import signal

import click

from obra.services.console.options import Place, placed
from obra.shared.doctor import host_lock_held
from obra.shared.embedded import notice
from obra.shared.embedded.alone import STOPPING_S
from obra.shared.embedded.join import NotRunning
from obra.shared.embedded.lease import Lease
from obra.shared.errors import BadUsage, EnvironmentLacks

LOOK_EVERY_S = 0.05


@click.command(short_help="Stop the Obra that runs; nothing is lost.")
@placed
def down(place: Place) -> int:
    """Stop the Obra that runs on this home, whoever keeps it running. Tasks that are not over go on with the next."""
    if place.settings.nats.url:
        raise BadUsage(problem=f"tasks go to {place.settings.nats.url}: stop its services where they were started")
    asyncio.run(_stop(place))
    click.echo(f"Obra stopped on {place.home.root}; unfinished tasks go on when it runs again.")
    return 0


async def _stop(place: Place) -> None:
    """Tell the host to end, and wait until it has. That it answers shows that its number is still its own."""
    board = notice.read(place.home)
    lease = await Lease.take(board.lease_port, board.lease_token) if board else None
    if board and lease:
        with contextlib.suppress(ProcessLookupError):
            os.kill(board.host_pid, signal.SIGTERM)
        await lease.drop()
    elif not host_lock_held(place.home):
        raise NotRunning(home=place.home.root)
    for _ in range(round(STOPPING_S / LOOK_EVERY_S)):
        if not host_lock_held(place.home):
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise EnvironmentLacks(problem=f"Obra on {place.home.root} does not end; its log is {place.home.logs / 'host.log'}")
