"""docs/cli.md leaves nothing out."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from obra.services.console.main import COMMANDS
from obra.shared.config import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))


def options(command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in command.commands:
            yield from options(command.commands[name])
    for parameter in command.params:
        if isinstance(parameter, click.Option) and "--config" not in parameter.opts:
            yield parameter.opts[0]


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(field.get_default(call_default_factory=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_are_described(name: str) -> None:
    module, attribute = COMMANDS[name][0].split(":")
    command = getattr(importlib.import_module(f"obra.services.console.commands.{module}"), attribute)
    section = SECTIONS[f"obra {name}"]
    if name in ("reject", "retry"):
        section = SECTIONS["obra approve"]
    assert [option for option in options(command) if f"`{option}" not in section] == []


def test_every_setting_is_described_with_its_default() -> None:
    described = re.findall(r"^\| `([a-z_.]+)` \| `(.*?)` \|", SECTIONS["Settings"], re.MULTILINE)
    assert described == list(keys(Settings))
