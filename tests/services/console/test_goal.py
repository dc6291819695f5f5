"""Goals, projects and waiting tasks as people meet them: real processes, a real server, a scripted agent."""

import json
from pathlib import Path
from typing import Any

import pytest

from obra.shared.errors import BadUsage
from obra.shared.goals import BadPlan, read_plan
from tests.loopback.ollama import Says, ScriptedOllama
from tests.services.console.person import Person, arrived
from tests.services.test_supervisor_llm_plan import STEP

pytestmark = pytest.mark.bus

WORK: list[dict[str, Any]] = [
    {"run": 'echo "$(ls)" > "$(basename "$(git symbolic-ref HEAD)").seen"'}, {"say": "Done."},
]  # fmt: skip
PLAN = """
goal = "three things"
checks = ["true"]
[[task]]
id = "a"
text = "make a"
milestone = "base"
[[task]]
id = "b"
text = "make b"
milestone = "base"
[[task]]
id = "c"
text = "make c of both"
after = ["a", "b"]
acceptance = ["c is there"]
"""


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return arrived(tmp_path)


def test_a_plan_from_a_file_is_carried_out_each_task_from_the_work_of_those_before(person: Person) -> None:
    (person.root / "plan.toml").write_text(PLAN)
    wishes = ("--plan", str(person.root / "plan.toml"), "--agent", person.script(WORK), "--llm", "none")
    result = person.json("goal", *wishes, "--goal-id", "g")
    assert {key: result[key] for key in ("goal", "status", "milestones", "branches", "reasons")} == {
        "goal": "g", "status": "completed", "milestones": ["base"], "branches": ["obra/g-3"], "reasons": [],
    }  # fmt: skip
    assert [(task["task"], task["status"]) for task in result["tasks"]] == [
        ("g-1", "completed"), ("g-2", "completed"), ("g-3", "completed"),
    ]  # fmt: skip
    assert {"g-1.seen", "g-2.seen", "g-3.seen"} <= set(person.git("ls-tree", "--name-only", "obra/g-3").split())
    assert person.git("show", "obra/g-3:g-3.seen").split()[-2:] == ["g-1.seen", "g-2.seen"]
    assert "Reached: three things" in person.obra("goal", "show", "g").stdout
    assert person.obra("show", "g").stdout.endswith("`obra goal show g` tells how its tasks stand\n")
    assert person.obra("run", "--resume", "g", code=2).stderr.startswith("obra: 'g' is a goal: `obra goal --resume g` ")
    for name in ("g-1", "nope"):
        said = f"obra: There is no goal '{name}' in project 'default'; `obra goal list` names those there are.\n"
        assert person.obra("goal", "show", name, code=2).stderr == said
    assert [row["task"] for row in person.json("milestone", "show", "base")] == ["g-1", "g-2"]
    [project] = person.json("project", "list")
    assert (project["project"], project["tasks"], project["completed"]) == ("default", 3, 3)


def test_a_goal_waits_at_its_milestone_over_restarts_until_a_person_has_approved_it(person: Person) -> None:
    (person.root / "plan.toml").write_text(PLAN)
    wishes = ("--plan", str(person.root / "plan.toml"), "--agent", person.script(WORK), "--llm", "none")
    mine = _With(person.root, person.environment | {"OBRA_DECISION__BREAKPOINTS__MILESTONE": "true"})
    held = mine.obra("goal", *wishes, "--goal-id", "g", code=3)
    assert "obra approve g                  let the goal go on" in held.stdout
    assert "g-1:  │ Done." in held.stdout, "what agents say is shown, each behind its task"
    [item] = mine.json("inbox")["waiting"]
    assert (item["task"], item["name"], item["severity"]) == ("g", "milestone", "notice")
    assert [row["status"] for row in mine.json("goal", "show", "g")["tasks"]] == ["completed", "completed", "queued"]
    assert mine.json("goal", "--resume", "g", code=3)["status"] == "waiting"
    assert mine.json("approve", "g")["status"] == "completed"
    assert mine.json("inbox")["waiting"] == []
    refused = mine.json("goal", *wishes, "--goal-id", "h", code=3)
    assert refused["milestones"] == ["base"]
    ended = mine.json("reject", "h", "--note", "wrong way", code=1)
    assert (ended["status"], [task["status"] for task in ended["tasks"]]) == (
        "failed", ["completed", "completed", "cancelled"],
    )  # fmt: skip


def test_a_goal_is_drafted_by_the_model_reviewed_by_a_person_and_reached(person: Person) -> None:
    draft = {"tasks": [STEP | {"text": "make it", "checks": ["true"], "after": []}]}
    with ScriptedOllama([Says(json.dumps({"tasks": []})), Says(json.dumps(draft))]) as server:
        environment = person.environment | {"OBRA_LLM__BASE_URL": server.url}
        mine = _With(person.root, environment)
        held = mine.json(
            "goal", "a shop", "--agent", mine.script(WORK), "--llm", "ollama/qwen2.5-coder:7b", "--review",
            "--goal-id", "shop", code=3,
        )  # fmt: skip
        assert held["reasons"] == ["the plan waits for your word", "shop-1: make it"]
        assert "waiting" in mine.obra("status").stdout
        reached = mine.json("approve", "shop")
    assert (reached["goal"], reached["status"], reached["branches"]) == ("shop", "completed", ["obra/shop-1"])


def test_a_goal_without_a_plan_waits_for_one_and_takes_it(person: Person) -> None:
    held = person.obra("goal", "a shop", "--agent", person.script(WORK), "--llm", "none", "--goal-id", "g", code=3)
    assert "there is no LLM to draft a plan; give a plan with `obra goal edit GOAL --plan FILE`" in held.stdout
    (person.root / "plan.toml").write_text(PLAN)
    assert person.json("goal", "edit", "g", "--plan", str(person.root / "plan.toml"))["status"] == "completed"
    refused = person.obra("goal", "edit", "g", "--plan", str(person.root / "plan.toml"), code=2)
    assert "Goal 'g' takes no plan any more: it is completed." in refused.stderr


def test_a_goal_with_a_task_that_fails_is_not_reached_and_what_waited_is_not_begun(person: Person) -> None:
    (person.root / "plan.toml").write_text(PLAN.replace('text = "make b"', 'text = "make b"\nchecks = ["false"]'))
    wishes = ("--plan", str(person.root / "plan.toml"), "--agent", person.script(WORK), "--llm", "none")
    result = person.json("goal", *wishes, "--goal-id", "g", "--attempts", "1", code=1)
    assert (result["status"], result["branches"], result["milestones"]) == ("failed", ["obra/g-1"], [])
    assert [task["status"] for task in result["tasks"]] == ["completed", "failed", "failed"]
    assert [reason.split(":")[0] for reason in result["reasons"]] == ["g-2 failed", "g-3 was not begun"]


def test_a_task_in_a_paused_project_waits_and_says_why(person: Person) -> None:
    with person.up():
        person.obra("project", "pause", "--reason", "release")
        wishes = ("--agent", person.script(WORK), "--llm", "none", "--check", "true")
        person.obra("task", "create", "make a", *wishes, "--task-id", "a", "--priority", "9")
        [row] = person.json("task", "list")
        assert (row["task"], row["status"], row["priority"]) == ("a", "queued", 9)
        assert row["reasons"] == ["project default is paused (release); `obra project resume default` lets it start"]
        assert "paused: release" in person.obra("project", "show").stdout
        person.obra("project", "resume")
        assert person.json("run", "--resume", "a")["status"] == "completed"
        after = person.json("run", "make b", *wishes, "--after", "a", "--task-id", "b")
        assert after["status"] == "completed"
        late = person.obra("run", "make c", *wishes, "--deadline", "2020-01-01", code=2)
        assert "--deadline '2020-01-01' has passed already" in late.stderr
        lost = person.obra("run", "make d", *wishes, "--after", "nobody", code=1)
        assert "it waits for nobody, and project default has no such task" in lost.stdout


class _With(Person):
    """A person whose environment says something more."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        super().__init__(root)
        object.__setattr__(self, "_environment", environment)

    @property
    def environment(self) -> dict[str, str]:
        return self._environment  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[task]]\nid = 'a'", "Object missing required field `text`"),
        ("[[task]]\nid = 'a'\ntext = 'x'\nwhen = 'now'", "Object contains unknown field `when`"),
        ("[[task]]\nid = 'a'\ntext = 'x'\npriority = 11", "Expected `int` <= 10"),
        ("task = 3", "Expected `object`, got `int`"),
        ("task = [", "is no TOML"),
        ('goal = "all"', r"length >= 1 - at `\$\.task`; a plan has"),
    ],
)
def test_a_plan_file_that_is_none_says_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(BadPlan, match=problem):
        read_plan(tmp_path / "plan.toml")
    with pytest.raises(BadUsage, match="can't be read"):
        read_plan(tmp_path / "none.toml")
