"""Options that many commands share, and what they turn into."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from obra.events.subjects import Scope
from obra.shared.config import Settings, home_of, load
from obra.shared.home import Home

if TYPE_CHECKING:
    from obra.shared.client import Orchestrator

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Which Obra a command speaks to: its home, its settings and the file they were read from."""

    home: Home
    settings: Settings
    config: Path | None

    def obra(self, *, start: bool = True) -> "Orchestrator":
        """Return what joins the Obra of this place; unless *start*, only one that runs already."""
        from obra.shared.client import Orchestrator  # noqa: PLC0415 - nats-py, and `sql` at rest needs none

        return Orchestrator(self.home.root, settings=self.settings, config=self.config, start=start)

    def scope(self, task: str, project: str | None) -> Scope:
        """Return the scope of *task* in *project*, else in the configured one."""
        return Scope(project or self.settings.project, task)


def place_of(config: Path | None) -> Place:
    """Read where and how Obra runs; `BadSetting` names what is wrong."""
    root = home_of()
    return Place(Home(root), load(root, config), config)


def placed(command: Command) -> Command:
    """Add --config to *command* and call it with the `Place` as its first argument."""

    @wraps(command)
    def call(*args: Any, config: Path | None, **kwargs: Any) -> Any:
        return command(place_of(config.absolute() if config else None), *args, **kwargs)

    option = click.option(
        "--config", type=click.Path(path_type=Path), help="Settings file [default: obra.toml in OBRA_HOME]."
    )
    return option(call)  # type: ignore[return-value]


def in_project(command: Command) -> Command:
    """Add --project to *command*."""
    option = click.option("--project", metavar="NAME", help="Project of the task [default: as configured].")
    return option(command)


def as_json(help: str = "Print one JSON object.") -> Callable[[Command], Command]:
    """Return what adds --json to a command."""
    return click.option("--json", "json_", is_flag=True, help=help)


def as_of(help: str) -> Callable[[Command], Command]:
    """Return what adds --as-of to a command."""
    return click.option("--as-of", metavar="POINT", help=help)
