"""What the pages say of commands, options, settings and one another is so."""

import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import msgspec
import pytest

from obra.events import Policy
from obra.services.console.main import COMMANDS
from obra.shared.config import Settings, load
from obra.shared.goals import read_plan

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?:^|(?<=[\s`]))obra ((?:[a-z][a-z-]*|--?[a-z]).*)")


def heading(text: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^a-z0-9 _-]", "", text.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        there = (page.parent / path).resolve() if path else page
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE) if anchor and there.is_file() else []
        if not there.exists() or (anchor and anchor not in map(heading, headings)):
            broken.append(target)
    assert broken == []


def calls(text: str) -> Iterator[str]:
    """Yield every call of the command in *text*: in blocks of shell, and between backticks."""
    for language, code in FENCED.findall(text):
        if language in ("", "sh", "console"):
            yield from (found[1] for line in code.splitlines() if (found := COMMAND.search(line.partition("#")[0])))
    for quoted in re.findall(r"`([^`\n]+)`", FENCED.sub("", text)):
        if found := COMMAND.match(quoted):
            yield found[1]


@cache
def command(name: str) -> click.Command:
    module, attribute = COMMANDS[name][0].split(":")
    found: click.Command = getattr(importlib.import_module(f"obra.services.console.commands.{module}"), attribute)
    return found


def unknown(call: str) -> str:
    """Return what in *call* there is not; empty: it is a call that may be made."""
    words = re.sub(r"'[^']*'|\"[^\"]*\"", "X", call).split()
    if not words or words[0] not in {*COMMANDS, "--help", "--version"}:
        return f"obra {words[0] if words else ''}"
    if words[0] not in COMMANDS:
        return ""
    at = command(words[0])
    if isinstance(at, click.Group) and len(words) > 1 and words[1] in at.commands:
        at = at.commands[words.pop(1)]
    known = {option for parameter in at.params for option in (*parameter.opts, *parameter.secondary_opts)}
    if isinstance(at, click.Group):
        known |= {o for sub in at.commands.values() for parameter in sub.params for o in parameter.opts}
    options = {word.partition("=")[0].strip("[],;") for word in words[1:] if re.match(r"\[?--?[a-z]", word)}
    return " ".join(sorted(options - known - {"--help", "-h"}))


@pytest.mark.parametrize("name", [name for name in NAMES if "decisions" not in name])
def test_every_call_of_the_command_may_be_made(name: str) -> None:
    wrong = {call: what for call in calls((ROOT / name).read_text()) if (what := unknown(call))}
    assert wrong == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_the_policy_that_is_named_is_one(name: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(Policy)}
    named = set(re.findall(r"`decision\.([a-z_]+)", (ROOT / name).read_text())) - {"made", "shadowed", "overridden"}
    assert sorted(named - set(fields)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_in_toml_is_one(name: str, tmp_path: Path) -> None:
    for language, code in FENCED.findall((ROOT / name).read_text()):
        if language == "toml" and "[[task]]" in code:
            (tmp_path / "plan.toml").write_text(code)
            assert read_plan(tmp_path / "plan.toml")
        elif language == "toml":
            (tmp_path / "obra.toml").write_text(code)
            assert isinstance(load(tmp_path, environ={}), Settings), tomllib.loads(code)
