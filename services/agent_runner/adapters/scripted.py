"""The scripted agent: a real process in the same sandbox, whose brain is a file."""

import os

from obra.services.agent_runner import scripted_agent
from obra.services.agent_runner.adapters.claude import environment
from obra.services.agent_runner.adapters.launch import AgentFound, Launch
from obra.services.agent_runner.job import Job
from obra.services.agent_runner.reachable import python
from obra.services.agent_runner.sandbox import Sandbox
from obra.shared.config import AgentSettings
from obra.shared.errors import BadUsage, EnvironmentLacks
from obra.shared.script import check_script

PREFIX = "scripted:"


def find(agent: str) -> AgentFound:
    """Check the script and return what will play it; `EnvironmentLacks` if it is not usable (any more)."""
    try:
        check_script(agent.removeprefix(PREFIX))
    except BadUsage as error:
        raise EnvironmentLacks(problem=str(error)) from error
    return AgentFound(python(), scripted_agent.VERSION)


def launch(job: Job, sandbox: Sandbox, settings: AgentSettings) -> Launch:
    """Return how to start the script of *job*."""
    found = find(job.agent)
    script = os.path.abspath(job.agent.removeprefix(PREFIX))
    player = os.path.realpath(scripted_agent.__file__)
    argv = [found.executable, "-I", "-S", player, script, str(job.attempt), job.resume]
    return Launch(tuple(argv), environment(job, sandbox, settings), read_only=(player, script))
