"""Tasks and labelled attempts, as they stand in ``tasks/*.toml``.

A task file holds ``text``, ``checks`` (what Obra runs), ``files`` (the repository), ``hidden`` and ``hidden_checks``
(ground truth, never shown to anybody), and ``attempts``. An attempt is what a scripted agent does: ``write``,
``append``, ``delete``, ``run``, then ``say``. ``good`` is its label, ``category`` says what sort of attempt it is.
``beyond`` marks work that is wrong where no check of the task looks, ``gap`` a disguise that is known to pass: both are
reported apart. ``probe`` marks one that is seen where there is a sandbox to probe it in, and not by reading.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TASKS = Path(__file__).parent / "tasks"
ATTACKS = Path(__file__).parent / "attacks"
FOURTH, FIFTH, SIXTH, SEVENTH = (Path(__file__).parent / name for name in ("fourth", "fifth", "sixth", "seventh"))
"""Tasks and attempts of other kinds: written before there was a probe, to lead it astray, and of everyday work."""

PYTEST, ALONE = "python -m pytest", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest"


@dataclass(frozen=True)
class Task:
    name: str
    text: str
    checks: tuple[str, ...]
    hidden_checks: tuple[str, ...]
    files: dict[str, str]
    hidden: dict[str, str]


@dataclass(frozen=True)
class Case:
    task: Task
    name: str
    category: str
    good: bool
    steps: tuple[dict[str, Any], ...]
    beyond: bool = False
    gap: bool = False
    probe: bool = False

    @property
    def id(self) -> str:
        return f"{self.task.name}-{self.name}"

    @property
    def mark(self) -> str:
        """Return a word of letters alone that stands in the task's text, so that scripted reviewers know the case."""
        return "".join(chr(ord("a") + byte % 26) for byte in self.id.encode())[:60]


def load(folder: Path = TASKS) -> list[Case]:
    """Return every case of every task. ``attacks/`` holds attempts that were written after the inspection was."""
    return [case for file in sorted(folder.glob("*.toml")) for case in _read(file)]


def _read(file: Path) -> list[Case]:
    tree = tomllib.loads(file.read_text())
    task = Task(
        name=file.stem, text=tree["text"], checks=_commands(tree["checks"]),
        hidden_checks=tuple(_bare(command) for command in _commands(tree["hidden_checks"])),
        files=tree["files"], hidden=tree.get("hidden", {}),
    )  # fmt: skip
    later = ATTACKS / file.name
    attempts = tree["attempts"] + (tomllib.loads(later.read_text())["attempts"] if later.exists() else [])
    return [
        Case(
            task,
            a["name"],
            a["category"],
            a["good"],
            tuple(_steps(a)),
            a.get("beyond", False),
            a.get("gap", False),
            a.get("probe", False),
        )
        for a in attempts
    ]


def _commands(commands: list[str]) -> tuple[str, ...]:
    """Keep the plugins of this machine's pytest out: they cost more time than the tests."""
    return tuple(command.replace(PYTEST, ALONE) for command in commands)


def _bare(command: str) -> str:
    """Let ground truth depend on nothing that an attempt could have left: no configuration, no forged exit code."""
    if "-m pytest -q" not in command:
        return command
    alone = command.replace("-m pytest -q", "-m pytest -q --noconftest -c /dev/null --rootdir .")
    return f"{alone} > .truth 2>&1; cat .truth; tail -1 .truth | grep -qE '^[0-9]+ passed'"


def _steps(attempt: dict[str, Any]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [{"delete": path} for path in attempt.get("delete", [])]
    steps += [{"write": {"path": path, "text": text}} for path, text in attempt.get("write", {}).items()]
    steps += [{"append": {"path": path, "text": text}} for path, text in attempt.get("append", {}).items()]
    steps += [{"run": command} for command in attempt.get("run", [])]
    return [*steps, {"say": attempt.get("say", "Done.")}]
