"""The whole of Obra is killed after a rollback was said and before files are put back; the next one makes up for it."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from obra.events import TaskRolledBack, WorkspaceRestored
from obra.events.subjects import Scope
from obra.shared.config import Settings
from obra.shared.embedded.join import join
from obra.shared.home import Home
from tests import processes
from tests.services.console.person import arrived

SCOPE = Scope("default", "t1")
TIMEOUT_S = 60.0
ATTEMPTS: tuple[list[dict[str, Any]], ...] = (
    [{"write": {"path": "a.txt", "text": "1"}}],
    [{"write": {"path": "b.txt", "text": "2"}}],
    [{"write": {"path": "c.txt", "text": "3"}}],
)


async def test_files_that_a_kill_kept_from_being_put_back_are_put_back_by_the_next_runner(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    workspace = person.home / "tasks" / "default" / "t1" / "workspace"
    run = ("run", "count", "--task-id", "t1", "--llm", "none", "--sandbox", "none", "--attempts", "2")
    person.obra(*run, "--agent", person.script(*ATTEMPTS), "--check", "test -f c.txt", code=1)
    assert files(workspace) == ["a.txt", "b.txt"]
    with (workspace.parent / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # so that the runner can't have been quicker than the kill
        rolling = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "obra.services.console", "rollback", "t1", "--to", "attempt:1",
            env=person.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await said(person.home, TaskRolledBack, kill=True)
        await rolling.wait()
    assert processes.left(person.home) == []
    assert files(workspace) == ["a.txt", "b.txt"]

    restored = await said(person.home, WorkspaceRestored)
    assert files(workspace) == ["a.txt"]
    assert person.json("status")["tasks"] == {"rolled_back": 1}

    again = json.loads(person.obra("retry", "t1", "--note", "write c.txt", "--json").stdout)
    assert (again["status"], again["attempts"], again["branch"]) == ("completed", 3, "obra/t1")
    assert person.git("ls-tree", "--name-only", "obra/t1").split() == ["a.txt", "c.txt"]
    told = person.lines("events", "--task", "t1", "--type", "workspace.restored", "--json")
    assert [one["position"] for one in told] == [restored]
    assert processes.left(person.home) == []


def files(workspace: Path) -> list[str]:
    return sorted(name for name in os.listdir(workspace) if name not in (".git", "README.md"))


async def said(home: Path, kind: type[object], *, kill: bool = False) -> int:
    """Return where such an event is in the task's past, as soon as it is; kill everything then, if that is wanted."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                async with join(Home(home), Settings(), start=not kill) as joined:
                    async for raw in joined.bus.follow(0, [SCOPE.everything]):
                        if raw.envelope and isinstance(raw.envelope.event, kind):
                            if kill:
                                processes.kill_all(home)
                            return raw.position
            except Exception:
                if not kill:
                    raise
                await asyncio.sleep(0.01)
