"""`obra whatif` on what really happened."""

from pathlib import Path

import pytest

from tests.services.console.person import arrived

pytestmark = pytest.mark.bus


def test_another_policy_decides_what_happened_again(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    agent = person.script([{"say": "Done."}], [{"write": {"path": "b.txt", "text": "b\n"}}])
    person.obra("run", "add b", "--agent", agent, "--check", "test -f b.txt", "--llm", "none", "--task-id", "t1")
    same = person.json("whatif", "--set", "decision.accept_confidence=0.9")
    assert (same["tasks"], same["unrepeatable"], same["divergences"]) == (1, [], [])
    stricter = person.json("whatif", "--set", "decision.accept_confidence=0.99")
    assert stricter["candidates"][0] == {
        "set": {"decision.accept_confidence": 0.99}, "tasks_changed": 1,
        "changes": [{"was": "proceed", "would_be": "retry", "tasks": 1}], "attempts_saved": 0, "cost_saved_usd": 0.0,
        "attempts_added_at_least": 1, "accepts_of_unknown_truth": 0, "false_accepts": 0, "false_escalations": 0,
    }  # fmt: skip
    with person.up():
        told = person.obra(
            "whatif", "--grid", "decision.accept_confidence=0.8,0.99", "--grid", "decision.turns_max=5,9"
        )
        assert "1 task decided again, 0 of them with ground truth" in told.stdout
        assert "accept_confidence=0.99 turns_max=9" in told.stdout
    later = person.json("whatif", "--set", "decision.accept_confidence=0.99", "--since", "1000")
    assert later["tasks"] == 0
    wrong = person.obra("whatif", "--set", "decision.nonsense=1", code=2)
    assert "a policy has no 'nonsense'" in wrong.stderr
    assert "say what to change" in person.obra("whatif", code=2).stderr


def test_a_canary_decides_beside_and_changes_nothing(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    agent = person.script([{"write": {"path": "b.txt", "text": "b\n"}}])
    work = ("--agent", agent, "--check", "test -f b.txt", "--llm", "none")
    assert "no candidate shadows anything" in person.obra("canary").stdout
    person.obra("canary", "start", "--set", "decision.accept_confidence=0.99")
    result = person.json("run", "add b", *work, "--task-id", "t1")
    assert (result["status"], result["attempts"]) == ("completed", 1)
    found = person.json("canary")
    assert (found["active"], found["policy"]) == (True, {"accept_confidence": 0.99})
    assert found["decisions"] == [
        {"was": "proceed", "would_be": "retry", "decisions": 1, "tasks": 1, "good": 0, "bad": 0}
    ]
    assert "confidence 0.95 is below 0.99" in person.obra("canary").stdout
    person.obra("canary", "stop")
    person.obra("run", "add b", *work, "--task-id", "t2")
    assert person.json("canary")["decisions"] == found["decisions"]
    assert person.json("canary")["active"] is False
    assert "must differ" in person.obra("canary", "start", "--set", "decision.accept_confidence=0.85", code=2).stderr
