"""Projects in which nothing starts: everywhere in the same words."""

from collections.abc import Iterator
from typing import Any

from obra.services.console.render.summary import obra_command
from obra.services.console.render.text import count, one_line

PAUSED = "SELECT project, reason, queued FROM project(as_of := {at}) WHERE paused ORDER BY project"


def paused(projects: list[dict[str, Any]]) -> Iterator[str]:
    """Yield which of *projects*, as `PAUSED` finds them, are paused, why, and how they go on."""
    for each in projects:
        why = f": {one_line(each['reason'])}" if each["reason"] else ""
        yield ""
        yield f"project {each['project']} is paused, {count(each['queued'], 'task')} waiting in it{why}"
        yield f"  `{obra_command()} project resume {each['project']}` lets it go on"
