"""Reads the past of a scope with batches of direct gets: no consumer, and one round trip while it is short."""

import msgspec

from obra.events.subjects import STREAM, Scope
from obra.shared.bus import Past
from obra.shared.bus.client import Incoming
from obra.shared.bus.message import encode_json, read
from obra.shared.bus.tail import EVENTS_MAX, Tail
from obra.shared.bus.wire import NoAnswer, Wire, status
from obra.shared.envelope import Recorded, Unknown
from obra.shared.errors import AppendRefused, Undecodable

GET = f"$JS.API.DIRECT.GET.{STREAM}"
PURGE = f"$JS.API.STREAM.PURGE.{STREAM}"
PURGE_S = 30.0
BATCH = 1_000
BYTES_MAX = 16 * 1024**2


async def past(wire: Wire, tail: Tail, scope: Scope, after: int) -> Past:
    """See `Bus.past`. Raises `NoAnswer`. What was read goes into *tail* too."""
    position, found, whole = await _read(wire, scope, after)
    while position == after > 0 and (position := await last(wire, scope.everything)) > after:
        # It was stored between the two questions. Whoever gets its position must get it, too, so it is read.
        position, found, whole = await _read(wire, scope, after)
    if whole and len(found) <= EVENTS_MAX:
        tail.add(scope, after, found)
    return Past(position, tuple(found))


async def _read(wire: Wire, scope: Scope, after: int) -> tuple[int, list[Recorded], bool]:
    """Return the position that was reached, the events up to it, and whether they are all that stood there."""
    position, found, whole, more = after, list[Recorded](), True, True
    while more:
        question = {"seq": position + 1, "batch": BATCH, "max_bytes": BYTES_MAX, "next_by_subj": scope.everything}
        *messages, end = await wire.collect(GET, encode_json(question))
        for message in messages:
            position = position_of(message)
            if recorded := _recorded(message, position):
                found.append(recorded)
            else:
                whole = False
        more = _more(end, position)
    return position, found, whole


async def last(wire: Wire, filter: str) -> int:
    """Return the position of the last message on *filter*, 0 if there is none. Raises `NoAnswer`."""
    found = await wire.request(GET, encode_json({"last_by_subj": filter}))
    return 0 if status(found) == "404" else position_of(found)


async def purge(wire: Wire, scope: Scope, before: int) -> int:
    """Have the stream forget what stands in *scope* before position *before*; return how many messages it was."""
    question = {"filter": scope.everything, "seq": before}
    found = msgspec.json.decode((await wire.request(PURGE, encode_json(question), timeout_s=PURGE_S)).data)
    if error := found.get("error"):
        raise AppendRefused(code=error.get("err_code", 0), reason=error.get("description", ""))
    return int(found["purged"])


def position_of(message: Incoming) -> int:
    """Return the sequence of a message that a direct get returned."""
    return int(message.headers["Nats-Sequence"])


def _recorded(message: Incoming, position: int) -> Recorded | None:
    try:
        envelope = read(message.headers["Nats-Subject"], message.data)
    except Undecodable:
        return None
    return None if isinstance(envelope.event, Unknown) else Recorded(position, envelope)


def _more(end: Incoming, position: int) -> bool:
    """Return whether the batch that *end* closes was cut at its limit; `NoAnswer` if it is not whole."""
    headers = end.headers
    match status(end):
        case "404":
            return False
        case "204" if int(headers["Nats-Last-Sequence"]) == position:
            return int(headers["Nats-Num-Pending"]) > 0
    raise NoAnswer(subject=GET, reason=f"the batch is not whole: {headers}")
