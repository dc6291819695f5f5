"""Records real runs of Obra as histories: `just record`. Needs git; the agents are scripted, everything else is real.

One file a history, raw envelopes with their positions as JSON Lines, below `tests/histories/vVERSION/`, and beside it
what `obra show --json` said of each task. Recorded once for a released version, and never again.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from obra.shared.config import Settings
from obra.shared.embedded.join import join
from obra.shared.envelope import VERSION, type_of
from obra.shared.home import Home

HERE = Path(__file__).parent
OBRA = str(Path(sys.executable).with_name("obra"))
CHECK = 'test "$(cat a.txt)" = 12'
ONE: dict[str, Any]
TWO: dict[str, Any]
ONE, TWO = {"write": {"path": "a.txt", "text": "1"}}, {"append": {"path": "a.txt", "text": "2"}}
RIGHT = [{"steps": [{"write": {"path": "a.txt", "text": "12"}}, {"say": "done"}], "cost_usd": 0.02}]
RETRIED = [{"steps": [ONE, {"say": "done"}], "cost_usd": 0.01}, {"steps": [TWO, {"say": "done"}], "cost_usd": 0.01}]
WRONG = [{"steps": [ONE, {"say": "All tests pass."}], "cost_usd": 0.01, "tokens": {"input": 900, "output": 120}}]
HANGS = [{"steps": [ONE, {"hang": True}]}]
CRASHES = [{"steps": [{"exit": 3}]}]
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


def accepted(stage: Stage) -> None:
    """Right at once."""
    stage.run(RIGHT, "--check", CHECK)


def retried(stage: Stage) -> None:
    """Wrong, then right."""
    stage.run(RETRIED, "--check", CHECK)


def failed(stage: Stage) -> None:
    """Never right, though it says so."""
    stage.run(WRONG, "--check", CHECK, "--attempts", "2")


def approved(stage: Stage) -> None:
    """No check: a person is asked, and approves."""
    stage.run(RIGHT)
    stage.start("approve", "t1")


def waiting(stage: Stage) -> None:
    """No check: a person is asked, and has not answered."""
    stage.run(RIGHT)


def cancelled(stage: Stage) -> None:
    """A person takes it back while the agent works."""
    running = stage.run(HANGS, "--check", CHECK, wait=False)
    stage.until("attempt.started")
    stage.start("cancel", "t1")
    running.wait(TIMEOUT_S)


def crashing(stage: Stage) -> None:
    """The agent itself fails each time."""
    stage.run(CRASHES, "--check", CHECK, "--attempts", "2")


def interrupted(stage: Stage) -> None:
    """The host is killed in the middle of a run, and the task goes on."""
    slow = [{"steps": [ONE, {"sleep_s": 1.5}, TWO, {"say": "done"}], "cost_usd": 0.01}]
    running = stage.run(slow, "--check", CHECK, wait=False)
    stage.until("attempt.started")
    board = json.loads((stage.home / "run" / "nats.json").read_text())
    os.kill(board["host_pid"], 9)
    running.wait(TIMEOUT_S)
    stage.start("run", "--resume", "t1")


def outage(stage: Stage) -> None:
    """The provider is overloaded: what Claude Code said then, word for word, from a stand-in for it."""
    stand_in = stage.root / "claude"
    said = (HERE.parent / "transcripts" / "api_529.jsonl").read_text()
    (stage.root / "said").write_text(said)
    stand_in.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec echo 2.1.330\ncat {stage.root}/said\nexit 1\n')
    stand_in.chmod(0o755)
    stage.env |= {
        "OBRA_AGENT__CLAUDE__PATH": str(stand_in), "OBRA_DECISION__OUTAGES_MAX": "2",
        "OBRA_DECISION__OUTAGE_WAIT_S": "0.05",
    }  # fmt: skip
    stage.run([], "--agent", "claude", "--check", CHECK)


HISTORIES: tuple[Callable[[Stage], None], ...] = (
    accepted, retried, failed, approved, waiting, cancelled, crashing, interrupted, outage,
)  # fmt: skip


def record(play: Callable[[Stage], None], folder: Path) -> None:
    """Play one history and write it below *folder*."""
    with tempfile.TemporaryDirectory(prefix="obra-record-") as root:
        stage = Stage(Path(root))
        play(stage)
        _at_rest(stage)
        lines = _messages(stage)
        story = _story(stage)
    text = "\n".join(lines) + "\n"
    for name in (socket.gethostname(), root):
        text = text.replace(name, "/obra" if name == root else "host")
    (folder / f"{play.__name__}.jsonl").write_text(text)
    (folder / f"{play.__name__}.json").write_text(json.dumps(story, indent=1).replace(root, "/obra") + "\n")


def _at_rest(stage: Stage) -> None:
    until = time.monotonic() + TIMEOUT_S
    while (stage.home / "run" / "unsettled").exists() and time.monotonic() < until:
        time.sleep(0.05)


def _messages(stage: Stage) -> list[str]:
    from obra.shared.store.select import Wanted, local_events  # noqa: PLC0415 - DuckDB

    return [
        json.dumps({"position": raw.position, "subject": raw.subject, "data": raw.data.decode()}, ensure_ascii=False)
        for raw in local_events(Home(stage.home).store, Wanted())
    ]


def _story(stage: Stage) -> Any:
    done = subprocess.run(
        [OBRA, "show", "t1", "--json"],
        cwd=stage.repo,
        env=stage.env,
        capture_output=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    story = json.loads(done.stdout)
    del story["story"]  # words may change
    return story


def main() -> None:
    """Record all histories, or those that are named, of this version."""
    folder = HERE / f"v{VERSION}"
    folder.mkdir(exist_ok=True)
    for play in HISTORIES:
        if len(sys.argv) == 1 or play.__name__ in sys.argv[1:]:
            record(play, folder)
            print(play.__name__)


if __name__ == "__main__":
    main()
