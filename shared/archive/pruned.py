"""What the stream may forget, and how far it has: the past of tasks that are over, once it is archived."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from obra.events import StreamPruned
from obra.events.subjects import PLATFORM, Scope, subject
from obra.events.task import TaskEnd
from obra.shared.bus import Bus
from obra.shared.envelope import Recorded

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


"""Where prunings are asked for and told of."""

OVER = """
WITH ended AS (
    SELECT project, task, min(position) AS position FROM history(as_of := {through})
    WHERE type IN ('task.completed', 'task.failed', 'task.cancelled', 'task.rejected') AND task <> '-' GROUP BY ALL
), runs AS (
    SELECT project, task, bool_or(type = 'attempt.started') AS started,
        bool_or(type IN ('attempt.finished', 'attempt.interrupted')) AS ended
    FROM event WHERE type IN ('attempt.started', 'attempt.finished', 'attempt.interrupted') AND problem IS NULL
    GROUP BY project, task, body.attempt::VARCHAR, body.run::VARCHAR
)
SELECT project, task, position FROM ended WHERE (project, task) NOT IN (
    SELECT (project, task) FROM runs WHERE started AND NOT ended
) AND (project, task) IN (
    SELECT (project, task) FROM history() WHERE type IN (
        'task.completed', 'task.failed', 'task.cancelled', 'task.rejected'
    )
) ORDER BY position
"""
"""Tasks that ended, that still stand as ended, and no run of which goes on; with the position of their end."""


def over(db: "DuckDBPyConnection", through: int) -> list[tuple[Scope, int]]:
    """Return the tasks that were over at position *through* and still are, and the position of each one's end.

    What stands before the end may be forgotten. The end itself stays, and what came after it: so the name stays
    taken, services that fold the task see that it is over, and labels find it.
    """
    rows = db.execute(OVER.format(through=through)).fetchall()
    return [(Scope(project, task), int(position)) for project, task, position in rows]


async def prunings(bus: Bus) -> list[StreamPruned]:
    """Return every pruning that the stream tells of, in order."""
    return [r.event for r in (await bus.past(PLATFORM)).events if isinstance(r.event, StreamPruned)]


async def pruned_through(bus: Bus) -> int:
    """Return the position up to which the stream may lack what the store holds; 0 if it was never pruned."""
    return max((event.through for event in await prunings(bus)), default=0)


async def forgotten(bus: Bus, watermark: int) -> StreamPruned | None:
    """Return the pruning that lets a store which ends at *watermark* never get everything from the stream, or None."""
    if await bus.last_position([subject(PLATFORM, StreamPruned)]) <= watermark:
        return None
    widest = max(await prunings(bus), key=lambda event: event.through, default=None)
    return widest if widest and widest.through > watermark else None


def is_cut(events: Sequence[Recorded]) -> bool:
    """Return whether a task's past begins with its end: the rest of it is only in the store."""
    return bool(events) and isinstance(events[0].event, TaskEnd)
