"""What a person means by an id: a task, or something that waits, by the beginning of its name."""

from dataclasses import dataclass
from typing import Any

from obra.events.subjects import TOKEN, Scope
from obra.services.console.reading import known
from obra.shared.client import Orchestrator
from obra.shared.edge import TaskUnknown
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


async def named(obra: Orchestrator, id: str, project: str | None) -> Named:
    """Return what *id* means: a task's whole name first, then what waits, then what once waited.

    `BadUsage` says what comes close where it means nothing, and what it could mean where that is several things.
    """
    if not TOKEN.fullmatch(id):
        raise BadUsage(problem=f"{id!r} is no id: `obra inbox` lists what waits")
    scope = obra.scope(id, project)
    try:
        await obra.client.past(scope)
    except TaskUnknown:
        return await _begun(obra, scope, project)
    return Named(scope)


async def _begun(obra: Orchestrator, scope: Scope, project: str | None) -> Named:
    id = scope.task
    waits = [row for row in await obra.inbox() if not project or row["project"] == project]
    found = [row for row in waits if str(row["id"]).startswith(id) or str(row["task"]).startswith(id)]
    if not found and len(id) >= EVENT_ID_CHARS_MIN:
        table = await obra.sql(WAITED.format(id=id))
        found = table.records
    if len(found) == 1:
        return _named(found[0], id)
    if found:
        raise BadUsage(problem=f"{id!r} could be {' or '.join(sorted(map(_told, found)))}; give more of it")
    await known(obra, scope)
    raise AssertionError("it was unknown a moment ago")  # pragma: no cover


def _named(row: dict[str, Any], id: str) -> Named:
    item = str(row["id"])
    return Named(Scope(str(row["project"]), str(row["task"])), item if item.startswith(id) else "")


def _told(row: dict[str, Any]) -> str:
    return f"{str(row['id'])[:8]} ({row['task']})"
