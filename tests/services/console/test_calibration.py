"""Ground truth on the command line: hidden checks, labels, reverts, and the measures of them."""

from pathlib import Path
from typing import Any

from obra.services.console.commands.calibration import told
from obra.services.console.render.plot import reliability
from obra.services.console.render.summary import obra_command
from tests.services.console.person import Person, arrived

WRITE: list[dict[str, Any]] = [{"write": {"path": "b.txt", "text": "b\n"}}, {"say": "Created b.txt."}]
EMPTY = {
    "labelled": 0, "good": 0, "brier": 0.0, "brier_raw": 0.0, "calibration_error": 0.0, "false_accepts": 0,
    "false_escalations": 0, "false_refusals": 0, "accepted": 0, "escalated": 0,
}  # fmt: skip


def test_work_is_labelled_by_hidden_checks_a_person_and_a_revert(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    task = ("run", "add b", "--agent", person.script(WRITE), "--check", "test -f b.txt", "--sandbox", "none")
    with person.up():
        person.obra(*task, "--task-id", "t1", "--hidden-check", "grep -q b b.txt", "--json")
        done = person.obra(*task, "--task-id", "t2", "--hidden-check", "grep -q c b.txt")
        assert "labelled bad by hidden checks" in done.stdout
        for accepted in ("t1", _unscored(person)):
            person.git("merge", "-q", "--no-ff", "-m", "merge", f"obra/{accepted}")
            person.git("revert", "--no-edit", "-m", "1", "HEAD")
        assert person.json("calibration")["sources"] == {"hidden_check": 2}
        found = person.json("calibration", "--scan")
        assert [each["task"] for each in found["reverted"]] == ["t1"]
        assert (found["labelled"], found["good"], found["false_accepts"], found["accepted"]) == (2, 0, 2, 2)
        assert found["sources"] == {"hidden_check": 1, "reverted": 1}
        assert person.json("calibration", "--scan")["reverted"] == []
        said = person.json("label", "t1", "good", "--note", "it was right, after all")
        assert said == {"task": "t1", "attempt": 1, "good": True, "position": said["position"]}
        assert person.json("calibration")["good"] == 1
        assert "no attempt 7" in person.obra("label", "t1", "bad", "--attempt", "7", code=2).stderr
        assert "no task 'nope'" in person.obra("label", "nope", "bad", code=2).stderr
    shown = person.obra("calibration", "--plot").stdout
    assert "2 labelled attempts, 1 good (1 by hidden_check, 1 by person)" in shown
    assert "false accepts 1 of 2" in shown
    assert "no map is fitted before 30 outcomes" in shown
    assert "100 % good" in shown


def _unscored(person: Person) -> str:
    """Have work accepted by a person's word that was never scored, since its run came to no end of its own."""
    steps = [*WRITE, {"write": {"path": "c.txt", "text": "c\n"}}, {"run": "rm -rf ~/nothing"}, {"ending": "max_turns"}]
    task = ("run", "add c", "--agent", person.script(steps), "--check", "true", "--sandbox", "none", "--task-id", "t3")
    person.obra(*task, code=3)
    person.obra("approve", "t3")
    return "t3"


def test_without_labels_it_says_how_to_get_some() -> None:
    found = {**EMPTY, "sources": {}, "by": {}, "bins": [], "map": {}, "outcomes_min": 30, "reverted": []}
    assert list(told(found, plot=True)) == [
        f"no attempt is labelled yet: `{obra_command()} label TASK good|bad`, or `run --hidden-check CMD`"
    ]


def test_a_diagram_shows_how_sure_and_how_often_right() -> None:
    drawn = list(reliability([{"low": 0.9, "high": 1.0, "count": 12, "confidence": 0.95, "good": 0.5}]))
    assert drawn[1] == f"0.9 to 1.0         12  {'#' * 20}{'.' * 18}|..  50% of 95%"
