"""Runs from request to outcome, with real processes and real git on the bus in memory."""

import asyncio
import json
from pathlib import Path

import pytest

from obra.events import (
    AgentExited,
    AttemptCancelled,
    AttemptFinished,
    AttemptInterrupted,
    AttemptStarted,
    BranchDelivered,
    BranchRefused,
    ChecksRan,
    DecisionMade,
    Event,
    FileChange,
    Output,
    ServiceDegraded,
    SessionClosed,
    TaskCancelled,
    TaskRolledBack,
    WorkspaceCheckpointed,
    WorkspaceHandedOver,
    WorkspaceRestored,
)
from obra.services.agent_runner import runner
from obra.services.agent_runner.leftovers import alive
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import AgentSettings, Settings
from obra.shared.envelope import answer, fresh
from obra.shared.exclusive import exclusive
from tests.rig import MemoryRig, NatsRig
from tests.services.agent_runner.repositories import SCOPE, git
from tests.services.agent_runner.stage import PATH, Stage, appears, signal_file, write

WHOLE = ["attempt.started", "agent.exited", "workspace.checkpointed", "checks.ran", "attempt.finished"]


@pytest.fixture
def stage(memory: MemoryRig, tmp_path: Path) -> Stage:
    return Stage(memory.bus, tmp_path)


async def test_a_run_is_started_recorded_checked_and_finished(stage: Stage) -> None:
    agent = stage.script({"steps": [write("hello.txt", "hello\n"), {"say": "Done."}], "cost_usd": 0.25})
    async with stage.running():
        await stage.submit(agent, checks=("test -f hello.txt", "echo $((1+1))"))
        await stage.request()
        finished = await stage.finished()
        await stage.decide()
        delivered = await stage.until(BranchDelivered)
    assert await stage.said() == [*WHOLE, "branch.delivered"]
    head = git(stage.repo, "rev-parse", "HEAD")
    (started,), (exited,) = await stage.of(AttemptStarted), await stage.of(AgentExited)
    assert (started.sandbox, started.workspace, started.base) == ("none", str(stage.place.workspace), head)
    assert (exited.ending, exited.cost_usd, exited.exit_code) == ("completed", 0.25, 0)
    (checkpoint,), (checks,) = await stage.of(WorkspaceCheckpointed), await stage.of(ChecksRan)
    assert checkpoint.files == (FileChange(path="hello.txt", kind="added", added=1),)
    assert (checkpoint.changed, checkpoint.base, checkpoint.interrupted) == (True, head, False)
    assert [(c.command, c.exit_code, c.output.text) for c in checks.checks] == [
        ("test -f hello.txt", 0, ""), ("echo $((1+1))", 0, "2\n")
    ]  # fmt: skip
    assert checks.passed
    assert (finished.ending, finished.detail) == ("completed", "")
    assert delivered == BranchDelivered(attempt=1, branch="obra/t1", commit=checkpoint.commit, base=head)
    assert git(stage.repo, "show", "obra/t1:hello.txt") == "hello"
    assert git(stage.repo, "status", "--porcelain") == ""


@pytest.mark.bus
async def test_on_jetstream_a_run_is_stopped_by_its_person_and_the_next_one_delivered(
    nats: NatsRig, tmp_path: Path
) -> None:
    stage, begun = Stage(nats.admin, tmp_path), tmp_path / "begun"
    await nats.provide(stage.service().consumer)
    agent = stage.script({"steps": [write("half.txt"), {"run": signal_file(begun)}]}, {"steps": [write("whole.txt")]})
    async with stage.running():
        await stage.submit(agent, checks=("test -f whole.txt",))
        await stage.request()
        await appears(begun)
        await stage.say(AttemptCancelled(attempt=1))
        assert (await stage.finished()).ending == "cancelled"
        await stage.request(2)
        assert (await stage.finished(2)).ending == "completed"
        await stage.decide(2)
        await stage.until(BranchDelivered)
    assert await stage.said() == [*(name for name in WHOLE if name != "checks.ran"), *WHOLE, "branch.delivered"]
    assert git(stage.repo, "ls-tree", "--name-only", "obra/t1") == "README.md\nhalf.txt\nwhole.txt"


async def test_an_agent_that_does_nothing_changes_nothing(stage: Stage) -> None:
    async with stage.running():
        await stage.submit(stage.script({"steps": [{"say": "All 86 tests pass."}]}))
        await stage.request()
        await stage.finished()
    (checkpoint,) = await stage.of(WorkspaceCheckpointed)
    assert (checkpoint.changed, checkpoint.files_total, checkpoint.files) == (False, 0, ())
    assert await stage.said() == [said for said in WHOLE if said != "checks.ran"]


async def test_the_next_attempt_goes_on_from_the_last_and_what_checks_left_is_gone(stage: Stage) -> None:
    agent = stage.script({"steps": [write("a.txt")]}, {"steps": [write("b.txt")]})
    async with stage.running():
        await stage.submit(agent, checks=("echo junk > left.txt; echo broken >> a.txt; false",))
        await stage.request()
        await stage.finished()
        await stage.request(2)
        await stage.finished(2)
    first, second = await stage.of(WorkspaceCheckpointed)
    assert [file.path for file in first.files] == ["a.txt"]
    assert [(file.path, file.added) for file in second.files] == [("a.txt", 1), ("b.txt", 1)]
    assert (first.changed, second.changed) == (True, True)
    assert not any(checks.passed for checks in await stage.of(ChecksRan))


async def test_a_second_attempt_that_adds_nothing_is_not_a_change_although_the_files_still_differ(stage: Stage) -> None:
    agent = stage.script({"steps": [write("a.txt")]}, {"steps": [{"say": "Done already."}]})
    async with stage.running():
        await stage.submit(agent)
        await stage.request()
        await stage.finished()
        await stage.request(2)
        await stage.finished(2)
    _, second = await stage.of(WorkspaceCheckpointed)
    assert (second.changed, second.files_total) == (False, 1)


async def test_a_redelivered_request_is_not_run_again(stage: Stage) -> None:
    agent = stage.script({"steps": [write("a.txt")]})
    async with stage.running():
        await stage.submit(agent)
        await stage.request()
        await stage.finished()
    assert isinstance(stage.bus, MemoryBus)
    stage.bus._groups.clear()  # every event is delivered once more
    async with stage.running():
        await stage.request(2)
        await stage.finished(2)
    assert [(event.attempt, event.run) for event in await stage.of(AttemptStarted)] == [(1, 1), (2, 1)]


async def test_a_base_that_a_dead_runner_had_yet_to_pin_is_pinned_when_the_event_comes_again(stage: Stage) -> None:
    agent = stage.script({"steps": [write("a.txt")]})
    pin = stage.repo / ".git" / "refs" / "obra" / stage.scope.task / "base"
    async with stage.running():
        await stage.submit(agent)
        await stage.request()
        await stage.finished()
    pin.unlink()
    assert isinstance(stage.bus, MemoryBus)
    stage.bus._groups.clear()  # every event is delivered once more
    async with stage.running():
        await appears(pin)
    assert pin.read_text().strip() == git(stage.repo, "rev-parse", "HEAD")


async def test_two_runners_share_the_work_and_each_run_happens_once(stage: Stage) -> None:
    agent = stage.script({"steps": [{"run": "echo x >> count"}]})
    others = [Stage(stage.bus, stage.root, stage.settings, SCOPE._replace(task=f"t{n}")) for n in range(2, 6)]
    async with stage.running(stage.service(), stage.service()):
        for one in (stage, *others):
            await one.submit(agent)
            await one.request()
        for one in (stage, *others):
            await one.finished()
    for one in (stage, *others):
        assert await one.said() == [said for said in WHOLE if said != "checks.ran"]
        assert (one.place.workspace / "count").read_text() == "x\n"


async def test_live_output_is_said_while_the_agent_works(stage: Stage) -> None:
    heard: list[Output] = []

    async def listen() -> None:
        async for attempt, data in stage.bus.hear(stage.scope):
            assert attempt == 1
            heard.extend(Output(**{k: v for k, v in json.loads(line).items()}) for line in data.splitlines())

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    async with stage.running():
        await stage.submit(stage.script({"steps": [{"say": "I begin."}, write("a.txt")]}))
        await stage.request()
        await stage.finished()
    listening.cancel()
    assert "I begin." in [output.text for output in heard if output.kind == "text"]


async def test_a_missing_variable_makes_the_agent_unavailable(stage: Stage) -> None:
    async with stage.running():
        await stage.submit(stage.script({"steps": []}), agent_env=("SHOP_KEY",))
        await stage.request()
        finished = await stage.finished()
    assert await stage.said() == ["attempt.started", "agent.exited", "attempt.finished"]
    (exited,) = await stage.of(AgentExited)
    assert (finished.ending, exited.ending, exited.exit_code) == ("unavailable", "unavailable", None)
    assert exited.detail.startswith("the task names SHOP_KEY for its agent, and the runner has no value for it")


async def test_only_named_variables_reach_the_agent_and_none_the_checks(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAY", "around")
    values = {"PATH": PATH, "SHOP_KEY": "s3cr3t-value", "OTHER": "not asked for"}
    stage.home.environment(stage.scope).write_text(json.dumps(values))
    agent = stage.script({"steps": [{"run": "env > seen; echo $SHOP_KEY > key"}]})
    async with stage.running():
        await stage.submit(agent, agent_env=("SHOP_KEY",), checks=("echo [$SHOP_KEY$STRAY]; cat key",))
        await stage.request()
        await stage.finished()
    seen = (stage.place.workspace / "seen").read_text()
    assert "SHOP_KEY=s3cr3t-value" in seen
    assert "STRAY" not in seen
    assert "OTHER" not in seen
    (checks,), (checkpoint,) = await stage.of(ChecksRan), await stage.of(WorkspaceCheckpointed)
    assert checks.checks[0].output.text == "[]\n[redacted]\n"
    assert "s3cr3t-value" not in checkpoint.patch.text


@pytest.mark.parametrize("path", [f"bin:.::{PATH}:", "bin:."])
async def test_nothing_that_lies_in_the_workspace_is_on_the_path_of_agents_and_checks(stage: Stage, path: str) -> None:
    lies = {"write": {"path": "bin/nosuchtool", "text": "#!/bin/sh\nexit 0\n"}}
    agent = stage.script({"steps": [lies, {"run": "/bin/chmod +x bin/nosuchtool; /bin/cp bin/nosuchtool ."}]})
    stage.settings = Settings(agent=AgentSettings(path=path))
    async with stage.running():
        await stage.submit(agent, checks=("nosuchtool",))
        await stage.request()
        await stage.finished()
    (checks,) = await stage.of(ChecksRan)
    assert checks.checks[0].exit_code == 127


async def test_a_missing_repository_is_a_lost_workspace(stage: Stage) -> None:
    stage.repo.rename(stage.root / "elsewhere")
    async with stage.running():
        await stage.submit(stage.script({"steps": []}))
        await stage.request()
        finished = await stage.finished()
    (exited,) = await stage.of(AgentExited)
    assert (finished.ending, exited.detail) == (
        "workspace_lost", f"there is no directory {stage.repo}; give the path of a git repository"
    )  # fmt: skip


async def test_an_agent_that_fills_the_workspace_ends_as_workspace_lost(stage: Stage) -> None:
    stage.settings = Settings(agent=AgentSettings(path=PATH, workspace_bytes_max=200_000))
    async with stage.running():
        await stage.submit(stage.script({"steps": [{"run": "head -c 300000 /dev/zero > big"}]}))
        await stage.request()
        finished = await stage.finished()
    said = "the workspace holds more than 200,000 bytes (agent.workspace_bytes_max): not recorded"
    assert (finished.ending, finished.detail) == ("workspace_lost", said)
    assert await stage.said() == ["attempt.started", "agent.exited", "attempt.finished"]


async def test_what_checks_left_and_nobody_can_remove_ends_the_run_with_a_reason(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that a check starts leaves files of another user, say."""

    def denied(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr("obra.services.agent_runner.place.remove", denied)
    await stage.submit(stage.script({"steps": [write("a.txt")]}), checks=("true",))
    async with stage.running():
        await stage.request()
        finished = await stage.finished()
    assert finished.ending == "workspace_lost"
    assert finished.detail.startswith("there is no empty home for checks: [Errno 1] Operation not permitted")
    assert len(await stage.of(WorkspaceCheckpointed)) == 1


async def test_without_bubblewrap_auto_says_once_that_the_sandbox_is_lacking(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from obra.services.agent_runner import sandbox  # noqa: PLC0415

    monkeypatch.setattr(sandbox, "_known", ["it is not installed"])
    async with stage.running():
        await stage.submit(stage.script({"steps": [write("a")]}), sandbox="auto")
        await stage.request()
        await stage.finished()
        await stage.request(2)
        await stage.finished(2)
    assert await stage.of(ServiceDegraded) == [
        ServiceDegraded(
            service="agent-runner", lacking="sandbox", reason="it is not installed",
            effect="the agent's own permission system is all that confines it, and changed code is not probed",
        )
    ]  # fmt: skip


async def test_a_sandbox_that_was_asked_for_and_is_not_there_makes_the_agent_unavailable(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from obra.services.agent_runner import sandbox  # noqa: PLC0415

    monkeypatch.setattr(sandbox, "_known", ["it is not installed"])
    async with stage.running():
        await stage.submit(stage.script({"steps": [write("a")]}), sandbox="bwrap")
        await stage.request()
        assert (await stage.finished()).ending == "unavailable"


async def test_a_cancelled_attempt_is_stopped_recorded_and_finished(stage: Stage) -> None:
    begun = stage.root / "begun"
    agent = stage.script({"steps": [write("half.txt"), {"run": signal_file(begun)}]})
    async with stage.running():
        await stage.submit(agent, checks=("true",))
        await stage.request()
        await appears(begun)
        await stage.say(AttemptCancelled(attempt=1, reason="enough"))
        finished = await stage.finished()
    assert finished.ending == "cancelled"
    assert await stage.said() == [said for said in WHOLE if said != "checks.ran"]
    assert [file.path for file in (await stage.of(WorkspaceCheckpointed))[0].files] == ["half.txt"]
    assert alive(stage.place.marker) == []


async def test_an_attempt_cancelled_before_it_began_starts_no_agent(stage: Stage) -> None:
    await stage.submit(stage.script({"steps": [write("a.txt")]}))
    await stage.request()
    await stage.say(AttemptCancelled(attempt=1))
    async with stage.running():
        finished = await stage.finished()
    assert finished.ending == "cancelled"
    assert await stage.said() == ["attempt.started", "agent.exited", "attempt.finished"]


async def test_a_cancelled_task_stops_its_agent_and_nothing_more_is_said(stage: Stage) -> None:
    begun = stage.root / "begun"
    async with stage.running():
        await stage.submit(stage.script({"steps": [{"run": signal_file(begun)}]}))
        await stage.request()
        await appears(begun)
        await stage.say(TaskCancelled())
        async with asyncio.timeout(20):
            while alive(stage.place.marker):
                await asyncio.sleep(0.02)
    assert await stage.said() == ["attempt.started"]


async def test_a_runner_that_is_stopped_interrupts_its_run_at_once(stage: Stage) -> None:
    begun = stage.root / "begun"
    agent = stage.script({"steps": [write("half.txt"), {"run": signal_file(begun)}]})
    async with stage.running() as stop:
        await stage.submit(agent)
        await stage.request()
        await appears(begun)
        began_s = asyncio.get_running_loop().time()
        stop.set()
    assert asyncio.get_running_loop().time() - began_s < stage.service().grace_s
    head = git(stage.repo, "rev-parse", "HEAD")
    assert await stage.said() == [
        "attempt.started", "workspace.checkpointed", "workspace.restored", "attempt.interrupted"
    ]  # fmt: skip
    (checkpoint,) = await stage.of(WorkspaceCheckpointed)
    assert (checkpoint.interrupted, [file.path for file in checkpoint.files]) == (True, ["half.txt"])
    assert await stage.of(WorkspaceRestored) == [WorkspaceRestored(commit=head, reason="the runner was stopped")]
    assert not (stage.place.workspace / "half.txt").exists()
    assert alive(stage.place.marker) == []


async def test_a_run_whose_turn_comes_while_the_runner_stops_is_left_to_the_next_one(stage: Stage) -> None:
    stage.settings = Settings(agent=AgentSettings(path=PATH, concurrency=1))
    begun = stage.root / "begun"
    (stage.root / "next").mkdir()
    queued = Stage(stage.bus, stage.root / "next", stage.settings, SCOPE._replace(task="t2"))
    queued.home, queued.place = stage.home, type(stage.place).of(stage.home, queued.scope)
    async with stage.running() as stop:
        await stage.submit(stage.script({"steps": [{"run": signal_file(begun)}]}))
        await stage.request()
        await appears(begun)
        await queued.submit(queued.script({"steps": [write("a.txt")]}))
        await appears(queued.place.control)  # made ready
        await queued.request()
        for _ in range(100):
            await asyncio.sleep(0)  # heard, and in line
        stop.set()
    assert (await stage.said())[-1] == "attempt.interrupted"
    assert await queued.said() == [], "nothing was begun, so nothing was lost"
    async with queued.running():
        assert ((await queued.finished()).ending, (await queued.of(AttemptStarted))[0].run) == ("completed", 1)


async def test_a_runner_stopped_while_it_checks_leaves_the_checks_to_the_next_and_nothing_in_their_way(
    stage: Stage,
) -> None:
    begun = stage.root / "begun"
    check = f"test -e left && exit 1; test -e {begun} && exit 0; touch left; {signal_file(begun)}"
    async with stage.running() as stop:
        await stage.submit(stage.script({"steps": [write("a.txt")]}), checks=(check,))
        await stage.request()
        await appears(begun)
        stop.set()
    assert await stage.said() == ["attempt.started", "agent.exited", "workspace.checkpointed"]
    async with stage.running():
        assert (await stage.finished()).ending == "completed"
    assert await stage.said() == WHOLE
    assert [checks.passed for checks in await stage.of(ChecksRan)] == [True]


def started(stage: Stage) -> AttemptStarted:
    base = git(stage.repo, "rev-parse", "HEAD")
    return AttemptStarted(
        attempt=1, run=1, runner="gone:1:x", agent="scripted:x", workspace=str(stage.place.workspace), base=base
    )


async def left_by_a_crash(stage: Stage, *events: Event) -> None:
    """Build the past of a runner that died: a workspace with half of the work in it, and *events*."""
    from obra.services.agent_runner.workspace import prepare  # noqa: PLC0415

    prepare(stage.place, stage.repo, "")
    (stage.place.workspace / "half.txt").write_text("half\n")
    git(stage.place.workspace, "commit", "-q", "--allow-empty", "-m", "the agent's own")
    await stage.submit(stage.script({"steps": [write("new.txt")]}), checks=("true",))
    await stage.request()
    for event in events:
        await stage.bus.append([fresh(stage.scope, event, "agent-runner")])


async def test_a_run_whose_runner_died_is_recorded_undone_and_interrupted(stage: Stage) -> None:
    await left_by_a_crash(stage, started(stage))
    head = git(stage.repo, "rev-parse", "HEAD")
    async with stage.running():
        await stage.until(AttemptInterrupted)
        assert not (stage.place.workspace / "half.txt").exists()
        await stage.request(1, 2)
        await stage.finished(1, 2)
    reason = "the runner that had it (gone:1:x) is gone"
    assert await stage.of(AttemptInterrupted) == [AttemptInterrupted(attempt=1, run=1, reason=reason)]
    assert await stage.of(WorkspaceRestored) == [WorkspaceRestored(commit=head, reason=reason)]
    lost, second = await stage.of(WorkspaceCheckpointed)
    assert (lost.run, lost.interrupted, [file.path for file in lost.files]) == (1, True, ["half.txt"])
    assert (second.run, second.interrupted, [file.path for file in second.files]) == (2, False, ["new.txt"])
    assert git(stage.place.workspace, "log", "--format=%s") == "first"


async def test_a_run_whose_agent_had_exited_is_carried_on_and_its_work_kept(stage: Stage) -> None:
    exited = AgentExited(attempt=1, run=1, ending="completed", exit_code=0)
    await left_by_a_crash(stage, started(stage), exited)
    async with stage.running():
        assert (await stage.finished()).ending == "completed"
    assert await stage.said() == WHOLE
    assert [file.path for file in (await stage.of(WorkspaceCheckpointed))[0].files] == ["half.txt"]


async def test_processes_that_a_dead_runner_left_are_killed_first(stage: Stage) -> None:
    process = await asyncio.create_subprocess_exec(
        "sleep", "300", env={"OBRARUN": f"{stage.place.marker}1.1", "PATH": PATH}
    )
    await left_by_a_crash(stage, started(stage))
    async with stage.running():
        await stage.until(AttemptInterrupted)
    assert await process.wait() == -9


async def test_an_outcome_is_not_said_once_a_newer_run_has_started(stage: Stage) -> None:
    begun = stage.root / "begun"
    async with stage.running():
        await stage.submit(stage.script({"steps": [{"run": signal_file(begun)}]}))
        await stage.request()
        await appears(begun)
        await stage.say(AttemptStarted(attempt=1, run=2, runner="elsewhere:1:x"))
        async with asyncio.timeout(20):
            while alive(stage.place.marker):
                await asyncio.sleep(0.02)
    past = [event for event in await stage.events() if not isinstance(event, AttemptStarted)]
    assert not any(isinstance(event, AgentExited | AttemptFinished | AttemptInterrupted) for event in past)


async def test_a_decision_delivers_once_however_often_it_is_heard(stage: Stage) -> None:
    async with stage.running():
        await stage.submit(stage.script({"steps": [write("a.txt")]}))
        await stage.request()
        await stage.finished()
        await stage.decide()
        await stage.until(BranchDelivered)
        await stage.decide()
        await stage.request(2)
        await stage.finished(2)
    assert len(await stage.of(BranchDelivered)) == 1
    assert git(stage.repo, "branch", "--list", "--format=%(refname:short)") == "main\nobra/t1"


async def test_work_is_delivered_or_handed_over_even_if_another_service_answers_the_same_event_first(
    stage: Stage,
) -> None:
    async with stage.running():
        await stage.submit(stage.script({"steps": [write("a.txt")]}))
        await stage.request()
        await stage.finished()
    proceed, taken = (
        fresh(stage.scope, event, "test")
        for event in (DecisionMade(action="proceed", attempt=1, run=1), TaskCancelled(by="eve", taken_over=True))
    )
    await stage.bus.append(
        [proceed, answer(proceed, "scorer", ServiceDegraded(service="scorer", lacking="llm", reason="x"))]
    )
    async with stage.running():
        assert (await stage.until(BranchDelivered)).branch == "obra/t1"
    await stage.bus.append([taken, answer(taken, "session-manager", SessionClosed(session="1"))])
    async with stage.running():
        assert (await stage.until(WorkspaceHandedOver)).branch == "obra/t1-wip"


async def test_what_can_not_be_delivered_is_refused_with_a_reason(stage: Stage) -> None:
    async with stage.running():
        await stage.submit(stage.script({"steps": [write("a.txt")]}))
        await stage.request()
        await stage.finished()
        stage.repo.rename(stage.root / "elsewhere")
        await stage.decide()
        refused = await stage.until(BranchRefused)
    assert refused.reason == f"there is no directory {stage.repo}; give the path of a git repository"


async def test_delivery_does_not_wait_for_agents_that_run(stage: Stage) -> None:
    stage.settings = Settings(agent=AgentSettings(path=PATH, concurrency=1))
    begun, other = stage.root / "begun", Stage(stage.bus, stage.root, stage.settings, SCOPE._replace(task="t2"))
    async with stage.running():
        await other.submit(stage.script({"steps": [write("a.txt")]}))
        await other.request()
        await other.finished()
        (stage.root / "hang").mkdir()
        slow = Stage(stage.bus, stage.root / "hang", stage.settings, SCOPE._replace(task="t3"))
        slow.home, slow.place = stage.home, type(stage.place).of(stage.home, slow.scope)
        await slow.submit(slow.script({"steps": [{"run": signal_file(begun)}]}))
        await slow.request()
        await appears(begun)
        await other.decide()
        await other.until(BranchDelivered)


async def test_the_agents_variables_and_credentials_are_forgotten_once_the_task_is_over(stage: Stage) -> None:
    file = stage.home.environment(stage.scope)
    file.write_text(json.dumps({"SHOP_KEY": "s3cr3t-value"}))
    login = stage.place.home / ".claude" / ".credentials.json"
    login.parent.mkdir()
    login.write_text("{}")
    async with stage.running():
        await stage.submit(stage.script({"steps": []}), agent_env=("SHOP_KEY",))
        await stage.request()
        await stage.finished()
        assert file.exists()
        await stage.say(TaskCancelled())
        async with asyncio.timeout(20):
            while file.exists() or login.exists():
                await asyncio.sleep(0.01)
    assert login.parent.is_dir()


async def test_the_agents_variables_are_kept_if_the_task_was_rolled_back_before_they_were_forgotten(
    stage: Stage,
) -> None:
    file = stage.home.environment(stage.scope)
    file.write_text(json.dumps({"SHOP_KEY": "s3cr3t-value"}))
    async with stage.running():
        await stage.submit(stage.script({"steps": [write("a.txt")]}), agent_env=("SHOP_KEY",))
        await stage.request()
        await stage.finished()
        async with exclusive(file.parent):
            await stage.say(TaskCancelled(), TaskRolledBack(to=await stage.bus.last_position()))
            await stage.until(WorkspaceRestored)
    assert file.exists()


@pytest.mark.parametrize(
    ("breaks", "said"),
    [
        ("to_begin", ["attempt.started", "agent.exited", "attempt.finished"]),
        ("run_agent", ["attempt.started", "agent.exited", "attempt.finished"]),
        ("run_check", ["attempt.started", "agent.exited", "workspace.checkpointed", "attempt.finished"]),
    ],
)
async def test_a_run_that_obra_itself_breaks_on_ends_instead_of_waiting_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, breaks: str, said: list[str]
) -> None:
    async def broken(*_: object) -> None:
        raise TypeError("a fault of ours")

    monkeypatch.setattr(runner, breaks, broken)
    service = stage.service()
    service.deliveries_max = 1
    async with stage.running(service):
        await stage.submit(stage.script({"steps": [write("hello.txt", "hello\n")]}), checks=("true",))
        await stage.request()
        finished = await stage.finished()
    assert (finished.ending, finished.detail) == (
        "workspace_lost", "Obra could not go on with it: TypeError: a fault of ours"
    )  # fmt: skip
    assert await stage.said() == said
