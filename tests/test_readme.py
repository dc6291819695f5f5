"""Whatever the README tells people to do works."""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from obra.services.console.main import COMMANDS
from obra.shared.config import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL)
SETUP = "these two set up the environment"
CLAUDE = "the test runs this with a scripted agent"
ATTEMPTS = '{"attempts": [{"steps": [{"write": {"path": "report.py", "text": "flag = True\\n"}}]}]}'


@dataclass(frozen=True)
class Snippet:
    language: str
    code: str
    note: str

    @property
    def exit_code(self) -> int:
        return int(self.note.removeprefix("exit ")) if self.note.startswith("exit ") else 0


SNIPPETS = [Snippet(m["language"], m["code"], m["note"] or "") for m in BLOCK.finditer(README)]


def test_the_readme_begins_with_what_obra_is_and_the_two_commands() -> None:
    first = SNIPPETS[0]
    assert README.startswith("# Obra\n\nObra supervises coding agents.")
    assert first.note.startswith(SETUP)
    assert first.code == "pip install uv && uv run obra demo\npip install uv && uv run pytest\n"
    ci = ROOT / ".ci" / "run"
    assert not ci.exists() or re.search(r"^pip install .*\buv && uv run pytest", ci.read_text(), re.MULTILINE)


def test_every_snippet_is_of_a_kind_that_is_run() -> None:
    assert {s.language for s in SNIPPETS} == {"console", "sh", "python", "toml", "text"}


def test_every_command_is_in_the_table() -> None:
    assert [name for name in COMMANDS if f"`obra {name}" not in README and f"`{name}" not in README] == []


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []


def test_the_settings_shown_are_settings(tmp_path: Path) -> None:
    for snippet in SNIPPETS:
        if snippet.language == "toml":
            (tmp_path / "obra.toml").write_text(snippet.code)
            assert load(tmp_path, environ={}).project == tomllib.loads(snippet.code)["project"]


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """A person's repository, and an environment with nothing in it but what a shell needs."""
    repo = tmp_path / "repo"
    repo.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path / "home"),
        "OBRA_HOME": str(tmp_path / "obra"), "LANG": "C.UTF-8",
    }  # fmt: skip
    (tmp_path / "home").mkdir()
    git = "git init -q -b main . && git -c user.name=p -c user.email=p@localhost commit -q --allow-empty -m first"
    subprocess.run(["sh", "-c", git], cwd=repo, env=environment, check=True)
    return environment


@pytest.mark.bus
def test_the_snippets_work_one_after_the_other(place: dict[str, str], tmp_path: Path) -> None:
    for snippet in SNIPPETS:
        if snippet.language not in ("sh", "python"):
            continue
        done = run(snippet, place, tmp_path / "repo")
        assert (done.returncode, snippet.code) == (snippet.exit_code, snippet.code), done.stdout + done.stderr
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def run(snippet: Snippet, environment: dict[str, str], repo: Path) -> subprocess.CompletedProcess[str]:
    code = snippet.code
    if snippet.note.startswith(CLAUDE):
        (repo / "scripted.json").write_text(ATTEMPTS)
        code = code.replace("obra run ", "obra run --agent scripted:scripted.json ").replace("pytest -q", "true")
    argv = ["bash", "-euo", "pipefail", "-c", code] if snippet.language == "sh" else [sys.executable, "-c", code]
    return subprocess.run(argv, cwd=repo, env=environment, capture_output=True, text=True, timeout=60, check=False)
