"""Jobs for agents, and what came of them."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from obra.events import AgentExited, Output
from obra.services.agent_runner.execute import run_agent
from obra.services.agent_runner.job import Job
from obra.services.agent_runner.sandbox import Sandbox, choose
from obra.shared.config import AgentSettings, SandboxSettings

PATH = "/usr/local/bin:/usr/bin:/bin"


async def sandboxes() -> list[Sandbox]:
    """Return bubblewrap, where it works, and none."""
    found = await choose("auto", SandboxSettings())
    none = await choose("none", SandboxSettings())
    return [found, none] if found.kind == "bwrap" else [none]


@dataclass
class Ran:
    """What a run said and how it ended."""

    job: Job
    exited: AgentExited
    outputs: list[Output] = field(default_factory=list)

    @property
    def transcript(self) -> list[dict[str, Any]]:
        """Return the JSON lines of the transcript."""
        return [json.loads(line) for line in self.job.transcript.read_text().splitlines()]

    def said(self, kind: str) -> list[str]:
        """Return the texts of one kind of live output."""
        return [output.text for output in self.outputs if output.kind == kind]


def job(where: Path, agent: str, env: dict[str, str] | None = None, **fields: Any) -> Job:
    """Return a job with everything below *where*, and a marker of its own."""
    workspace = where / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {
        "prompt": "Do the work.", "attempt": 1, "run": 1, "workspace": workspace, "home": where / "home",
        "transcript": where / "transcripts" / "1.jsonl", "marker": f"obra-test-{uuid4().hex}", "timeout_s": 60.0,
    }  # fmt: skip
    return Job(agent=agent, env={"PATH": PATH, **(env or {})}, **{**given, **fields})


async def run(
    a_job: Job, sandbox: Sandbox, settings: AgentSettings | None = None, stop: asyncio.Event | None = None,
    watch: Any = None,
) -> Ran:  # fmt: skip
    """Run *a_job*; *watch* is called with each piece of live output."""
    outputs: list[Output] = []

    async def say(output: Output) -> None:
        outputs.append(output)
        if watch is not None:
            watch(output)

    exited = await run_agent(a_job, sandbox, settings or AgentSettings(), say, stop or asyncio.Event())
    return Ran(a_job, exited, outputs)


def scripted(where: Path, *attempts: dict[str, Any]) -> str:
    """Write a script and return the agent that plays it."""
    path = where / "script.json"
    path.write_text(json.dumps({"attempts": list(attempts)}))
    return f"scripted:{path}"
