"""Runs one agent to its end and says how it ended. First version: the signatures."""

import asyncio
from dataclasses import dataclass

from obra.events import AgentExited
from obra.services.agent_runner.job import Job, Say
from obra.services.agent_runner.sandbox import Sandbox
from obra.shared.config import AgentSettings


@dataclass(frozen=True, slots=True)
class AgentFound:
    """An agent that can be started. ``version`` is empty where asking would cost a start: the run will say it."""

    executable: str
    version: str = ""


async def run_agent(job: Job, sandbox: Sandbox, settings: AgentSettings, say: Say, stop: asyncio.Event) -> AgentExited:
    """Run *job* until the agent ended, a limit was reached or *stop* was set; raises on cancellation alone."""
    raise NotImplementedError


async def probe_agent(agent: str, settings: AgentSettings, path: str) -> AgentFound:
    """Return where *agent* is, looking on *path*; `EnvironmentLacks` with what to do if it is not there."""
    raise NotImplementedError
