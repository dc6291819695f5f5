"""The notice a host puts up in ``run/nats.json`` once it is ready: where it is and how to log in. Mode 0600."""

from pathlib import Path

import msgspec

from obra.shared.embedded.access import EDGE
from obra.shared.home import Home, write_private

FILE = "nats.json"


class Notice(msgspec.Struct, frozen=True):
    """Everything another process of the same owner needs to join.

    ``user`` and ``password`` are the edge's, for any NATS client; ``services`` maps each service to its password.
    ``version`` is the host's, ``views`` tells the views that its store has from those of another version.
    """

    url: str
    user: str
    password: str
    host_pid: int
    server_pid: int
    lease_port: int
    lease_token: str
    services: dict[str, str]
    version: str = ""
    views: str = ""


def path(home: Home) -> Path:
    """Return where the notice stands."""
    return home.run / FILE


def put_up(home: Home, notice: Notice) -> None:
    """Write the notice, whole or not at all."""
    write_private(path(home), msgspec.json.format(msgspec.json.encode(notice), indent=2))


def read(home: Home) -> Notice | None:
    """Return the notice, or None if there is none that can be read."""
    try:
        return msgspec.json.decode(path(home).read_bytes(), type=Notice)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def take_down(home: Home) -> None:
    """Remove the notice."""
    path(home).unlink(missing_ok=True)


def credentials(notice: Notice, service: str = EDGE) -> tuple[str, str]:
    """Return user and password of *service*, or of the edge."""
    return (notice.user, notice.password) if service == EDGE else (service, notice.services[service])
