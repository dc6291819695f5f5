"""A batch that is ready to be stored: its rows are made and written to the log, and chained for the store."""

from typing import NamedTuple

from obra.services.log_sink.journal import Journal
from obra.services.log_sink.reports import notable
from obra.shared.bus import Raw
from obra.shared.store import Row, Store
from obra.shared.store.incoming import Incoming
from obra.shared.store.row import row_of


class Ready(NamedTuple):
    """What the store adds, and those of its messages, each with its row, that `Reports` has to know of."""

    incoming: Incoming
    notable: list[tuple[Raw, Row]]


def made_ready(journal: Journal, store: Store, raws: list[Raw]) -> Ready:
    """Make *raws* ready. They are written to *journal* first, since it knows by itself what it holds."""
    rows = [row_of(raw) for raw in raws]
    journal.write([(row.position, row.line) for row in rows])
    return Ready(store.ready(rows), [(raw, row) for raw, row in zip(raws, rows, strict=True) if notable(raw)])
