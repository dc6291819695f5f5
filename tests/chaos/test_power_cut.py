"""The whole of Obra is killed at a chosen event of a run; resumed, the task ends as it would have."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from obra.events.subjects import Scope
from obra.shared.config import Settings
from obra.shared.embedded.join import join
from obra.shared.envelope import type_of
from obra.shared.home import Home
from tests import processes

SCRIPT = {
    "attempts": [
        {"steps": [{"write": {"path": "a.txt", "text": "1"}}, {"sleep_s": 0.3}], "cost_usd": 0.01},
        {"steps": [{"append": {"path": "a.txt", "text": "2"}}, {"sleep_s": 0.3}], "cost_usd": 0.01},
    ]
}
MOMENTS = [
    "task.submitted", "llm.selected", "task.readied", "session.opened", "prompt.prepared", "attempt.requested",
    "attempt.started", "agent.exited", "workspace.checkpointed", "checks.ran", "attempt.finished", "attempt.scored",
    "decision.made", "branch.delivered",
]  # fmt: skip
TIMEOUT_S = 60


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "README.md").write_text("hello\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for args in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *args], cwd=folder, check=True, env=env, timeout=30)
    return folder


def obra(*args: str) -> list[str]:
    return [sys.executable, "-m", "obra.services.console", *args]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_power_cut_at_any_moment_changes_nothing_in_the_end(moment: str, repo: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OBRA_HOME": str(home)}
    first = await asyncio.create_subprocess_exec(
        *obra(
            "run", "count to two", "--repo", str(repo), "--task-id", "t1", "--agent", f"scripted:{script}",
            "--llm", "none", "--sandbox", "none", "--check", 'test "$(cat a.txt)" = 12', "--json",
        ),
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    await kill_at(moment, home)
    await first.wait()
    assert processes.left(home) == []

    second = await asyncio.create_subprocess_exec(
        *obra("run", "--resume", "t1", "--json"), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, error = await asyncio.wait_for(second.communicate(), TIMEOUT_S)
    assert second.returncode == 0, error.decode()
    result = json.loads(said)
    assert (result["status"], result["attempts"], result["branch"]) == ("completed", 2, "obra/t1")
    shown = subprocess.run(
        ["git", "show", "obra/t1:a.txt"], cwd=repo, capture_output=True, check=True, env=env, timeout=30
    )
    assert shown.stdout == b"12"
    await no_event_twice(home)
    assert processes.left(home) == []


async def kill_at(moment: str, home: Path) -> None:
    """Follow the stream as any reader would and pull the plug as soon as *moment* is on it."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                async with join(Home(home), Settings(), start=False) as joined:
                    async for raw in joined.bus.follow(0):
                        if raw.envelope and type_of(raw.envelope) == moment:
                            processes.kill_all(home)
                            return
            except Exception:
                await asyncio.sleep(0.01)


async def no_event_twice(home: Path) -> None:
    async with join(Home(home), Settings()) as joined:
        past = (await joined.bus.past(Scope("default", "t1"))).events
    ids = Counter(recorded.envelope.id for recorded in past)
    kinds = Counter(type_of(recorded.envelope) for recorded in past)
    assert max(ids.values()) == 1
    assert (kinds["task.completed"], kinds["task.failed"], kinds["branch.delivered"]) == (1, 0, 1)
    finished = Counter((r.event.attempt, r.event.run) for r in past if type_of(r.envelope) == "attempt.finished")  # type: ignore[attr-defined]
    assert max(finished.values()) == 1
    assert {attempt for attempt, _ in finished} == {1, 2}
