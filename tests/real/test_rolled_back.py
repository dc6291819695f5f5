"""A rollback with the real Claude Code: files and conversation return together, and the next attempt goes on there."""

import json
from pathlib import Path
from typing import Any

import pytest

from obra.events import AgentExited, AttemptFinished, TaskRolledBack, WorkspaceRestored
from obra.shared.config import AgentSettings, ClaudeSettings, Settings
from tests.loopback.anthropic import Anthropic
from tests.rig import MemoryRig
from tests.services.agent_runner.stage import PATH, Stage

pytestmark = pytest.mark.real


@pytest.fixture
def stage(memory: MemoryRig, claude: str, anthropic: Anthropic, tmp_path: Path) -> Stage:
    env = {
        "ANTHROPIC_API_KEY": "dummy-key-for-loopback", "ANTHROPIC_BASE_URL": anthropic.url("loop"),
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }  # fmt: skip
    agent = AgentSettings(path=PATH, env=env, claude=ClaudeSettings(path=claude))
    return Stage(memory.bus, tmp_path, Settings(agent=agent))


async def attempt(stage: Stage, number: int, resume: str = "", **more: Any) -> AgentExited:
    await stage.request(attempt=number, resume=resume, turns_max=2, **more)
    await stage.finished(attempt=number)
    exited = (await stage.of(AgentExited))[-1]
    assert (exited.attempt, exited.ending) == (number, "max_turns")
    return exited


async def test_the_conversation_returns_and_the_next_attempt_goes_on_with_it(
    stage: Stage, anthropic: Anthropic
) -> None:
    async with stage.running():
        await stage.submit("claude")
        session = (await attempt(stage, 1)).session
        past = (await stage.bus.past(stage.scope)).events
        to = next(r.position for r in past if isinstance(r.event, AttemptFinished))
        await attempt(stage, 2, resume=session)
        await stage.say(TaskRolledBack(to=to))
        await stage.until(WorkspaceRestored)
        before = len(anthropic.asked)
        again = await attempt(stage, 3, resume=session)
    told = json.dumps([body.get("messages", []) for body in anthropic.asked[before:]])
    assert (again.session, again.detail) == (session, (await stage.of(AgentExited))[0].detail)
    assert [f"prompt {number}" in told for number in (1, 2, 3)] == [True, False, True]
