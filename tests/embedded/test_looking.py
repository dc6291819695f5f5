"""Whoever only looks, or only leaves a word, has nobody work: the store catches up, and what was under way stays."""

import json
import time
from pathlib import Path

from obra.shared.home import Home
from tests import processes
from tests.services.console.person import arrived

BEGUN_S = 60.0
NEWEST = "SELECT type FROM event ORDER BY position DESC LIMIT 1"


def test_after_a_crash_a_look_brings_the_store_up_to_date_and_starts_no_agent(tmp_path: Path) -> None:
    person, begun = arrived(tmp_path), tmp_path / "begun"
    agent = person.script([{"run": f"echo x >> {begun}; sleep 300"}])
    wishes = ("--agent", agent, "--check", "true", "--llm", "none", "--sandbox", "none", "--task-id", "t1")
    with person.start("run", "wait", *wishes):
        until = time.monotonic() + BEGUN_S
        while not begun.exists() and time.monotonic() < until:
            time.sleep(0.01)
        processes.kill_all(person.home)
    assert Home(person.home).unsettled.exists()
    (name,) = json.loads(person.obra("sql", NEWEST, "--format", "json").stdout)
    assert name == {"type": "attempt.started"}
    assert not Home(person.home).unsettled.exists()
    assert person.json("show", "t1")["status"] == "running"
    assert person.json("replay", "--check")["ok"]
    person.obra("project", "pause")
    assert person.obra("approve", "t2", code=2).stderr.endswith("did you mean t1?\n")
    assert person.json("cancel", "t1", code=0)["status"] == "cancelled"
    assert person.json("inbox") == {"waiting": []}
    assert person.json("project", "show")["paused"]
    assert begun.read_text() == "x\n"
    assert processes.left(person.home) == []
