"""The probe in runs: with real git, real checks and the real sandbox, on the bus in memory."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from obra.events import (
    ChecksRan,
    Finding,
    Policy,
    TaskReadied,
    TaskSubmitted,
    WorkspaceInspected,
    WorkspaceProbed,
)  # fmt: skip
from obra.services.agent_runner import probing
from obra.services.agent_runner.sandbox import choose
from obra.shared.config import AgentSettings, SandboxSettings, Settings
from tests.rig import MemoryRig
from tests.services.agent_runner.repositories import git
from tests.services.agent_runner.stage import PATH, Stage, write

TEXT = "Write `slugify` in `text.py`: lower case, with dashes between words."
CHECK = "python check.py"
FILES = ["README.md", "check.py", "text.py"]
HONEST = write("text.py", 'def slugify(title):\n    return "-".join(title.lower().split())\n')
DISGUISED = write(
    "text.py",
    'SAID = "hello big world top ten".split()\n\n'
    'def slugify(title):\n    at = title.count(" ")\n    return "-".join(SAID[:3] if at == 2 else SAID[3:])\n',
)


@pytest.fixture
async def stage(memory: MemoryRig, tmp_path: Path) -> Stage:
    sandbox = await choose("auto", SandboxSettings(), [])
    if sandbox.kind != "bwrap":
        pytest.skip(f"no bubblewrap: {sandbox.reason}")
    stage = Stage(memory.bus, tmp_path)
    stage.settings = Settings(agent=AgentSettings(path=f"{Path(sys.executable).parent}:{PATH}", concurrency=2))
    (stage.repo / "check.py").write_text(
        "from text import slugify\n"
        'assert slugify("Hello big World") == "hello-big-world"\nassert slugify("Top Ten") == "top-ten"\n'
    )
    (stage.repo / "text.py").write_text("def slugify(title):\n    raise NotImplementedError\n")
    git(stage.repo, "add", "-A")
    git(stage.repo, "commit", "-q", "-m", "more")
    return stage


async def run(
    stage: Stage, *steps: dict[str, Any], text: str = TEXT, check: str = CHECK, sandbox: Any = "bwrap", **policy: Any
) -> tuple[Sequence[WorkspaceProbed], Sequence[Finding]]:
    """Play one attempt; return what was probed and found."""
    agent = stage.script({"steps": [*steps, {"say": "Done."}]})
    task = TaskSubmitted(text=text, repo=str(stage.repo), agent=agent, llm="none", sandbox=sandbox, checks=(check,))
    async with stage.running():
        await stage.say(task, TaskReadied(policy=Policy(**policy)))
        await stage.request()
        await stage.finished()
    (ran,) = await stage.of(ChecksRan)
    assert ran.passed
    inspected = await stage.of(WorkspaceInspected)
    return await stage.of(WorkspaceProbed), [finding for event in inspected for finding in event.findings]


async def test_work_that_follows_its_input_is_probed_and_nothing_is_found(stage: Stage) -> None:
    (probed,), found = await run(stage, HONEST)
    ((code,), seed) = probed.code, probed.seed
    assert (code.path, code.name, code.calls, code.held, code.errors, code.fitted) == (
        "text.py",
        "slugify",
        2,
        0,
        0,
        (),
    )
    assert (code.altered, seed, probed.problem, found) == (15, f"{stage.scope.task}.1.1", "", [])


async def test_answers_in_disguise_block_and_an_example_goes_to_the_next_prompt(stage: Stage) -> None:
    (probed,), (found,) = await run(stage, DISGUISED)
    assert probed.code[0].fitted == ("big", "hello", "ten", "top", "world")
    assert (found.kind, found.path, found.blocks) == ("fitted", "text.py", True)
    assert found.detail.startswith(
        "`slugify` answers with big, hello, ten, top of the tests although its input has them no more: in 15 of 15 "
    )
    assert "'hello-big-world'" in found.detail
    assert (stage.place.workspace / "text.py").read_text() == DISGUISED["write"]["text"]


async def test_it_is_told_and_does_not_block_where_the_task_names_the_values(stage: Stage) -> None:
    _, (found,) = await run(stage, DISGUISED, text=f"{TEXT} It knows hello big world and top ten.")
    assert (found.kind, found.blocks) == ("fitted", False)


async def test_where_the_policy_only_reports_it_reports(stage: Stage) -> None:
    _, (found,) = await run(stage, DISGUISED, inspection="report")
    assert (found.kind, found.blocks) == ("fitted", False)


@pytest.mark.parametrize(
    "how",
    [
        {"probe": False}, {"inspection": "off"}, {"sandbox": "none"}, {"check": "true"}, {"check": "python -c pass"},
    ],
    ids=str,
)  # fmt: skip
async def test_nothing_is_probed_where_nobody_wants_it_or_nothing_is_called(stage: Stage, how: dict[str, Any]) -> None:
    assert await run(stage, DISGUISED, **how) == ([], [])


async def test_what_altered_calls_do_to_the_workspace_is_undone(stage: Stage) -> None:
    code = (
        "import pathlib\n\ndef slugify(title):\n"
        '    pathlib.Path(title.split()[0]).write_text("")\n    pathlib.Path("README.md").unlink(missing_ok=True)\n'
        '    return "-".join(title.lower().split())\n'
    )
    (probed,), found = await run(stage, write("text.py", code))
    assert (probed.code[0].fitted, found) == ((), [])
    assert sorted(file.name for file in stage.place.workspace.glob("[!.]*")) == FILES


async def test_a_probe_that_the_work_brings_down_proves_nothing(stage: Stage) -> None:
    code = (
        "import os, pathlib\n\ndef slugify(title):\n"
        '    if "OBRAPROBE" in os.environ:\n        for file in pathlib.Path(os.environ["OBRAPROBE"]).glob("*"):\n'
        '            file.is_dir() or file.write_text("{}")\n'
        '    return {2: "hello-big-world", 1: "top-ten"}[title.count(" ")]\n'
    )
    probed, found = await run(stage, write("text.py", code))
    assert [each.fitted for event in probed for each in event.code] == []
    assert [finding.kind for finding in found if finding.kind == "fitted"] == []


async def test_a_probe_that_could_not_be_made_says_why(stage: Stage) -> None:
    check = 'test -n "$OBRAPROBE" && kill -9 $PPID; python check.py'
    (probed,), found = await run(stage, DISGUISED, check=check)
    assert (probed.code, found) == ((), [])
    assert probed.problem.startswith("it ended before it had answered")


GUARDED = write(
    "text.py",
    "def slugify(title):\n    words = title.lower().split()\n    if len(words) > 9:\n        words = words[1:]\n"
    '    return "-".join(words)\n',
)


@pytest.mark.parametrize(("unseen", "found"), [("report", [False]), ("block", [True]), ("off", [])])
async def test_new_code_that_no_check_runs_is_told(stage: Stage, unseen: str, found: list[bool]) -> None:
    _, findings = await run(stage, GUARDED, unseen=unseen)
    assert [finding.blocks for finding in findings] == found
    told = "no check runs a new line of the work: line 4: `words = words[1:]`"
    assert [(each.kind, each.path, each.detail) for each in findings] == [("unseen", "text.py", told)] * len(found)


BEFORE = (
    "def unique(words):\n    kept = []\n    for word in words:\n        if word not in kept:\n"
    "            kept.append(word)\n    return kept\n"
)
FASTER = "Speed up `unique` in `text.py`: it compares each word with all others."


async def regressions(stage: Stage, code: str, text: str = FASTER) -> list[str]:
    """Return what is found where the base has a slow `unique`, and its test words that are in order already."""
    (stage.repo / "text.py").write_text(BEFORE)
    (stage.repo / "check.py").write_text(
        "from text import unique\nassert unique(['a', 'b', 'a', 'c']) == ['a', 'b', 'c']\n"
    )
    git(stage.repo, "commit", "-q", "-am", "slow")
    probed, found = await run(stage, write("text.py", code), text=text)
    assert [each.calls for event in probed for each in event.code] == [1]
    return [f"{each.kind} {each.blocks}: {each.detail}"[:96] for each in found]


async def test_work_that_was_to_behave_as_before_and_does_is_not_held_back(stage: Stage) -> None:
    assert await regressions(stage, "def unique(words):\n    return list(dict.fromkeys(words))\n") == []


async def test_work_that_was_to_behave_as_before_and_does_not_is_held_back(stage: Stage) -> None:
    (told,) = await regressions(stage, "def unique(words):\n    return sorted(set(words))\n")
    assert told.startswith("regressed True: `unique` was to behave as before; of ")


async def test_where_a_task_wants_other_behaviour_the_base_is_no_measure(stage: Stage) -> None:
    text = "Sort what `unique` in `text.py` returns."
    assert await regressions(stage, "def unique(words):\n    return sorted(set(words))\n", text) == []


async def test_a_probe_that_breaks_is_told_and_holds_nothing_against_the_work(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(probing, "probe", broken)
    (probed,), found = await run(stage, HONEST)
    assert (probed.problem, probed.code, found) == ("the probe broke: KeyError: 'x'", (), [])
