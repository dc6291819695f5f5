"""A runner at work: a bus, a home, a repository, and events that are waited for and never slept for."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from obra.events import (
    AttemptFinished,
    AttemptRequested,
    Content,
    DecisionMade,
    Event,
    TaskReadied,
    TaskSubmitted,
)
from obra.events.subjects import Scope, name
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.service import AgentRunner
from obra.shared.bus import Bus
from obra.shared.config import AgentSettings, Settings
from obra.shared.envelope import fresh
from obra.shared.home import Home
from tests.services.agent_runner.repositories import SCOPE, repository

WAIT_S = 40.0
PATH = "/usr/local/bin:/usr/bin:/bin"

Some = TypeVar("Some", bound=Event)


@dataclass
class Stage:
    """What a test of the runner works with."""

    bus: Bus
    root: Path
    settings: Settings = field(default_factory=lambda: Settings(agent=AgentSettings(path=PATH, concurrency=2)))
    scope: Scope = SCOPE

    def __post_init__(self) -> None:
        self.home = Home(self.root / "home")
        self.repo = self.root / "repo"
        if not self.repo.exists():
            repository(self.repo)
        self.place = Place.of(self.home, self.scope)

    def service(self) -> AgentRunner:
        return AgentRunner(self.settings, self.home)

    @asynccontextmanager
    async def running(self, *services: AgentRunner) -> AsyncIterator[asyncio.Event]:
        """Run *services* (one if none is given) until the block ends."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(one.run(self.bus, stop)) for one in services or (self.service(),)]
        try:
            yield stop
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*tasks), WAIT_S)

    def script(self, *attempts: dict[str, Any]) -> str:
        """Write a scripted agent and return its name."""
        file = self.root / "script.json"
        file.write_text(json.dumps({"attempts": list(attempts)}))
        return f"scripted:{file}"

    async def submit(self, agent: str, **more: Any) -> None:
        wishes = {"sandbox": "none", **more}
        task = TaskSubmitted(text="Say hello\nplease", repo=str(self.repo), agent=agent, llm="none", **wishes)
        await self.say(task, TaskReadied())

    async def say(self, *events: Event) -> None:
        for event in events:
            await self.bus.append([fresh(self.scope, event, "test")])

    async def request(self, attempt: int = 1, run: int = 1, **more: Any) -> None:
        asked = AttemptRequested(attempt=attempt, run=run, prompt=Content.of(f"prompt {attempt}"), **more)
        await self.say(asked)

    async def decide(self, attempt: int = 1) -> None:
        await self.say(DecisionMade(action="proceed", attempt=attempt, run=1))

    async def until(self, kind: type[Some], accept: Callable[[Some], bool] = lambda _: True) -> Some:
        """Return the first such event, waiting for it if need be."""
        async with asyncio.timeout(WAIT_S):
            async for raw in self.bus.follow(0, [self.scope.everything]):
                event = raw.envelope.event if raw.envelope else None
                if isinstance(event, kind) and accept(event):
                    return event
        raise AssertionError(f"no {kind.__name__}")

    async def finished(self, attempt: int = 1, run: int = 1) -> AttemptFinished:
        return await self.until(AttemptFinished, lambda event: (event.attempt, event.run) == (attempt, run))

    async def events(self) -> list[Event]:
        return [recorded.event for recorded in (await self.bus.past(self.scope)).events]

    async def said(self) -> list[str]:
        """Return the names of what the runner said, in order."""
        past = await self.bus.past(self.scope)
        return [name(recorded.event) for recorded in past.events if recorded.envelope.service == "agent-runner"]

    async def of(self, kind: type[Some]) -> list[Some]:
        return [event for event in await self.events() if isinstance(event, kind)]


def write(path: str, text: str = "x\n") -> dict[str, Any]:
    return {"write": {"path": path, "text": text}}


def signal_file(path: Path) -> str:
    """Return a shell command that says that it has begun, by making *path*, and then hangs."""
    return f"touch {path}; sleep 300"


async def appears(path: Path) -> None:
    async with asyncio.timeout(WAIT_S):
        while not path.exists():
            await asyncio.sleep(0.01)
