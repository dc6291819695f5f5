"""What an agent is given: variables by name, a PATH, and nothing that merely happens to be around."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from obra.events import TaskSubmitted
from obra.events.subjects import Scope
from obra.services.agent_runner.redaction import Redactor, secrets_of
from obra.shared.config import AgentSettings
from obra.shared.errors import EnvironmentLacks
from obra.shared.home import Home


@dataclass(frozen=True, slots=True)
class Kit:
    """The PATH of agents and checks, and the agent's variables. ``env`` holds PATH too."""

    path: str
    env: Mapping[str, str]

    def redactor(self) -> Redactor:
        """Return what takes these variables' values, and everything that looks secret, out of a text."""
        return Redactor(secrets_of({name: value for name, value in self.env.items() if name != "PATH"}))


def pack(home: Home, scope: Scope, task: TaskSubmitted, settings: AgentSettings) -> Kit:
    """Return the kit of *task*: configured variables, those that it names, and the PATH without what is relative.

    In the workspace that would be what the agent has put there, and a check would run it in the place of a program.

    Values come from the file that the submitting command has written, else from the configuration. Raises
    `EnvironmentLacks` for a variable that has none.
    """
    given = _given(_left_for(home, scope, task))
    missing = [name for name in task.agent_env if name not in given and name not in settings.env]
    if missing:
        raise EnvironmentLacks(
            problem=f"the task names {', '.join(missing)} for its agent, and the runner has no value for it: submit "
            "with --agent-env on this machine, or set it under [agent.env] in the runner's configuration"
        )
    named = {name: given.get(name, settings.env.get(name, "")) for name in task.agent_env}
    path = settings.path or named.get("PATH") or given.get("PATH") or os.environ.get("PATH") or os.defpath
    path = ":".join(place for place in path.split(":") if place.startswith("/")) or os.defpath  # empty: the workspace
    return Kit(path, {**settings.env, **named, "PATH": path})


def _left_for(home: Home, scope: Scope, task: TaskSubmitted) -> Path:
    """Return the file for the task, or that of its goal: who submitted the goal did not know its tasks."""
    own = home.environment(scope)
    return home.environment(Scope(scope.project, task.goal)) if task.goal and not own.exists() else own


def _given(file: Path) -> dict[str, str]:
    """Return what the submitting command has left; nothing where the task came from another machine."""
    try:
        read = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EnvironmentLacks(problem=f"the task's environment in {file} can't be read: {error}") from error
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise EnvironmentLacks(problem=f"the task's environment in {file} is no object of names and texts")
    return read
