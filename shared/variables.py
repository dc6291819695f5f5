"""The variables that tasks were given for their agents: kept below the home, readable by their owner alone.

Their names are on record; their values never travel.
"""

import os
import re
from collections.abc import Mapping, Sequence

import msgspec

from obra.events import TaskSubmitted
from obra.events.subjects import Scope
from obra.shared.errors import BadUsage
from obra.shared.exclusive import exclusive
from obra.shared.home import Home, write_private

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variables(entries: Sequence[str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what ``NAME=VALUE``, or ``NAME`` for the value in *environ*, says; `BadUsage` where it says nothing."""
    return dict(_variable(entry, environ) for entry in entries)


def _variable(entry: str, environ: Mapping[str, str]) -> tuple[str, str]:
    name, given, value = entry.partition("=")
    if not NAME.fullmatch(name):
        raise BadUsage(problem=f"--agent-env {name!r} is no name of a variable: give NAME or NAME=VALUE")
    if given:
        return name, value
    if name not in environ:
        raise BadUsage(problem=f"--agent-env {name}: your environment has no {name}; give {name}=VALUE or export it")
    return name, environ[name]


async def renew_environment(
    home: Home, scope: Scope, task: TaskSubmitted, environ: Mapping[str, str] = os.environ
) -> str:
    """Leave the runner PATH and the task's variables once more, if they are gone since the task ended.

    Returns a sentence on what is missing in *environ*; empty: nothing is.
    """
    file = home.environment(scope)
    missing = [name for name in task.agent_env if name not in environ]
    async with exclusive(file.parent):  # the runner that deletes it looks whether the task is still over
        if file.exists():
            return ""
        named = {name: environ[name] for name in task.agent_env if name in environ}
        write_private(file, msgspec.json.encode({"PATH": environ.get("PATH", os.defpath), **named}))
    if not missing:
        return ""
    return (
        f"{scope.task}: its agent needs {', '.join(missing)}, which your environment has not: set it under [agent.env] "
        "in the configuration, or the next attempt can't start"
    )


async def replace_variables(home: Home, project: str, values: Mapping[str, str]) -> int:
    """Put *values* in the place of those that open tasks and goals of *project* were given under the same names.

    A key that was replaced since is what needs it. An attempt that runs keeps what it began with. Returns how many
    were given one of those names; `BadUsage` where none was.
    """
    folder = home.environment(Scope(project, "any")).parent
    named = 0
    async with exclusive(folder):
        for file in sorted(folder.glob("*.json")):
            given = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
            if known := values.keys() & given.keys():
                named += 1
                write_private(file, msgspec.json.encode(given | {name: values[name] for name in known}))
    if not named:
        raise BadUsage(problem=f"no open task of project {project!r} was given {', '.join(values)} with --agent-env")
    return named
