"""What the stream may forget, and how far it has: the past of tasks that are over, once it is archived."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from obra.events import PruneRequested, StreamPruned, StreamRefilled
from obra.events.subjects import PLATFORM, Scope, subject
from obra.events.task import TaskEnd
from obra.shared.bus import Bus
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Forgot = StreamPruned | StreamRefilled
"""What tells that the stream lacks the past of what was over at ``through``; ``archive`` is an export that holds it."""

OVER = """
WITH ended AS (
    SELECT project, task, min(position) AS position, max(stored_at) AS stored_at FROM history(as_of := {through})
    WHERE type IN ('task.completed', 'task.failed', 'task.cancelled', 'task.rejected') AND task <> '-' GROUP BY ALL
), runs AS (
    SELECT project, task, bool_or(type = 'attempt.started') AS started,
        bool_or(type IN ('attempt.finished', 'attempt.interrupted')) AS ended
    FROM event WHERE type IN ('attempt.started', 'attempt.finished', 'attempt.interrupted') AND problem IS NULL
    GROUP BY project, task, body.attempt::VARCHAR, body.run::VARCHAR
)
SELECT project, task, position FROM ended WHERE (
    stored_at < (SELECT max(stored_at) FROM event) - INTERVAL 1 HOUR
    OR (project, task) NOT IN (SELECT (project, task) FROM runs WHERE started AND NOT ended)
) AND (project, task) IN (
    SELECT (project, task) FROM history() WHERE type IN (
        'task.completed', 'task.failed', 'task.cancelled', 'task.rejected'
    )
) ORDER BY position
"""
"""Tasks that ended, that still stand as ended, and no run of which goes on; with the position of their end.

Nothing more is said of a run whose task was cancelled meanwhile: after an hour its agent is gone.
"""


def over(db: "DuckDBPyConnection", through: int) -> list[tuple[Scope, int]]:
    """Return the tasks that were over at position *through* and still are, and the position of each one's end.

    What stands before the end may be forgotten. The end itself stays, and what came after it: so the name stays
    taken, services that fold the task see that it is over, and labels find it.
    """
    rows = db.execute(OVER.format(through=through)).fetchall()
    return [(Scope(project, task), int(position)) for project, task, position in rows]


class OutOfReach(BadUsage):
    """The stream lacks what was over at position {through}, and what there is ends at {at}; {hint}"""


async def prunings(bus: Bus) -> list[Forgot]:
    """Return every time that the stream tells it forgot something, in order."""
    return [r.event for r in (await bus.past(PLATFORM)).events if isinstance(r.event, Forgot)]


async def pruned_through(bus: Bus) -> int:
    """Return the position up to which the stream may lack what the store holds; 0 if it was never pruned."""
    return max((event.through for event in await prunings(bus)), default=0)


async def forgotten(bus: Bus, watermark: int) -> Forgot | None:
    """Return what lets a store that ends at *watermark* never get everything from the stream, or None."""
    if await bus.last_position([subject(PLATFORM, kind) for kind in (StreamPruned, StreamRefilled)]) <= watermark:
        return None
    widest = max(await prunings(bus), key=lambda event: event.through, default=None)
    return widest if widest and widest.through > watermark else None


async def reaches_back(bus: Bus, at: int) -> None:
    """Raise `OutOfReach` where the stream has let go of something behind position *at*."""
    if gap := await forgotten(bus, at):
        named = next((one.archive for one in reversed(await prunings(bus)) if one.archive), "")
        hint = f"name an export that holds the rest{f', such as {named}' if named else ''}"
        raise OutOfReach(through=f"{gap.through:,}", at=f"{at:,}", hint=hint)


def is_cut(events: Sequence[Recorded]) -> bool:
    """Return whether a task's past begins with its end: the rest of it is only in the store."""
    return bool(events) and isinstance(events[0].event, TaskEnd)


async def forgettings(bus: Bus) -> list[tuple[Forgot, str]]:
    """Return each time the stream forgot something, with the chain's hash at the position up to which it did."""
    past = (await bus.past(PLATFORM)).events
    asked: dict[UUID | None, str] = {r.envelope.id: r.event.hash for r in past if isinstance(r.event, PruneRequested)}
    found = list[tuple[Forgot, str]]()
    for recorded in past:
        match recorded.event:
            case StreamRefilled() as event:
                found.append((event, event.hash))
            case StreamPruned() as event if recorded.envelope.cause in asked:
                found.append((event, asked[recorded.envelope.cause]))
    return found


async def heads(bus: Bus) -> list[tuple[int, str]]:
    """Return positions and the chain's hash there, as the stream tells them: a store that lacks anything has others."""
    return [(event.through, head) for event, head in await forgettings(bus)]
