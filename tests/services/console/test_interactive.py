"""`obra interactive`: what a line comes to, and a whole conversation with a real Obra."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from obra.services.console.commands.interactive import Prompt
from obra.services.console.options import Place
from obra.shared.config import Settings
from obra.shared.home import Home
from tests import processes
from tests.services.console.person import OBRA, TIMEOUT_S, arrived


def prompt(tmp_path: Path, called: list[tuple[str, list[str]]]) -> Prompt:
    def call(args: Sequence[str]) -> int:
        called.append((os.environ.get("OBRA_PROJECT", ""), list(args)))
        return 1 if args[0] == "show" else 0

    return Prompt(Place(Home(tmp_path), Settings(), None), call, terminal=False)


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("run 'add a flag' --check 'pytest -q'", ["run", "add a flag", "--check", "pytest -q"]),
        ("/status", ["status"]),
        ("/pause", ["project", "pause"]),
        ("/resume shop", ["project", "resume", "shop"]),
        ("/stop", ["down"]),
        ("/to-impl t1 keep the old name", ["retry", "t1", "--note", "keep the old name"]),
        ("/to-orch t1 looks good, ship it", ["say", "t1", "looks good, ship it"]),
        ("/override-decision t1 stop", ["override", "t1", "stop"]),
    ],
)
def test_a_line_becomes_a_command(tmp_path: Path, line: str, args: list[str]) -> None:
    called: list[tuple[str, list[str]]] = []
    assert prompt(tmp_path, called).line(line) == 0
    assert called == [("", args)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("statsu", "there is no command 'statsu'; did you mean status?"),
        ("/nonsense", "there is no command 'nonsense'"),
        ("run 'add", "No closing quotation: quote what belongs together"),
        ("/to-impl t1", "/to-impl takes the ID of what waits, and a text"),
        ("use a.b", "project 'a.b': up to 64 letters, digits, dashes and underscores, please"),
        ("make the tests pass", "'make the tests pass' is no command, and nothing waits that it could be about"),
    ],
)
def test_what_can_not_be_done_is_said_and_nothing_is_called(
    tmp_path: Path, line: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[tuple[str, list[str]]] = []
    assert prompt(tmp_path, called).line(line) == 2
    assert (called, capsys.readouterr().err) == ([], f"obra: {problem}\n")


def test_the_project_in_use_is_that_of_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBRA_PROJECT", raising=False)
    called: list[tuple[str, list[str]]] = []
    shell = prompt(tmp_path, called)
    assert [shell.line(line) for line in ("use shop", "status", "show t1", "use", "status")] == [0, 0, 1, 0, 0]
    assert called == [("shop", ["status"]), ("shop", ["show", "t1"]), ("", ["status"])]
    assert "OBRA_PROJECT" not in os.environ


@pytest.mark.bus
def test_a_conversation_from_standard_input(tmp_path: Path) -> None:
    person = arrived(tmp_path)
    agent = person.script([{"write": {"path": "b.txt", "text": "b\n"}}])
    lines = [
        "# a comment", "use shop", f"run 'add b' --agent {agent} --llm none --sandbox none --task-id t1", "inbox",
        "/to-impl t1 with a c", "approve t1", "exit", "status",
    ]  # fmt: skip
    done = subprocess.run(
        [*OBRA, "interactive"], cwd=person.repo, env=person.environment, input="\n".join(lines), text=True,
        capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "")
    assert [row["status"] for row in person.json("task", "list", "--all", "--project", "shop")] == ["completed"]
    assert "with a c" in person.obra("prompt", "show", "t1", "--project", "shop").stdout
    assert "Obra does not run" not in done.stdout
    assert processes.left(person.home) == []
