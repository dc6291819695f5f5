"""What a store that nobody has open holds, message by message."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from obra.shared.bus import Raw
from obra.shared.store.query import local_query
from obra.shared.store.select import PAGE_ROWS, Wanted, message, page


def local_events(path: Path, wanted: Wanted) -> Iterator[Raw]:
    """Yield the messages in the file *path*, in order."""
    while True:
        sql, params = page(wanted)
        table = local_query(path, sql, params)
        yield from map(message, table.rows)
        if len(table.rows) < PAGE_ROWS:
            return
        wanted = replace(wanted, after=table.rows[-1][0])
