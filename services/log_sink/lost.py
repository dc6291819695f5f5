"""What log-sink says of messages that are no events, and where files go that can't be used."""

from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from obra.events import MessageRejected
from obra.events.subjects import PLATFORM, TOKEN, Scope
from obra.shared.envelope import Envelope, fresh
from obra.shared.redact import redact
from obra.shared.store import Lost

NAME = "log-sink"
PREVIEW_BYTES = 200
ASIDES_MAX = 1_000


def rejection(lost: Lost) -> Envelope:
    """Return what tells the world that *lost* is no event. Its id follows from the position: it is told once."""
    known = all(part and TOKEN.fullmatch(part) for part in (lost.project, lost.task))
    scope = Scope(str(lost.project), str(lost.task)) if known else PLATFORM
    parts = ("obra", lost.project, lost.task, lost.type) if lost.project is not None else ("obra", lost.type)
    preview = redact(lost.raw[:PREVIEW_BYTES].decode("utf-8", "replace"))
    event = MessageRejected(
        position=lost.position, subject=".".join(map(str, parts)), reason=lost.problem, preview=preview
    )
    return fresh(scope, event, NAME, id=_id(lost.position, lost.raw))


def _id(position: int, raw: bytes) -> UUID:
    return uuid5(NAMESPACE_URL, f"{NAME}/message.rejected/{position}/{raw[:PREVIEW_BYTES].hex()}")


def move_aside(path: Path, sort: str) -> Path:
    """Rename *path* and its write-ahead log to the first free ``NAME.SORT-N``; return the new path."""
    names = (path.with_name(f"{path.name}.{sort}-{number}") for number in range(1, ASIDES_MAX))
    target = next((name for name in names if not name.exists()), path.with_name(f"{path.name}.{sort}-{ASIDES_MAX}"))
    log_file = path.with_name(f"{path.name}.wal")
    if log_file.exists():
        log_file.replace(target.with_name(f"{target.name}.wal"))
    if path.exists():
        path.replace(target)
    return target
