"""Hidden checks: run once the task is over, told to nobody who did the work, and then they are a label."""

from pathlib import Path
from typing import Any

import psutil
import pytest

from obra.events import Content, ServiceDegraded, SessionClosed, TaskCompleted, TaskLabelled, WorkspaceCheckpointed
from obra.shared.envelope import answer, fresh
from tests.rig import MemoryRig
from tests.services.agent_runner.stage import Stage, write


@pytest.fixture
def stage(memory: MemoryRig, tmp_path: Path) -> Stage:
    return Stage(memory.bus, tmp_path)


async def accepted(stage: Stage, *hidden: str, **more: Any) -> None:
    """Have an attempt made, and say that it was accepted."""
    agent = stage.script({"steps": [write("hello.txt", "hello\n"), {"run": "env; ls -a"}, {"say": "Done."}]})
    await stage.submit(agent, hidden_checks=hidden, **more)
    await stage.request()
    await stage.finished()
    checkpoint = await stage.until(WorkspaceCheckpointed)
    await stage.say(TaskCompleted(attempt=1, branch="obra/t1", commit=checkpoint.commit))


async def test_hidden_checks_that_pass_label_the_attempt_as_good(stage: Stage) -> None:
    async with stage.running():
        await accepted(stage, "grep -q hello hello.txt", "test ! -e junk; touch junk")
        label = await stage.until(TaskLabelled)
    assert label == TaskLabelled(good=True, source="hidden_check", attempt=1, note=Content.of("2 hidden checks passed"))
    assert (await stage.said())[-1] == "task.labelled"
    assert not (stage.place.workspace / "junk").exists()
    assert not stage.home.environment(stage.scope).exists()


async def test_a_hidden_check_that_fails_labels_it_as_bad_and_says_what_it_said(stage: Stage) -> None:
    async with stage.running():
        await accepted(stage, "true", "echo nothing like it; false")
        label = await stage.until(TaskLabelled)
    assert (label.good, label.note.text) == (
        False, "`echo nothing like it; false` exited 1\nnothing like it",
    )  # fmt: skip


async def test_a_hidden_check_that_does_not_end_is_stopped_and_labels_the_work_as_bad(stage: Stage) -> None:
    async with stage.running():
        await accepted(stage, "echo $$ > pid; echo waiting; sleep 671 & wait", "true", check_timeout_s=0.5)
        label = await stage.until(TaskLabelled)
    note = "`echo $$ > pid; echo waiting; sleep 671 & wait` ran out of time\nwaiting"
    assert label == TaskLabelled(good=False, source="hidden_check", attempt=1, note=Content.of(note))
    assert not [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "671"]]


async def test_a_hidden_check_runs_on_the_accepted_tree_whatever_lies_in_the_workspace_now(stage: Stage) -> None:
    async with stage.running():
        agent = stage.script({"steps": [write("hello.txt", "hello\n")]})
        await stage.submit(agent, hidden_checks=("grep -q hello hello.txt",))
        await stage.request()
        await stage.finished()
        checkpoint = await stage.until(WorkspaceCheckpointed)
        (stage.place.workspace / "hello.txt").write_text("goodbye\n")
        await stage.say(TaskCompleted(attempt=1, branch="obra/t1", commit=checkpoint.commit))
        assert (await stage.until(TaskLabelled)).good


async def test_a_hidden_check_that_can_not_run_says_nothing_about_the_work(stage: Stage) -> None:
    async with stage.running():
        await accepted(stage, "no-such-program-anywhere")
        lacking = await stage.until(ServiceDegraded, lambda event: event.lacking == "hidden checks")
    assert lacking.reason.startswith("`no-such-program-anywhere` could not be run: ")
    assert await stage.of(TaskLabelled) == []


async def test_a_runner_that_comes_later_runs_them_also_if_others_have_answered_the_completion(stage: Stage) -> None:
    async with stage.running():
        await stage.submit(stage.script({"steps": [write("hello.txt")]}), hidden_checks=("test -f hello.txt",))
        await stage.request()
        await stage.finished()
    checkpoint = await stage.until(WorkspaceCheckpointed)
    completed = fresh(stage.scope, TaskCompleted(attempt=1, branch="obra/t1", commit=checkpoint.commit), "decider")
    await stage.bus.append([completed, answer(completed, "session-manager", SessionClosed(session="1"))])
    async with stage.running():
        assert (await stage.until(TaskLabelled)).good


async def test_without_hidden_checks_nothing_is_said(stage: Stage) -> None:
    async with stage.running():
        await accepted(stage)
    assert "task.labelled" not in await stage.said()


async def test_neither_agent_nor_prompt_sees_them(stage: Stage) -> None:
    async with stage.running():
        await accepted(stage, "echo a-secret-criterion")
        await stage.until(TaskLabelled)
    transcript = stage.place.transcript(1, 1).read_text()
    assert "hello.txt" in transcript
    assert "a-secret-criterion" not in transcript
