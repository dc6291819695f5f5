"""`obra provision`: prepare a NATS server of one's own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obra.services.console.options import Place, placed
from obra.shared.errors import BadUsage, EnvironmentLacks

if TYPE_CHECKING:
    from obra.shared.service import Service


@click.command(short_help="Prepare a NATS server of your own for Obra.")
@click.option("--logins", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Only make logins.")
@placed
def provision(place: Place, logins: Path | None) -> int:
    """Prepare the NATS server of `nats.url`: streams, each service's group of readers, the policy in force.

    It logs in as an administrator, and may be repeated. With --logins nothing is asked of the server: DIR gets
    users.conf, to be included in its configuration, and NAME.password for each user: admin, edge and the services.
    """
    from obra.shared.provisioning import make_logins  # noqa: PLC0415 - nats-py
    from obra.shared.services import make_all  # noqa: PLC0415

    services = make_all(place.settings, place.home)
    if logins:
        made = make_logins(logins, services)
        click.echo(f"logins are in {logins}" if made else f"{logins} has logins already; they stay as they are")
        return 0
    if not place.settings.nats.url:
        raise BadUsage(problem="nats.url names no server: Obra's own is prepared whenever it starts")
    asyncio.run(_prepared(place, services))
    click.echo(f"{place.settings.nats.url} is prepared: `obra service NAME` runs the services")
    return 0


async def _prepared(place: Place, services: "Sequence[Service]") -> None:
    from nats.errors import Error  # noqa: PLC0415 - nats-py

    from obra.shared.bus.jetstream import JetStreamBus  # noqa: PLC0415
    from obra.shared.bus.provision import provision as streams  # noqa: PLC0415
    from obra.shared.embedded.access import ADMIN  # noqa: PLC0415
    from obra.shared.embedded.join import external_login  # noqa: PLC0415
    from obra.shared.provisioning import prepare  # noqa: PLC0415

    user, password = external_login(place.settings)
    url = place.settings.nats.url
    admin = await JetStreamBus.connect(url, user=user, password=password, service=user or ADMIN)
    try:
        await streams(admin.js, place.settings.nats)
        await prepare(admin, place.settings, services, nobody_reads=False)
    except (TimeoutError, Error) as error:  # a server does not answer what a user may not ask
        raise EnvironmentLacks(problem=f"{url} can't be prepared by user {user!r}: {error}") from error
    finally:
        await admin.close()
