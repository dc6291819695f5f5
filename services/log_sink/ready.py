"""A batch that is ready to be stored: its rows are made and written to the log, and chained for the store."""

from collections.abc import Sequence
from typing import NamedTuple

from obra.services.log_sink.journal import Journal
from obra.services.log_sink.reports import ALONE, notable
from obra.shared.bus import Raw, Stored
from obra.shared.store import Row, Store
from obra.shared.store.incoming import Incoming
from obra.shared.store.rows import rows_of


class Ready(NamedTuple):
    """What the store adds, and those of its messages, each with its row, that `Reports` has to know of."""

    incoming: Incoming
    notable: list[tuple[Raw, Row]]


def made_ready(journal: Journal, store: Store, messages: Sequence[Stored]) -> Ready:
    """Make *messages* ready. They are written to *journal* first, since it knows by itself what it holds."""
    rows, read = rows_of(messages, ALONE, journal.position)
    journal.write([(row.position, row.line) for row in rows])
    told = [(raw, row) for row in rows if read and (raw := read.get(row.position)) and notable(raw)]
    return Ready(store.ready(rows), told)
