"""What a person asks for is checked before anything is said."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from obra.events import TaskSubmitted
from obra.events.subjects import Scope
from obra.shared.config import Settings
from obra.shared.errors import BadUsage, EnvironmentLacks
from obra.shared.submission import prepare, task_id

SCRIPT = '{"attempts": [{"steps": [{"say": "done"}]}]}'


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "attempts.json"
    path.write_text(SCRIPT)
    return path


def test_an_id_reads_like_the_task() -> None:
    told = [task_id(text).rsplit("-", 1) for text in ("Add a --json flag to report", "Ünïcode only?", "…", "x" * 40)]
    assert [slug for slug, _ in told] == ["add-a-json-flag-to", "n-code-only", "task", "x" * 24]
    assert all(len(tail) == 4 for _, tail in told)


def test_a_submission_carries_the_event_and_what_never_travels(repo: Path, script: Path) -> None:
    made = prepare(
        "add a flag", repo=repo / ".git" / "..", settings=Settings(), project="shop", task="t1",
        agent=f"scripted:{script}", checks=("pytest -q",), attempts_max=2, model=None, base=None,
        agent_env=("TOKEN", "MODE=fast=1"), environ={"PATH": "/bin", "TOKEN": "secret", "OTHER": "x"},
    )  # fmt: skip
    assert made.scope == Scope("shop", "t1")
    assert made.event == TaskSubmitted(
        text="add a flag", repo=str(repo), checks=("pytest -q",), agent=f"scripted:{script}", attempts_max=2,
        agent_env=("TOKEN", "MODE"),
    )  # fmt: skip
    assert made.environment == {"PATH": "/bin", "TOKEN": "secret", "MODE": "fast=1"}
    assert "secret" not in str(made.event)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"text": "  "}, "the task is empty: say in words what is to be done"),
        ({"task": "a b"}, "task id 'a b': up to 64 letters, digits, dashes and underscores, please"),
        ({"project": ""}, None),
        ({"agent": "codex"}, "there is no agent 'codex': there are `claude` and `scripted:FILE`"),
        ({"checks": ("pytest", " ")}, "a check is empty: give --check a shell command, like --check 'pytest -q'"),
        ({"agent_env": ("A-B",)}, "--agent-env 'A-B' is no name of a variable: give NAME or NAME=VALUE"),
        (
            {"agent_env": ("NOPE",)},
            "--agent-env NOPE: your environment has no NOPE; give NOPE=VALUE or export it",
        ),
        ({"task": "-"}, "task id '-': up to 64 letters, digits, dashes and underscores, please"),
        ({"attempts_max": 0}, "--attempts: must be at least 1"),
        ({"timeout_s": -1.0}, "--timeout: must be more than 0"),
        ({"checks": ["true"] * 33}, "--check: must be at most 32 of them"),
        ({"model": "m" * 201}, "--model: must be at most 200 characters"),
        ({"text": "a\udcff"}, r"'a\udcff' is not UTF-8 and can't be recorded: write or name it so"),
        ({"budget_usd": float("nan")}, "the budget must be more than 0 USD, not nan"),
        ({"budget_usd": float("inf")}, "the budget must be more than 0 USD, not inf"),
        ({"llm": "gpt"}, "the reviewer must be `auto`, `none`, `ollama/MODEL` or `openai/MODEL`, not 'gpt'"),
        ({"base": "nonsense"}, "'nonsense' names no commit in"),
        ({"repo": "/nowhere/at/all"}, "there is no directory /nowhere/at/all"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    repo: Path, script: Path, wishes: dict[str, Any], said: str | None
) -> None:
    asked: dict[str, Any] = {"text": "x", "repo": repo, "agent": f"scripted:{script}", "environ": {"PATH": "/bin"}}
    asked |= wishes
    text = asked.pop("text")
    if said is None:
        assert prepare(text, settings=Settings(), **asked).scope.project == "default"
        return
    with pytest.raises(BadUsage) as error:
        prepare(text, settings=Settings(), **asked)
    assert str(error.value).startswith(said)


def test_a_missing_agent_is_a_lack_of_the_environment(repo: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="Claude Code is not installed: `npm install -g"):
        prepare("x", repo=repo, settings=Settings(), environ={"PATH": str(repo)})


def test_a_sandbox_that_is_asked_for_and_not_on_path_is_a_lack_of_the_environment(repo: Path, script: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="--sandbox bwrap: bubblewrap is not installed"):
        prepare(
            "x",
            repo=repo,
            settings=Settings(),
            environ={"PATH": str(repo)},
            agent=f"scripted:{script}",
            sandbox="bwrap",
        )


def test_a_configured_agent_that_is_not_there_is_named(repo: Path) -> None:
    settings = Settings.model_validate({"agent": {"claude": {"path": "/nowhere/claude"}}})
    with pytest.raises(EnvironmentLacks, match=r"agent\.claude.path is '/nowhere/claude', which can't be executed"):
        prepare("x", repo=repo, settings=settings, environ={"PATH": "/bin"})
