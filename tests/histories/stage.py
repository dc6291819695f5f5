"""A repository and a home in which a history is played for real: everything is real but the agent's brain."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from obra.shared.config import Settings
from obra.shared.embedded.join import join
from obra.shared.envelope import type_of
from obra.shared.home import Home

OBRA = str(Path(sys.executable).with_name("obra"))
TIMEOUT_S = 120


class Stage:
    """A repository and a home of one history."""

    def __init__(self, root: Path) -> None:
        """Make the repository."""
        self.root, self.repo, self.home = root, root / "repo", root / "home"
        self.repo.mkdir(parents=True)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(root), "OBRA_HOME": str(self.home), "LC_ALL": "C.UTF-8",
            "OBRA_LLM__BASE_URL": "http://127.0.0.1:9", "USER": "ada", "LOGNAME": "ada",
        }  # fmt: skip
        (self.repo / "README.md").write_text("sample\n")
        for args in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
            git = ["git", "-c", "user.name=ada", "-c", "user.email=ada@localhost", *args]
            subprocess.run(git, cwd=self.repo, env=self.env, check=True, timeout=TIMEOUT_S)

    def run(self, attempts: list[dict[str, Any]], *more: str, wait: bool = True) -> subprocess.Popen[bytes]:
        """Run a task `t1` with a scripted agent."""
        script = self.root / "script.json"
        script.write_text(json.dumps({"attempts": attempts}))
        argv = ["run", "write 12 into a.txt", "--repo", str(self.repo), "--agent", f"scripted:{script}"]
        return self.start(*argv, "--llm", "none", "--sandbox", "none", "--task-id", "t1", *more, wait=wait)

    def start(self, *args: str, wait: bool = True) -> subprocess.Popen[bytes]:
        """Run a command of Obra, to its end if *wait*."""
        process = subprocess.Popen(
            [OBRA, *args], cwd=self.repo, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if wait:
            process.wait(TIMEOUT_S)
        return process

    def until(self, kind: str) -> None:
        """Wait until an event of this type is on the stream."""

        async def seen() -> None:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    with contextlib.suppress(Exception):  # it is starting
                        async with join(Home(self.home), Settings(), start=False) as joined:
                            async for raw in joined.bus.follow(0):
                                if raw.envelope and type_of(raw.envelope) == kind:
                                    return
                    await asyncio.sleep(0.02)

        asyncio.run(seen())
