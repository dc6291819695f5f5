"""Makes the demonstration's repository and the file of its scripted agent, both below the Obra home."""

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from obra.shared.errors import EnvironmentLacks

TEXT = (
    "Add a summary of an order list: `python -m sales.summary FILE` prints how many orders there are, their total "
    "and their mean amount. Orders that are not priced yet don't count. Add tests."
)
GIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The demonstration as it lies on the disk. ``path`` is what agent and checks need as their PATH."""

    repo: Path
    script: Path
    checks: tuple[str, ...]
    path: str


def make(folder: Path, path: str) -> Sample:
    """Write repository and script below *folder*; *path* is the PATH of the person who asks."""
    repo, script = folder / "sales", folder / "attempts.json"
    for name, text in tree("sample").items():
        target = repo / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    _commit(repo, path)
    python = interpreter()
    script.write_text(json.dumps(attempts(python.name), indent=2))
    checks = (f"{python.name} -m pytest -q", f"{python.name} -m sales.summary orders.csv")
    return Sample(repo, script, checks, f"{python.parent}:{path}")


def interpreter() -> Path:
    """Return the interpreter that runs Obra, under its shortest name."""
    python = Path(sys.executable)
    return python.with_name("python") if python.with_name("python").exists() else python


def attempts(python: str) -> dict[str, Any]:
    """Return what the scripted agent does: first something that looks finished and isn't, then the work."""
    return {
        "attempts": [
            {
                "steps": [
                    {"say": "I add sales/summary.py on top of sales.orders.read."},
                    *_writes("attempt1"),
                    {"say": "Done. The summary is implemented and all tests pass."},
                ],
                "cost_usd": 0.012,
                "tokens": {"input": 1_900, "output": 260},
            },
            {
                "steps": [
                    {"say": "The checks are right: there were no tests, and an order without an amount crashes it."},
                    *_writes("attempt2"),
                    {"run": f"{python} -m pytest -q"},
                    {"say": "Done. Unpriced orders are left out now, and 3 tests pass."},
                ],
                "cost_usd": 0.018,
                "tokens": {"input": 2_700, "output": 540},
            },
        ]
    }


def _writes(name: str) -> list[dict[str, Any]]:
    return [{"write": {"path": path, "text": text}} for path, text in tree(name).items()]


def tree(name: str) -> dict[str, str]:
    """Return the files of the tree called *name* by their path in the repository, sorted."""
    found: dict[str, str] = {}

    def walk(at: Traversable, prefix: str) -> None:
        for entry in at.iterdir():
            if entry.is_dir():
                walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".txt"):
                found[prefix + entry.name.removesuffix(".txt")] = entry.read_text()

    walk(files("obra.services.console.demo") / name, "")
    return dict(sorted(found.items()))


def _commit(repo: Path, path: str) -> None:
    """Make *repo* a git repository with one commit, whatever the person's git is configured to do."""
    env = {
        "PATH": path, "HOME": str(repo.parent), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Obra demo", "GIT_AUTHOR_EMAIL": "demo@localhost", "GIT_COMMITTER_NAME": "Obra demo",
        "GIT_COMMITTER_EMAIL": "demo@localhost", "LC_ALL": "C",
    }  # fmt: skip
    for argv in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Order lists can be read"]):
        try:
            subprocess.run(["git", *argv], cwd=repo, env=env, check=True, capture_output=True, timeout=GIT_S)
        except FileNotFoundError as error:
            raise EnvironmentLacks(problem="git is not installed, and Obra needs it: `obra doctor`") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise EnvironmentLacks(problem=f"the sample repository can't be made in {repo}: {said}") from error
