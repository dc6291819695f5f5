"""What log-sink has to tell the world: messages that are no event, and a store that had to be rebuilt."""

import asyncio
from uuid import NAMESPACE_URL, uuid5

from obra.events import MessageRejected, ServiceDegraded
from obra.events.subjects import PLATFORM, name
from obra.services.log_sink.lost import NAME, PREVIEW_BYTES, rejection
from obra.shared.archive.pruned import Forgot
from obra.shared.bus import Bus, Raw
from obra.shared.envelope import Envelope, Unknown, fresh, type_of
from obra.shared.errors import ObraError
from obra.shared.log import get_logger
from obra.shared.redact import redact
from obra.shared.store import Lost, Row, Store

REPORTS_MAX = 100
UNREPORTED_MAX = 10_000
ALONE = frozenset({name(MessageRejected)})
"""Types of events that `Reports` looks into."""
NEWER = "a newer Obra wrote it, and this version can't read it"

log = get_logger(NAME)


def notable(raw: Raw) -> bool:
    """Return whether `Reports` has to know of *raw*."""
    return raw.envelope is None or isinstance(raw.envelope.event, MessageRejected | Unknown)


class Reports:
    """Reports still to be published. What is on the stream already, or in the store, is not told again."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self._rejected: dict[int, Envelope] = {}
        self._degraded: list[Envelope] = []
        self._more = False
        self._told: set[tuple[str, int]] = set()

    def __len__(self) -> int:
        """Return how many are to be published still."""
        return len(self._rejected) + len(self._degraded)

    def remember(self, lost: list[Lost]) -> None:
        """Begin anew with what the store holds and nobody has been told of, at most `UNREPORTED_MAX`."""
        self._rejected = {one.position: rejection(one) for one in lost}
        self._more = len(lost) == UNREPORTED_MAX

    def degraded(self, reason: str, effect: str) -> None:
        """Add that the store was lacking."""
        event = ServiceDegraded(service=NAME, lacking="store", reason=redact(reason)[:2_000], effect=effect)
        self._degraded.append(fresh(PLATFORM, event, NAME))

    def incomplete(self, gap: Forgot, watermark: int) -> None:
        """Add that the stream has let go of what a store that ends at *watermark* lacks, and the way to get it back."""
        how = f"`obra restore`, from {gap.archive}" if gap.archive else "`obra restore DIR`, from an export"
        self.degraded(
            f"it ends at position {watermark:,}, and the stream lacks what was over at {gap.through:,}: stop Obra, "
            f"then bring back the rest with {how}",
            "it is rebuilt from what the stream still has",
        )

    def note(self, raw: Raw, row: Row) -> None:
        """Keep in mind what has to be told of a stored message, and forget what it shows to have been told."""
        if raw.envelope and isinstance(raw.envelope.event, MessageRejected):
            self._rejected.pop(raw.envelope.event.position, None)
        elif raw.envelope and isinstance(raw.envelope.event, Unknown):
            self._newer(raw.envelope)
        elif row.problem and not (row.type or "").startswith("message."):
            if len(self._rejected) >= UNREPORTED_MAX:
                self._more = True
                return
            lost = Lost(row.position, row.project, row.task, row.type or "", row.problem, row.raw[:PREVIEW_BYTES])
            self._rejected[row.position] = rejection(lost)

    def _newer(self, envelope: Envelope) -> None:
        """Add, once for each type and schema number, that an event was written by a newer Obra."""
        kind = type_of(envelope)
        known = (kind, envelope.schema)
        if known in self._told or len(self._told) >= REPORTS_MAX:
            return
        self._told.add(known)
        event = ServiceDegraded(
            service=NAME, lacking="version", reason=redact(f"{kind}, schema {envelope.schema}: {NEWER}"),
            effect="such events are kept as they are, and skipped",
        )  # fmt: skip
        scope = PLATFORM
        id_ = uuid5(NAMESPACE_URL, f"{NAME}/version/{kind}/{envelope.schema}")
        self._degraded.append(fresh(scope, event, NAME, id=id_))

    async def publish(self, bus: Bus, store: Store | None, *, live: bool) -> None:
        """Publish some. Rejections wait until *live*: everything is read that may show that they were told of."""
        waiting = list(self._degraded)
        if live:
            if self._more and not self._rejected and store:
                self.remember(await asyncio.to_thread(store.unreported, UNREPORTED_MAX))
            waiting += list(self._rejected.values())[:REPORTS_MAX]
        for envelope in waiting:
            try:
                if not await _is_told(bus, envelope):
                    await bus.append([envelope])
            except ObraError as error:
                log.warning("a report could not be published and is tried again", error=str(error))
                return
            if envelope in self._degraded:
                self._degraded.remove(envelope)
            elif isinstance(envelope.event, MessageRejected):
                self._rejected.pop(envelope.event.position, None)


async def _is_told(bus: Bus, envelope: Envelope) -> bool:
    """Return whether the stream holds that report already; only of what is told but once in a stream's life."""
    event = envelope.event
    if not isinstance(event, ServiceDegraded) or event.lacking != "version":
        return False
    return any(recorded.envelope.id == envelope.id for recorded in (await bus.past(envelope.scope)).events)
