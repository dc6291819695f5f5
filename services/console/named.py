"""What a person means by an id: a task, or something that waits, by the beginning of its name."""

from dataclasses import dataclass
from typing import Any

from obra.events.subjects import TOKEN, Scope
from obra.services.console.options import Place
from obra.services.console.reading import NoTask, Reader, answered, reading
from obra.shared.errors import BadUsage

EVENT_ID_CHARS_MIN = 4
WAITED = """
    SELECT DISTINCT id::VARCHAR AS id, project, task FROM event
    WHERE type IN ('breakpoint.raised', 'question.asked', 'task.rolled_back') AND starts_with(id::VARCHAR, '{id}')
"""


@dataclass(frozen=True, slots=True)
class Named:
    """A scope, and one thing in it that waits or waited; empty: whatever waits there."""

    scope: Scope
    item: str = ""


async def named(place: Place, id: str, project: str | None) -> Named:
    """Return what *id* means: a task's whole name first, then what waits, then what once waited.

    `BadUsage` says what comes close where it means nothing, and what it could mean where that is several things.
    Nothing is started for it: no agent works because somebody mistypes.
    """
    if not TOKEN.fullmatch(id):
        raise BadUsage(problem=f"{id!r} is no id: `obra inbox` lists what waits")
    scope = place.scope(id, project)
    async with reading(place) as reader:
        try:
            await reader.past(scope)
        except NoTask as error:
            found = await _begun(reader, id, project)
            if not found:
                raise
            if len(found) > 1:
                several = " or ".join(sorted(map(_told, found)))
                raise BadUsage(problem=f"{id!r} could be {several}; give more of it") from error
            return _named(found[0], id)
    return Named(scope)


async def _begun(reader: Reader, id: str, project: str | None) -> list[dict[str, Any]]:
    """Return what waits, or else once waited, whose name begins with *id*."""
    waits = [row for row in await answered(reader, "SELECT * FROM inbox") if not project or row["project"] == project]
    found = [row for row in waits if str(row["id"]).startswith(id) or str(row["task"]).startswith(id)]
    if not found and len(id) >= EVENT_ID_CHARS_MIN:
        return await answered(reader, WAITED.format(id=id))
    return found


def _named(row: dict[str, Any], id: str) -> Named:
    item = str(row["id"])
    return Named(Scope(str(row["project"]), str(row["task"])), item if item.startswith(id) else "")


def _told(row: dict[str, Any]) -> str:
    return f"{str(row['id'])[:8]} ({row['task']})"
