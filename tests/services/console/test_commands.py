"""The commands as people and programs call them: real processes, a real server, a scripted agent."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.services.console.person import OBRA, TIMEOUT_S, Person, arrived

pytestmark = pytest.mark.bus

WRITE: list[dict[str, Any]] = [{"write": {"path": "b.txt", "text": "b\n"}}, {"say": "Done."}]
CHECK = ("--check", "test -f b.txt", "--llm", "none")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return arrived(tmp_path)


def test_a_run_prints_one_object_and_leaves_a_branch(person: Person) -> None:
    done = person.obra("run", "add b", "--agent", person.script(WRITE), *CHECK, "--task-id", "t1", "--json")
    result = json.loads(done.stdout)
    commit, position = result.pop("commit"), result.pop("position")
    quality, confidence, reasons = (result.pop(name) for name in ("quality", "confidence", "reasons"))
    assert result == {
        "task": "t1", "project": "default", "status": "completed", "decision": "proceed", "attempts": 1,
        "checks": [{"command": "test -f b.txt", "exit_code": 0}], "branch": "obra/t1", "cost_usd": 0.0,
        "tokens": {"input": 0, "output": 0, "cache_read": 0, "cache_write": 0},
    }  # fmt: skip
    assert (quality, 0.85 <= confidence <= 1, bool(reasons), position > 5) == (1.0, True, True, True)
    assert person.git("rev-parse", "obra/t1").strip() == commit
    assert person.git("show", "--format=", "--name-only", "obra/t1") == "b.txt\n"
    assert person.git("status", "--porcelain") == ""
    assert "accepted: attempt 1 is branch obra/t1" in done.stderr


def test_a_finished_task_is_resumed_to_the_same_result(person: Person) -> None:
    first = person.json("run", "add b", "--agent", person.script(WRITE), *CHECK, "--task-id", "t1")
    told = person.obra("run", "--resume", "t1", "--attempts", "9", "--check", "true", "--json").stderr
    assert told == "note: with --resume the task stays as it was submitted: --check, --attempts ignored\n"
    again = person.json("run", "--resume", "t1")
    assert again | {"position": 0} == first | {"position": 0}
    person.obra("run", "--resume", "t", code=2)


def test_work_that_fails_its_checks_ends_with_exit_code_1(person: Person) -> None:
    agent = person.script([{"say": "all 86 tests pass"}])
    result = person.json("run", "add b", "--agent", agent, *CHECK, "--attempts", "2", code=1)
    assert (result["status"], result["attempts"], result["branch"]) == ("failed", 2, "")
    assert result["reasons"]


def test_a_task_without_checks_waits_for_a_person_who_may_approve_once(person: Person) -> None:
    agent = person.script(WRITE)
    waiting = person.json("run", "add b", "--agent", agent, "--llm", "none", "--task-id", "t1", code=3)
    assert waiting["status"] == "waiting"
    approved = person.json("approve", "t1", "--note", "looks right")
    assert (approved["status"], approved["branch"]) == ("completed", "obra/t1")
    again = person.obra("approve", "t1", code=2).stderr
    assert again.startswith("obra: 't1' is already resolved: it was approved by ")


def test_a_person_may_reject_or_ask_for_another_attempt(person: Person) -> None:
    agent = person.script(WRITE)
    person.obra("run", "add b", "--agent", agent, "--llm", "none", "--task-id", "t1", code=3)
    assert person.json("retry", "t1", "--note", "use capital letters", code=3)["attempts"] == 2
    assert person.json("reject", "t1", code=1)["status"] == "failed"


def test_an_id_is_used_once(person: Person) -> None:
    agent = person.script(WRITE)
    person.obra("run", "add b", "--agent", agent, *CHECK, "--task-id", "t1")
    assert "exists already" in person.obra("run", "more", "--agent", agent, "--task-id", "t1", code=2).stderr


def test_a_follower_that_starts_first_misses_nothing(person: Person) -> None:
    with person.start("events", "--follow", "--json", "--task", "t1") as follower:
        person.obra("run", "add b", "--agent", person.script(WRITE), *CHECK, "--task-id", "t1")
        assert follower.stdout
        seen = []
        for line in follower.stdout:
            seen.append(json.loads(line))
            if seen[-1]["type"] == "session.closed":
                break
        told = person.lines("events", "--json", "--task", "t1")
        follower.send_signal(signal.SIGINT)
        assert (follower.wait(TIMEOUT_S), follower.stderr and follower.stderr.read()) == (0, "")
    assert seen == told
    assert told[0]["type"] == "task.submitted"


def test_a_follower_may_begin_in_the_past_and_end(person: Person) -> None:
    wanted = ("--type", "attempt.*", "--type", "attempt.started", "--type", "task.completed")
    with person.up():
        person.obra("run", "add b", "--agent", person.script(WRITE), *CHECK, "--task-id", "t1")
        told = [(e["position"], e["type"]) for e in person.lines("events", "--json", *wanted)]
        last = str(told[-1][0])
        with person.start("events", "--follow", "--json", "--since", "1", *wanted) as follower:
            assert follower.stdout
            seen = [json.loads(follower.stdout.readline()) for _ in told]
        only = person.lines("events", "--json", "--since", last, "--until", last)
    assert [(e["position"], e["type"]) for e in seen] == told
    assert (told[-1][1], [e["position"] for e in only]) == ("task.completed", [int(last)])


def test_ctrl_c_keeps_the_task_and_cancel_takes_it_back(person: Person) -> None:
    agent = person.script([{"say": "thinking"}, {"hang": True}])
    with person.start("run", "add b", "--agent", agent, *CHECK, "--task-id", "t1") as run:
        assert run.stdout
        assert any("thinking" in line for line in run.stdout)
        run.send_signal(signal.SIGINT)
        assert run.wait(TIMEOUT_S) == 130
        assert run.stderr
        assert "`obra run --resume t1` goes on with it" in run.stderr.read()
    assert person.json("cancel", "t1", "--reason", "enough")["status"] == "cancelled"
    assert person.obra("cancel", "t1", code=2).stderr == "obra: Task 't1' is over already: it is cancelled.\n"
    assert person.json("run", "--resume", "t1", code=1)["reasons"] == ["enough"]


def test_when_obra_is_killed_the_command_says_so_and_the_task_can_be_resumed(person: Person) -> None:
    slow_once = [
        {"run": "echo x >> ~/runs"}, {"say": "thinking"}, {"run": "test $(wc -l < ~/runs) -gt 1 || sleep 300"}, *WRITE
    ]  # fmt: skip
    with person.start("run", "add b", "--agent", person.script(slow_once), *CHECK, "--task-id", "t1") as run:
        assert run.stdout
        assert any("thinking" in line for line in run.stdout)
        os.kill(json.loads((person.home / "run" / "nats.json").read_text())["host_pid"], signal.SIGKILL)
        assert run.wait(TIMEOUT_S) == 4
        assert run.stderr
        assert "the task is kept: `obra run --resume t1` goes on with it" in run.stderr.read()
    result = person.json("run", "--resume", "t1")
    assert (result["status"], result["attempts"], result["branch"]) == ("completed", 1, "obra/t1")


def test_a_reader_that_goes_away_is_no_error(person: Person) -> None:
    with person.up():
        person.obra("run", "add b", "--agent", person.script(WRITE), *CHECK)
        with person.start("events") as events:
            assert events.stdout
            events.stdout.readline()
            events.stdout.close()
            assert (events.wait(TIMEOUT_S), events.stderr and events.stderr.read()) == (0, "")


def test_detached_work_is_done_by_whatever_keeps_obra_running(person: Person) -> None:
    asked = ("run", "add b", "--agent", person.script(WRITE), *CHECK, "--task-id", "t1", "--detach")
    assert person.obra(*asked, code=4).stderr == f"obra: No Obra runs on {person.home}: start one with `obra up`.\n"
    with person.start("up") as up:
        assert up.stdout
        assert up.stdout.readline().startswith(f"Obra runs on {person.home} (nats://127.0.0.1:")
        assert person.json(*asked)["status"] in ("submitted", "ready", "running", "checking", "reviewing", "completed")
        assert person.json("run", "--resume", "t1")["status"] == "completed"
        status = person.json("status")
        assert (status["running"], status["tasks"], len(status["services"])) == (True, {"completed": 1}, 7)
        up.send_signal(signal.SIGINT)
        assert up.wait(TIMEOUT_S) == 0
    assert person.json("status")["running"] is False


def test_sql_sees_all_that_had_happened_while_obra_runs_and_after(person: Person) -> None:
    query = ("sql", "SELECT task, status FROM task", "--format", "csv")
    with person.up():
        person.obra("run", "add b", "--agent", person.script(WRITE), *CHECK, "--task-id", "t1")
        assert person.obra(*query).stdout == "task,status\nt1,completed\n"
    assert person.obra(*query).stdout == "task,status\nt1,completed\n"


def test_a_service_alone_needs_something_to_talk_to(person: Person) -> None:
    assert (
        person.obra("service", "planner", code=4).stderr
        == f"obra: No Obra runs on {person.home}: start one with `obra up`.\n"
    )
    assert "there is no service 'plumber'" in person.obra("service", "plumber", code=2).stderr


def test_the_doctor_finds_this_machine_well(person: Person) -> None:
    found = {finding["name"]: finding["state"] for finding in person.json("doctor")["findings"]}
    assert list(found) == ["python", "git", "nats-server", "bubblewrap", "claude", "ollama", "home", "host"]
    assert {found[name] for name in ("python", "git", "nats-server", "home", "host")} == {"ok"}
    assert found["ollama"] == "limited"


def test_the_demonstration_ends_well_and_says_what_to_try(person: Person) -> None:
    shown = person.obra("demo").stdout
    for sentence in (
        "This is not: the agent's brain.",
        "check `python -m pytest -q` failed (exit 5",
        "check `python -m sales.summary orders.csv` failed (exit 1",
        "prompt 2 says: The check `python -m pytest -q`",
        "check `python -m pytest -q` passed",
        "Accepted: Add a summary of an order list",
    ):
        assert sentence in shown
    hints = shown.split("Try next:\n")[1].strip().splitlines()
    assert len(hints) == 3
    for hint in hints:
        command = hint.strip().replace("obra ", f"{OBRA[0]} ", 1) if hint.strip().startswith("obra") else hint
        subprocess.run(["bash", "-c", command], env=person.environment, check=True, capture_output=True, timeout=60)
    assert not [path for path in (person.root / "home").rglob("*") if path.is_file()]
