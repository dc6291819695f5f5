"""Prepares a NATS server that has the streams: each service's group of readers, the policy in force, logins."""

from collections.abc import Sequence
from pathlib import Path

from obra.shared.bus.jetstream import JetStreamBus
from obra.shared.bus.provision import provision_consumer, redeliver
from obra.shared.config import Settings
from obra.shared.embedded.access import users_conf, users_for
from obra.shared.home import write_private
from obra.shared.policies import adopt
from obra.shared.service import Service

USERS_CONF = "users.conf"


async def prepare(admin: JetStreamBus, settings: Settings, services: Sequence[Service], *, nobody_reads: bool) -> None:
    """Create or update what *services* need beside the streams, and put the policy on record; repeatable.

    Where *nobody_reads*, as before a host has begun, what was delivered and not settled is handed out again at once.
    """
    for service in services:
        consumer = getattr(service, "consumer", None)
        if consumer is not None:
            await provision_consumer(admin.js, consumer)
            if nobody_reads:
                await redeliver(admin.js, consumer)
    await adopt(admin, settings.policy())


def make_logins(folder: Path, services: Sequence[Service]) -> bool:
    """Write the server's ``authorization`` block to *folder*, and each user's password to ``NAME.password`` there.

    All files are readable by their owner alone. Where there are logins already they stay, and this returns False.
    """
    block = folder / USERS_CONF
    if block.exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    users = users_for(services)
    for user in users:
        write_private(folder / f"{user.name}.password", user.password.encode())
    write_private(block, users_conf(users).encode() + b"\n")
    return True
