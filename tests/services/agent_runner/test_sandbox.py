"""The walls: what stands inside them, what stays out, what is needed so that programs still run."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from obra.services.agent_runner.process import Limits, start
from obra.services.agent_runner.reachable import below, python, readable
from obra.services.agent_runner.sandbox import Sandbox, choose, wrap
from obra.shared.config import SandboxSettings
from obra.shared.errors import EnvironmentLacks
from tests.services.agent_runner.jobs import PATH


@pytest.fixture
async def bwrap(tmp_path: Path) -> Sandbox:
    found = await choose("auto", SandboxSettings(), [tmp_path / "obra"])
    if found.kind != "bwrap":
        pytest.skip(f"bubblewrap: {found.reason}")
    return found


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = tmp_path / "obra" / "tasks" / "t" / "workspace"
    made.mkdir(parents=True)
    return made


async def shell(
    sandbox: Sandbox, script: str, workspace: Path, env: dict[str, str] | None = None, limits: Limits | None = None,
    **more: object,
) -> tuple[int | None, str]:  # fmt: skip
    environment = {"PATH": PATH, **(env or {})}
    argv = wrap(
        sandbox, ["/bin/sh", "-c", script], workspace=workspace, home=workspace.parent / "home", env=environment,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip
    process = await start(
        argv,
        cwd=workspace,
        env=environment,
        sandbox=sandbox,
        marker="obra-test-sandbox",
        limits=limits or Limits(),
        merge=True,
    )
    try:
        said = b""
        while chunk := await process.read():
            said += chunk
        return (await process.wait()).returned, said.decode()
    finally:
        await process.close()


async def test_the_workspace_and_the_private_home_can_be_written(bwrap: Sandbox, workspace: Path) -> None:
    code, said = await shell(bwrap, f"pwd; echo a > a; echo b > {workspace.parent}/home/b; echo c > /tmp/c", workspace)
    assert (code, said) == (0, f"{workspace}\n")
    assert (workspace / "a").read_text() == "a\n"
    assert (workspace.parent / "home" / "b").read_text() == "b\n"
    assert (workspace.parent / "home" / "tmp" / "c").read_text() == "c\n"


@pytest.mark.parametrize("place", ["/etc", "/usr/bin", "/var/tmp", "/home", "/run", "/tmp", "{home}", "{obra}", "/dev"])
async def test_nothing_else_is_changed(bwrap: Sandbox, workspace: Path, place: str) -> None:
    obra = workspace.parents[2]
    path = Path(place.format(home=Path.home(), obra=obra)) / "obra-sandbox-probe"
    await shell(bwrap, f"echo escaped > {path}", workspace)
    assert not path.exists()


async def test_what_stands_in_for_a_hidden_directory_can_not_be_filled(bwrap: Sandbox, workspace: Path) -> None:
    script = "for place in /home /run $0 /tmp /dev/shm; do touch $place/x 2>/dev/null && echo $place; done; true"
    code, said = await shell(bwrap, script.replace("$0", str(Path.home())), workspace)
    assert (code, said.split()) == (0, ["/tmp", "/dev/shm"])


async def test_obras_own_home_the_users_and_other_tasks_are_out_of_sight(bwrap: Sandbox, workspace: Path) -> None:
    obra, home = workspace.parents[2], Path.home()
    (obra / "run").mkdir()
    (obra / "run" / "credentials").write_text("secret")
    (obra / "tasks" / "other").mkdir()
    way = workspace.relative_to(home).parts[:1] if workspace.is_relative_to(home) else ()
    code, said = await shell(bwrap, f"find {obra} -mindepth 1 | sort; ls -A {home} 2>/dev/null; true", workspace)
    tasks = obra / "tasks"
    inside = [tasks, tasks / "t", tasks / "t" / "home", tasks / "t" / "home" / "tmp", tasks / "t" / "workspace"]
    lines = [line for line in said.splitlines() if "/home/tmp/" not in line]
    assert (code, lines) == (0, [*(str(path) for path in inside), *way])


@pytest.mark.parametrize("left", ["link", "file", "link to a file"])
async def test_what_an_agent_leaves_in_the_place_of_its_tmp_opens_nothing_to_its_next_run(
    bwrap: Sandbox, workspace: Path, tmp_path: Path, left: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "theirs").write_text("theirs")
    place = workspace.parent / "home" / "tmp"
    place.parent.mkdir()
    if left == "file":
        place.write_text("")
    else:
        place.symlink_to(outside if left == "link" else outside / "theirs")
    assert await shell(bwrap, "cat /tmp/theirs 2>/dev/null; echo escaped > /tmp/theirs", workspace) == (0, "")
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("theirs", "theirs")]


async def test_the_passwords_of_the_machine_can_not_be_read(bwrap: Sandbox, workspace: Path) -> None:
    _, said = await shell(bwrap, "cat /etc/shadow /etc/gshadow 2>/dev/null", workspace)
    assert said == ""


async def test_processes_of_the_machine_are_out_of_sight_and_nobody_is_root(bwrap: Sandbox, workspace: Path) -> None:
    script = "id -u; ls /proc | grep -c '^[0-9]'; ls -d /proc/1/root >/dev/null; test ! -d /proc/" + str(os.getpid())
    code, said = await shell(bwrap, script, workspace)
    assert (code, said.splitlines()[0]) == (0, "1000")
    assert int(said.splitlines()[1]) < 8


async def test_no_value_of_a_variable_stands_in_an_argument(bwrap: Sandbox, workspace: Path) -> None:
    env = {"PATH": PATH, "SOME_TOKEN": "very-secret"}
    argv = wrap(bwrap, ["/bin/true"], workspace=workspace, home=workspace.parent / "home", env=env)
    assert not [part for part in argv if "very-secret" in part]
    assert await shell(bwrap, "echo $SOME_TOKEN $OBRARUN", workspace, env) == (0, "very-secret obra-test-sandbox\n")


async def test_the_environment_is_exactly_what_was_given(bwrap: Sandbox, workspace: Path) -> None:
    _, said = await shell(bwrap, "env", workspace, {"A": "1", "LD_DEBUG_OUTPUT": "x"})
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "A", "LD_DEBUG_OUTPUT", "OBRARUN"}


async def test_without_the_network_there_is_none(bwrap: Sandbox, workspace: Path) -> None:
    count = "grep -c : /proc/net/dev"
    assert await shell(bwrap, count, workspace, network=False) == (0, "1\n")
    assert await shell(Sandbox("bwrap", network=False), count, workspace) == (0, "1\n")


async def test_further_paths_can_be_opened_to_read_or_to_write(bwrap: Sandbox, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / "a").write_text("a\n")
    (tmp_path / "write").mkdir()
    script = f"cat {tmp_path}/read/a; echo b > {tmp_path}/write/b; ! (echo c > {tmp_path}/read/c) 2>/dev/null"
    more: dict[str, Any] = {"read_only": [tmp_path / "read"], "extra_writable": [tmp_path / "write"]}
    assert await shell(bwrap, script, workspace, **more) == (0, "a\n")
    assert (tmp_path / "write" / "b").read_text() == "b\n"
    assert not (tmp_path / "read" / "c").exists()


async def test_the_pythons_of_a_virtual_environment_run(bwrap: Sandbox, workspace: Path) -> None:
    search = f"{Path(sys.executable).parent}:{PATH}"
    script = f"{Path(sys.executable).name} -c 'import json, sys; print(sys.prefix)'"
    assert await shell(bwrap, script, workspace, {"PATH": search}) == (0, f"{sys.prefix}\n")
    assert await shell(bwrap, f"{python()} -I -S -c 'print(1)'", workspace, {"PATH": search}) == (0, "1\n")


@pytest.mark.parametrize("kind", ["bwrap", "none"])
async def test_a_file_can_not_grow_beyond_its_limit(kind: str, workspace: Path) -> None:
    sandbox = await choose("auto" if kind == "bwrap" else "none", SandboxSettings())
    if sandbox.kind != kind:
        pytest.skip(sandbox.reason)
    limits = Limits(file_bytes_max=100 * 1024)
    await shell(sandbox, "head -c 1000000 /dev/zero > big", workspace, limits=limits)
    assert (workspace / "big").stat().st_size == 100 * 1024


async def test_none_is_none_with_its_reason() -> None:
    assert await choose("none", SandboxSettings(network=False)) == Sandbox("none", "it was asked for", network=False)


async def test_a_missing_bubblewrap_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "it is not installed (`apt install bubblewrap`, `dnf install bubblewrap`)"
    monkeypatch.setattr("obra.services.agent_runner.sandbox._known", [missing])
    assert await choose("auto", SandboxSettings()) == Sandbox("none", missing)
    with pytest.raises(EnvironmentLacks, match="bubblewrap was asked for, but it is not installed"):
        await choose("bwrap", SandboxSettings())


def test_tools_below_a_hidden_home_are_shown_as_narrowly_as_they_run(tmp_path: Path) -> None:
    home = tmp_path.resolve() / "home"
    for folder in (
        ".local/bin", ".local/share/claude/versions", ".local/share/obra", ".cargo/bin", ".pyenv/shims",
        "tools/node/bin", "tools/node/lib/node_modules/cli/bin", "venv/bin", "python/bin", "python/lib", ".ssh",
    ):  # fmt: skip
        (home / folder).mkdir(parents=True)
    (home / ".local/share/claude/versions/2.1.0").touch()
    (home / ".local/bin/claude").symlink_to("../share/claude/versions/2.1.0")
    (home / "tools/node/lib/node_modules/cli/bin/cli.js").touch()
    (home / "tools/node/bin/cli").symlink_to("../lib/node_modules/cli/bin/cli.js")
    (home / "venv/pyvenv.cfg").write_text(f"home = {home}/python/bin\n")
    (home / "python/bin/python3").touch()
    (home / "venv/bin/python").symlink_to(home / "python/bin/python3")
    search = ":".join(f"{home}/{p}" for p in (".local/bin", ".cargo/bin", ".pyenv/shims", "tools/node/bin", "venv/bin"))
    shown = {path for path in readable("sh", search, (str(home),), str(home)) if below(path, str(home))}
    expected = {
        ".local/bin", ".local/share/claude/versions/2.1.0", ".cargo/bin", ".pyenv", "tools/node", "venv", "python"
    }  # fmt: skip
    assert shown == {f"{home}/{path}" for path in expected}


def test_a_tool_installed_later_is_found(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    (home / ".local/bin").mkdir(parents=True)
    search, hidden = f"{home}/.local/bin", (str(home),)
    before = set(readable("sh", search, hidden, str(home)))
    (home / "tool").touch()
    (home / ".local/bin/tool").symlink_to(home / "tool")
    assert set(readable("sh", search, hidden, str(home))) - before == {f"{home}/tool"}
