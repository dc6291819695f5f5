"""Streams stored events out of the store for folds: in order, decoded, a bounded batch at a time.

What a fold hears is selected in DuckDB, by type and range of positions, so that nothing else is read or decoded.
`told` decodes the event alone, which is all that a decider's fold looks at and costs a third of the whole envelope;
`recorded` decodes envelopes for whoever needs times and causes. Both leave out what is no event. Nothing is left out
for having been rolled back: what a rollback undoes is for the fold to say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from obra.events import Event
from obra.events.subjects import name
from obra.shared.envelope import Recorded, decode, decode_brief

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SPAN = 16_384
"""How many positions a page spans: about 10 MB of messages. A page is a query; zone maps make its start free."""
BATCH = 2_048


@dataclass(frozen=True, slots=True)
class Heard:
    """Which events: of ``kinds`` (none: all), after position ``after``, up to ``until``, of one project or task."""

    kinds: tuple[type[Event], ...] = ()
    after: int = 0
    until: int | None = None
    project: str = ""
    task: str = ""


class Told(msgspec.Struct, frozen=True, gc=False):
    """An event with its place: in the stream, and in which task's past."""

    position: int
    project: str
    task: str
    event: Event


def told(db: "DuckDBPyConnection", heard: Heard | None = None) -> Iterator[list[Told]]:
    """Yield the events in batches of at most `BATCH`, none of them empty.

    *db* is a connection of one's own to the store: `Store.cursor`, or `opened` where nothing runs. It blocks, and
    nothing else may run on *db* meanwhile. Raises `Undecodable` for an event that this version can't read.
    """
    for rows in _batches(db, heard or Heard()):
        yield [Told(position, (brief := decode_brief(raw)).project, brief.task, brief.event) for position, raw in rows]


def recorded(db: "DuckDBPyConnection", heard: Heard | None = None) -> Iterator[list[Recorded]]:
    """Yield the same events with their whole envelopes; see `told`."""
    for rows in _batches(db, heard or Heard()):
        yield [Recorded(position, decode(raw)) for position, raw in rows]


def _batches(db: "DuckDBPyConnection", heard: Heard) -> Iterator[list[tuple[int, bytes]]]:
    """Yield (position, raw) in order, page by page, so that no sort and no answer holds more than a page."""
    condition, params = _condition(heard)
    ends = db.execute(f"SELECT min(position), max(position) FROM event WHERE {condition}", params).fetchone()
    first, last = ends if ends and ends[0] is not None else (1, 0)
    sql = f"SELECT position, raw FROM event WHERE position BETWEEN ? AND ? AND {condition} ORDER BY position"
    for low in range(first, last + 1, SPAN):
        page = db.execute(sql, [low, min(low + SPAN - 1, last), *params])
        while rows := page.fetchmany(BATCH):
            yield rows


def _condition(heard: Heard) -> tuple[str, list[Any]]:
    conditions, params = ["problem IS NULL", "position > ?"], list[Any]([heard.after])
    for condition, value in (
        ("position <= ?", heard.until), ("project = ?", heard.project or None), ("task = ?", heard.task or None),
    ):  # fmt: skip
        if value is not None:
            conditions.append(condition)
            params.append(value)
    if heard.kinds:
        conditions.append(f"type IN ({', '.join('?' * len(heard.kinds))})")
        params += map(name, heard.kinds)
    return " AND ".join(conditions), params


def folded(batches: Iterable[list[Told]], evolve: Any, initial: Any) -> dict[tuple[str, str], Any]:
    """Return the state of every task, by (project, task), that *evolve* makes of *batches* from *initial* on."""
    states: dict[tuple[str, str], Any] = {}
    for batch in batches:
        for one in batch:
            scope = one.project, one.task
            states[scope] = evolve(states.get(scope, initial), one.event)
    return states
