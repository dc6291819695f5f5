"""A rollback: files, modes, links and what the agent remembers return to a point; runners that are late don't."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from obra.events import (
    AttemptFinished,
    AttemptRequested,
    AttemptStarted,
    BranchDelivered,
    Event,
    TaskCompleted,
    TaskRolledBack,
    WorkspaceCheckpointed,
    WorkspaceRestored,
)
from obra.services.agent_runner import memory
from obra.services.agent_runner.leftovers import alive
from obra.shared.removal import remove
from tests.rig import MemoryRig
from tests.services.agent_runner.repositories import git
from tests.services.agent_runner.stage import Stage, appears, signal_file, write

REMEMBER = {"run": 'mkdir -p "$HOME/.claude/projects/p" && echo more >> "$HOME/.claude/projects/p/s.jsonl"'}


@pytest.fixture
def stage(memory: MemoryRig, tmp_path: Path) -> Stage:
    return Stage(memory.bus, tmp_path)


def run(command: str) -> dict[str, Any]:
    return {"run": command}


FIRST = [
    write("kept.txt", "one\n"),
    run("chmod +x kept.txt; ln -s kept.txt link; mkdir deep; echo new > deep/new.txt; rm README.md"),
]
SECOND = [
    run("chmod -x kept.txt; echo two > kept.txt; ln -sf deep link; rm -r deep; echo x > README.md; touch extra"),
    run("git init -q inner; touch inner/file"),
]


async def position(stage: Stage, kind: type[Event], nth: int = -1) -> int:
    past = await stage.bus.past(stage.scope)
    return [r.position for r in past.events if isinstance(r.event, kind)][nth]


async def attempts(stage: Stage, *numbers: int) -> None:
    for number in numbers:
        await stage.request(attempt=number)
        await stage.finished(attempt=number)


def tree(root: Path) -> dict[str, str]:
    """Return every path but those of git with its content, its target where it is a link, and its mode."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.split("/", maxsplit=1)[0] == ".git" or (path.is_dir() and not path.is_symlink()):
            continue
        mode = "x" if path.lstat().st_mode & 0o100 and not path.is_symlink() else "-"
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else f"{mode} {path.read_text()}"
    return found


async def test_files_modes_links_new_and_deleted_files_return(stage: Stage) -> None:
    agent = stage.script({"steps": FIRST}, {"steps": SECOND})
    async with stage.running():
        await stage.submit(agent)
        await attempts(stage, 1)
        first = tree(stage.place.workspace)
        to = await position(stage, AttemptFinished)
        await attempts(stage, 2)
        assert tree(stage.place.workspace) != first
        await stage.say(TaskRolledBack(to=to))
        restored = await stage.until(WorkspaceRestored)
    checkpoint = (await stage.of(WorkspaceCheckpointed))[0]
    assert restored == WorkspaceRestored(commit=checkpoint.commit, reason=f"rolled back to position {to}")
    assert tree(stage.place.workspace) == first
    assert first["kept.txt"] == "x one\n"
    assert (first["link"], first["deep/new.txt"], "README.md" in first) == ("-> kept.txt", "- new\n", False)


async def test_a_rollback_before_the_first_attempt_returns_to_the_base_and_the_next_run_gets_its_files_and_git(
    stage: Stage,
) -> None:
    mine = [write("a.txt"), run("git add -A; git commit -qm mine")]
    agent = stage.script({"steps": mine}, {"steps": [run("git log --format=%s > log; ls >> log")]})
    async with stage.running():
        await stage.submit(agent)
        await attempts(stage, 1)
        await stage.say(TaskRolledBack(to=2))
        await stage.until(WorkspaceRestored)
        assert not (stage.place.workspace / "a.txt").exists()
        await attempts(stage, 2)
    assert (stage.place.workspace / "log").read_text().splitlines() == ["first", "README.md", "log"]


async def test_rolling_back_a_rollback_brings_back_what_it_undid(stage: Stage) -> None:
    agent = stage.script({"steps": FIRST}, {"steps": SECOND})
    async with stage.running():
        await stage.submit(agent)
        await attempts(stage, 1)
        to = await position(stage, AttemptFinished)
        await attempts(stage, 2)
        second, before = tree(stage.place.workspace), await stage.bus.last_position()
        await stage.say(TaskRolledBack(to=to))
        await stage.until(WorkspaceRestored)
        await stage.say(TaskRolledBack(to=before))
        await stage.until(WorkspaceRestored, lambda e: e.reason.endswith(f" {before}"))
    kept = {name: text for name, text in second.items() if ".git" not in name}
    assert tree(stage.place.workspace) == kept
    assert "inner/file" in kept


async def test_what_the_agent_remembers_returns_too_but_not_its_credentials(stage: Stage) -> None:
    agent = stage.script(
        {"steps": [REMEMBER]}, {"steps": [REMEMBER, run('echo key > "$HOME/.claude/.credentials.json"')]}
    )
    session = stage.place.home / ".claude" / "projects" / "p" / "s.jsonl"
    async with stage.running():
        await stage.submit(agent)
        await attempts(stage, 1)
        first, to = session.read_text(), await position(stage, AttemptFinished)
        await attempts(stage, 2)
        assert session.read_text() != first
        await stage.say(TaskRolledBack(to=to))
        await stage.until(WorkspaceRestored)
        assert session.read_text() == first
        await stage.say(TaskRolledBack(to=2))
        await stage.until(WorkspaceRestored, lambda e: e.reason.endswith(" 2"))
    assert not session.exists()
    assert (stage.place.home / ".claude" / ".credentials.json").read_text() == "key\n"


def test_what_an_agent_has_linked_is_neither_kept_nor_followed(stage: Stage, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("k")
    (stage.place.home / ".claude").mkdir()
    (stage.place.home / ".claude" / "out").symlink_to(secret)
    (stage.place.home / ".claude" / "key").symlink_to(secret / "key")
    (stage.place.home / ".codex").symlink_to(secret)
    assert memory.keep(stage.place, (1, 1)) == ""
    assert not [path for path in (stage.place.root / "memories").rglob("*") if path.is_file()]
    memory.put_back(stage.place, None)
    assert (secret / "key").read_text() == "k"


async def test_a_completed_task_is_rolled_back_and_delivered_again_under_a_new_name(stage: Stage) -> None:
    agent = stage.script({"steps": FIRST}, {"steps": SECOND}, {"steps": [write("third.txt")]})
    async with stage.running():
        await stage.submit(agent)
        await attempts(stage, 1)
        to = await position(stage, AttemptFinished)
        await attempts(stage, 2)
        await stage.decide(2)
        first = await stage.until(BranchDelivered)
        await stage.say(TaskCompleted(attempt=2, branch=first.branch, commit=first.commit))
        await stage.say(TaskRolledBack(to=to))
        await stage.until(WorkspaceRestored)
        await attempts(stage, 3)
        await stage.decide(3)
        second = await stage.until(BranchDelivered, lambda e: e.attempt == 3)
    assert (first.branch, second.branch) == ("obra/t1", "obra/t1-2")
    assert git(stage.repo, "rev-parse", "obra/t1") == first.commit
    assert git(stage.repo, "show", "obra/t1-2:third.txt") == "x"
    assert git(stage.repo, "show", "obra/t1-2:kept.txt") == "one"


async def test_a_run_that_a_rollback_overtakes_is_stopped_and_says_nothing_more(stage: Stage, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    agent = stage.script({"steps": [write("a.txt"), run(signal_file(begun))]})
    async with stage.running():
        await stage.submit(agent)
        await stage.request()
        await appears(begun)
        await stage.say(TaskRolledBack(to=2))
        await stage.until(WorkspaceRestored)
    assert await stage.said() == ["attempt.started", "workspace.restored"]
    assert not alive(stage.place.marker)
    assert not (stage.place.workspace / "a.txt").exists()


async def test_a_request_that_was_rolled_back_before_it_was_heard_starts_nothing(stage: Stage) -> None:
    agent = stage.script({"steps": [write("a.txt")]})
    await stage.submit(agent)
    await stage.request()
    await stage.say(TaskRolledBack(to=2))
    await stage.request(attempt=2)
    async with stage.running():
        await stage.finished(attempt=2)
    assert [event.attempt for event in await stage.of(AttemptStarted)] == [2]


async def test_a_runner_that_died_before_it_had_put_files_back_is_made_up_for(stage: Stage) -> None:
    """The rollback comes while no runner lives: the next one restores, and says so once, however often it hears it."""
    agent = stage.script({"steps": FIRST}, {"steps": SECOND})
    async with stage.running():
        await stage.submit(agent)
        await attempts(stage, 1)
        first, to = tree(stage.place.workspace), await position(stage, AttemptFinished)
        await attempts(stage, 2)
    await stage.say(TaskRolledBack(to=to))
    assert tree(stage.place.workspace) != first
    async with stage.running():
        await stage.until(WorkspaceRestored)
    assert tree(stage.place.workspace) == first
    async with stage.running(stage.service(), stage.service()):
        await asyncio.sleep(0)
        await attempts(stage, 3)
    assert len(await stage.of(WorkspaceRestored)) == 1
    assert [event.attempt for event in await stage.of(AttemptRequested)] == [1, 2, 3]


@pytest.mark.parametrize("link", [".claude", ".claude/hooks", ".claude/hooks/profile"])
def test_what_is_put_back_lands_nowhere_else_whatever_an_agent_has_linked_there(
    stage: Stage, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    (outside / "hooks").mkdir(parents=True)
    for path in (outside / "profile", outside / "hooks" / "profile"):
        path.write_text("theirs")
    hooks = stage.place.home / ".claude" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "profile").write_text("the agent's")
    assert memory.keep(stage.place, (1, 1)) == ""
    place = stage.place.home / link
    remove(place)
    place.symlink_to(outside / "profile" if link.endswith("profile") else outside)
    memory.put_back(stage.place, (1, 1))
    assert {path.read_text() for path in outside.rglob("profile")} == {"theirs"}
    assert (hooks / "profile").read_text() == "the agent's"
    assert not place.is_symlink()


def test_checks_begin_with_an_empty_home_whatever_earlier_ones_made_unwritable(stage: Stage) -> None:
    site = stage.place.fresh_home() / ".local" / "lib"
    site.mkdir(parents=True)
    (site / "usercustomize.py").write_text("raise SystemExit(0)")
    site.chmod(0o500)
    assert list(stage.place.fresh_home().iterdir()) == []
