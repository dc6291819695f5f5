"""`obra report`: the night on one screen."""

from pathlib import Path
from typing import Any

import pytest

from obra.services.console.render.report import told
from tests import processes
from tests.services.console.person import arrived

NIGHT: dict[str, Any] = {
    "since": "2026-01-30T20:00:00+00:00", "until": "2026-01-31T08:00:00+00:00", "project": None, "running": False,
    "spent": {"runs": 9, "cost_usd": 4.5, "tokens_input": 45_000, "tokens_output": 6_300, "agent_ms": 5_400_000.0},
    "ended": [
        {"project": "shop", "task": "t1", "status": "completed", "attempts": 1, "branch": "obra/t1", "repo": "/r",
         "cost_usd": 1.0, "reasons": [], "text": "Add a page", "ended_at": "2026-01-31T01:00:00+00:00"},
        {"project": "shop", "task": "t2", "status": "completed", "attempts": 1, "branch": "obra/t2", "repo": "/r",
         "cost_usd": 1.0, "reasons": [], "text": "Add a form", "ended_at": "2026-01-31T02:00:00+00:00"},
        {"project": "shop", "task": "t3", "status": "failed", "attempts": 3, "branch": "", "repo": "/r",
         "cost_usd": 1.5, "reasons": ["check `pytest` exited 1", "all 3 attempts are used up"], "text": "Mend it",
         "ended_at": "2026-01-31T03:00:00+00:00"},
    ],
    "open": {"queued": 2, "waiting": 1},
    "waiting": [{"id": "1", "project": "shop", "task": "t4", "name": "q1", "severity": "warning", "since": "",
                 "reasons": ["the agent asked"], "question": "JSON or CSV?", "text": "Write it out"}],
    "paused": [{"project": "shop", "reason": "the key is no good", "queued": 2}],
    "outages": {"waits": 2, "tasks": 1, "reason": "the provider was away"},
    "lacking": [{"what": "runner: bwrap", "reason": "there is no bubblewrap", "times": 2, "task": "t1"}],
    "merges": [
        {"repo": "/r", "branch": "obra/t1", "state": "clean", "files": [], "other": "", "reason": ""},
        {"repo": "/r", "branch": "obra/t2", "state": "conflict", "files": ["page.html"], "other": "obra/t1",
         "reason": ""},
    ],
}  # fmt: skip


def test_the_night_is_told_from_the_most_urgent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    headline, *rest = told(NIGHT, "shop")
    assert headline.endswith(", 12 h 0 min: 2 accepted, 1 not accepted")
    assert rest == [
        "$4.50 spent, $1.50 of it in vain; 45,000 tokens in, 6,300 out; 9 runs, 1 h 30 min of agents' work",
        "", "1 thing waiting for you:", "  t4  question, warning: JSON or CSV?",
        "", "project shop is paused, 2 tasks waiting in it: the key is no good",
        "  `obra project resume shop` lets it go on",
        "", "not accepted, by reason:", "    1  check `pytest` exited 1  ($1.50)", "       t3",
        "", "accepted work in /r: 1 to merge, 1 in conflict",
        "  obra/t2 conflicts with obra/t1 in page.html", "  obra/t1  Add a page",
        "", "not over: 2 queued, 1 waiting; Obra does not run: `obra up` goes on with them",
        "", "the provider was waited for 2 times, by 1 task; the last time: the provider was away",
        "", "lacking:", "  runner: bwrap: there is no bubblewrap (2 times, the last one t1)",
        "", "next:", "  obra inbox", "  obra project resume shop", "  git -C /r merge obra/t1", "  obra show t3",
    ]  # fmt: skip


@pytest.mark.bus
def test_a_real_night_says_what_it_cost_what_failed_and_what_can_be_merged(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    assert "no task ended\nno agent has worked\n" in person.obra("report").stdout

    def run(task: str, text: str, check: str, code: int = 0) -> None:
        agent = person.script([{"write": {"path": "b.txt", "text": text}}])
        options = ("--check", check, "--llm", "none", "--attempts", "1", "--sandbox", "none", "--task-id", task)
        person.obra("run", "write b", "--agent", agent, *options, code=code)

    with person.up():
        run("t1", "one\n", "test -f b.txt")
        run("t2", "two\n", "test -f b.txt")
        run("t3", "two\n", "test -f c.txt", code=1)
        there = person.json("report")
    found = person.json("report", "--since", "1")
    assert (there["running"], found["running"]) == (True, False)
    assert there["merges"] == found["merges"] == [
        {"repo": str(person.repo), "branch": "obra/t1", "state": "clean", "files": [], "other": "", "reason": ""},
        {"repo": str(person.repo), "branch": "obra/t2", "state": "conflict", "files": ["b.txt"], "other": "obra/t1",
         "reason": ""},
    ]  # fmt: skip
    assert [(task["task"], task["status"]) for task in found["ended"]] == [
        ("t1", "completed"), ("t2", "completed"), ("t3", "failed")
    ]  # fmt: skip
    assert (found["spent"]["runs"], found["open"], found["waiting"]) == (3, {}, [])
    assert person.json("report", "--project", "it's another")["ended"] == []
    assert processes.left(person.home) == []
