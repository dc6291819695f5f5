"""What happens in each recorded history: a function each, which its docstring tells."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.histories.stage import TIMEOUT_S, Stage
from tests.loopback.ollama import Says, ScriptedOllama

HERE = Path(__file__).parent
CHECK = 'test "$(cat a.txt)" = 12'
ONE: dict[str, Any]
TWO: dict[str, Any]
ONE, TWO = {"write": {"path": "a.txt", "text": "1"}}, {"append": {"path": "a.txt", "text": "2"}}
RIGHT: list[dict[str, Any]] = [
    {"steps": [{"write": {"path": "a.txt", "text": "12"}}, {"say": "done"}], "cost_usd": 0.02}
]
RETRIED = [{"steps": [ONE, {"say": "done"}], "cost_usd": 0.01}, {"steps": [TWO, {"say": "done"}], "cost_usd": 0.01}]
WRONG = [{"steps": [ONE, {"say": "All tests pass."}], "cost_usd": 0.01, "tokens": {"input": 900, "output": 120}}]
ADVICE = {"advice": "Write a 1, then append a 2.", "pitfalls": ["a line's end is a character, too"]}
REVIEW: dict[str, Any] = {"summary": "It was looked at.", "issues": [], "quality": 0.9, "approves": True}
PLAN = f"""
checks = ['{CHECK}']
[[task]]
id = "one"
text = "write 12 into a.txt"
milestone = "core"
[[task]]
id = "two"
text = "write 12 into a.txt once more"
after = ["one"]
milestone = "core"
[[task]]
id = "three"
text = "write 13 into a.txt"
checks = ['test "$(cat a.txt)" = 13']
milestone = "rest"
[[task]]
id = "four"
text = "write 14 into a.txt"
after = ["three"]
milestone = "rest"
"""
HANGS = [{"steps": [ONE, {"hang": True}]}]
CRASHES = [{"steps": [{"exit": 3}]}]


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


def rolled_back(stage: Stage) -> None:
    """Accepted on its second attempt, taken back to before the first decision, accepted again; and the same undone."""
    stage.run(RETRIED, "--check", CHECK)
    stage.start("rollback", "t1", "--to", "attempt:1", "--reason", "wrong turn")
    stage.start("retry", "t1", "--note", "once more")
    stage.start("rollback", "t1", "--to", "attempt:2")
    stage.start("approve", "t1")


def budgeted(stage: Stage) -> None:
    """Money is set aside for each run, until none is left."""
    stage.run(WRONG, "--check", CHECK, "--budget", "0.015")


def held(stage: Stage) -> None:
    """One task at once: the others wait for their turn, for another task, and for their project."""
    stage.env["OBRA_DECISION__TASKS_MAX"] = "1"
    up = stage.start("up", wait=False)
    stage.until("policy.adopted")
    slow = [{"steps": [{"sleep_s": 1.0}, *RIGHT[0]["steps"]]}]
    for more in (["t1"], ["t2", "--after", "t1"], ["t3", "--after", "t9"], ["t6", "--priority", "9"]):
        stage.run(slow, "--check", CHECK, "--detach", "--task-id", *more)
    stage.start("project", "pause", "--reason", "lunch")
    for more in (["t4"], ["t5", "--after", "t4"]):
        stage.run(slow, "--check", CHECK, "--detach", "--task-id", *more)
    stage.start("cancel", "t4")
    stage.start("project", "resume")
    for task in ("t1", "t6", "t2"):
        stage.start("run", "--resume", task)
    up.send_signal(signal.SIGTERM)
    up.wait(TIMEOUT_S)


def goal(stage: Stage) -> None:
    """Four tasks of two milestones in shared sessions; one is never right, so nothing comes of what waits for it."""
    (stage.root / "plan.toml").write_text(PLAN)
    script = stage.root / "script.json"
    script.write_text(json.dumps({"attempts": [{"steps": [*RIGHT[0]["steps"], {"run": "echo more >> b.txt"}]}]}))
    stage.start(
        "goal", "a file with 12", "--goal-id", "t1", "--plan", str(stage.root / "plan.toml"), "--repo",
        str(stage.repo), "--agent", f"scripted:{script}", "--llm", "none", "--sandbox", "none", "--attempts", "1",
    )  # fmt: skip


def reviewed(stage: Stage) -> None:
    """A model advises and reviews: it is not content with the first attempt, and is with the second."""
    said = (ADVICE, REVIEW | {"approves": False, "quality": 0.2}, ADVICE, REVIEW)
    with ScriptedOllama([Says(json.dumps(one)) for one in said]) as ollama:
        stage.env["OBRA_LLM__BASE_URL"] = ollama.url
        stage.run(RETRIED, "--llm", "ollama/qwen2.5-coder:7b", "--check", CHECK)


HISTORIES: tuple[Callable[[Stage], None], ...] = (
    accepted, retried, failed, approved, waiting, cancelled, crashing, interrupted, outage,
    rolled_back, budgeted, held, goal, reviewed,
)  # fmt: skip
