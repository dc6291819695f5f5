"""What an agent may do when it asks."""

from pathlib import Path
from typing import Any

import pytest

from obra.services.agent_runner.permissions import NOBODY, Permissions, answer
from obra.services.agent_runner.redaction import Redactor, secrets_of

MACHINE = "This command is aimed at the machine and not at the workspace; it is never allowed."


def bash(command: str) -> dict[str, Any]:
    return {"command": command}


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /", "rm -rf /*", "sudo rm -r -f --no-preserve-root /", "rm -rf ~", "rm -rf $HOME", "cd x; rm -rf /etc",
        "mkfs.ext4 /dev/sda1", "dd if=/dev/zero of=/dev/sda bs=1M", "echo x > /dev/sda", "shutdown -h now", "reboot",
        ":(){ :|:& };:", "chmod -R 777 /", "chown -R me / ",
    ],
)  # fmt: skip
def test_nothing_aimed_at_the_machine_is_allowed_anywhere(command: str) -> None:
    for sandboxed in (True, False):
        allowed = Permissions(Path("/w"), sandboxed, checks=(command,))
        assert allowed.problem("Bash", bash(command)) == MACHINE


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf build", "rm -rf ./dist /w/build", "rm -rf /tmp/x", "dd if=a of=b", "dd if=a of=/dev/null",
        "grep reboot x", "echo 'shutdown now?' > notes.txt", "chmod -R u+w src", "python -m pytest 2>/dev/null", "ls /",
        "cat mkfs.txt",
    ],
)  # fmt: skip
def test_in_the_sandbox_work_is_allowed(command: str) -> None:
    assert Permissions(Path("/w"), sandboxed=True).problem("Bash", bash(command)) == ""


@pytest.mark.parametrize("tool", ["AskUserQuestion", "ExitPlanMode"])
def test_nobody_can_be_asked(tool: str) -> None:
    for sandboxed in (True, False):
        assert Permissions(Path("/w"), sandboxed).problem(tool, {}) == NOBODY


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("pytest -q", True), (" pytest -q ", True), ("cd {w} && pytest -q", True), ("pytest", False),
        ("pytest -q; rm x", False), ("cd / && pytest -q", False), ("python3 hello.py", False), ("", False),
    ],
)  # fmt: skip
def test_without_a_sandbox_only_the_checks_are_commands(command: str, allowed: bool, tmp_path: Path) -> None:
    permissions = Permissions(tmp_path, sandboxed=False, checks=("pytest -q",))
    problem = permissions.problem("Bash", bash(command.format(w=tmp_path)))
    assert problem == (
        ""
        if allowed
        else "There is no sandbox, so only the task's own checks may be run as commands (pytest -q). "
        "Do the work with the file tools, or say what should be run."
    )


@pytest.mark.parametrize(
    ("tool", "path", "allowed"),
    [
        ("Write", "{w}/a.py", True), ("Write", "a.py", True), ("Edit", "{w}/sub/../a.py", True),
        ("Write", "/etc/passwd", False), ("Write", "{w}/../a", False), ("Write", "{w}-other/a", False),
        ("Write", "{w}/link/a", False), ("Write", "{w}/.git/hooks/pre-commit", False), ("Read", "{w}/.git/HEAD", True),
        ("Read", "/etc/passwd", False), ("Read", "{w}/link/a", False),
    ],
)  # fmt: skip
def test_without_a_sandbox_files_are_those_of_the_workspace(
    tool: str, path: str, allowed: bool, tmp_path: Path
) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    (workspace / "link").symlink_to(tmp_path)
    problem = Permissions(workspace, sandboxed=False).problem(tool, {"file_path": path.format(w=workspace)})
    assert problem == ("" if allowed else f"There is no sandbox, so {tool} is limited to the workspace {workspace}.")


def test_without_a_sandbox_other_tools_are_denied() -> None:
    problem = Permissions(Path("/w"), sandboxed=False).problem("WebFetch", {"url": "http://example.invalid"})
    assert problem == "There is no sandbox, so WebFetch is not allowed. Go on without it and say what is missing."


def test_answers_have_the_form_that_the_agent_expects() -> None:
    permissions = Permissions(Path("/w"), sandboxed=True)
    asked: dict[str, Any] = {"subtype": "can_use_tool", "tool_name": "Bash", "input": bash("ls")}
    allowed = {"behavior": "allow", "updatedInput": bash("ls")}
    assert answer({"request_id": "r1", "request": asked}, permissions) == {
        "type": "control_response", "response": {"subtype": "success", "request_id": "r1", "response": allowed}
    }  # fmt: skip
    denied = {"behavior": "deny", "message": NOBODY}
    asked = {"subtype": "can_use_tool", "tool_name": "AskUserQuestion", "input": 7}
    assert answer({"request_id": "r2", "request": asked}, permissions) == {
        "type": "control_response", "response": {"subtype": "success", "request_id": "r2", "response": denied}
    }  # fmt: skip
    assert answer({"request_id": "r3", "request": []}, permissions) == {
        "type": "control_response", "response": {"subtype": "error", "request_id": "r3", "error": "not supported: None"}
    }  # fmt: skip


def test_secrets_are_what_was_named_for_the_agent_and_is_not_harmless() -> None:
    env = {
        "PATH": "/usr/bin:/usr/local/bin", "API_KEY": "k-12", "MY_TOKEN": "abc", "FEATURE": "on",
        "LICENCE": "ABCD-1234",
        "BASE_URL": "http://127.0.0.1:99/x", "DB": "postgres://u:p@host/db", "NODE_OPTIONS": "--max-old-space-size=1",
        "CLAUDE_CODE_OAUTH_TOKEN": "oauth-9", "WORK_DIR": "/srv/somewhere",
    }  # fmt: skip
    assert secrets_of(env) == ["k-12", "ABCD-1234", "postgres://u:p@host/db", "oauth-9"]


def test_a_secret_is_found_as_it_stands_and_as_json_writes_it() -> None:
    redact = Redactor(['a"b\nc', "ab", "abab"])
    assert redact('1 a"b\nc 2 a\\"b\\nc 3 abab 4 ab') == "1 [redacted] 2 [redacted] 3 [redacted] 4 [redacted]"
    assert Redactor()("nothing to hide") == "nothing to hide"
