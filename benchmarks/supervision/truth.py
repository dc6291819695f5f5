"""Ground truth: hidden checks, run over what an attempt has left, by this benchmark and not by Obra."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.supervision.cases import Case

LIMIT_S = 240.0


class Mislabelled(AssertionError):
    """A label says one thing and the hidden checks say another."""


class Truth:
    """Confirms labels, each case once."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._gate = asyncio.Semaphore(2)

    async def confirm(self, case: Case, git_dir: Path, commit: str) -> None:
        """Run the hidden checks on the recorded tree of *case*; `Mislabelled` if they don't agree with its label."""
        if case.id in self._known:
            return
        self._known.add(case.id)
        async with self._gate:
            said = await asyncio.to_thread(_run, case, git_dir, commit)
        if (not said) is not case.good:
            raise Mislabelled(f"{case.id} is labelled {'good' if case.good else 'bad'}: {said or 'every check passed'}")


def _run(case: Case, git_dir: Path, commit: str) -> str:
    """Return what the first hidden check that fails says; empty if all pass."""
    with tempfile.TemporaryDirectory(prefix="obra-truth-") as folder:
        place = Path(folder) / "work"
        place.mkdir()
        subprocess.run(
            ["git", f"--git-dir={git_dir}", f"--work-tree={place}", "checkout", "-q", commit, "--", "."],
            capture_output=True, check=True, timeout=LIMIT_S,
            env={"PATH": os.environ["PATH"], "GIT_INDEX_FILE": f"{folder}/index"},
        )  # fmt: skip
        for root, files in ((place, case.task.hidden), (place / "base", case.task.files)):
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
        for command in case.task.hidden_checks:
            ran = subprocess.run(
                ["bash", "-c", command], cwd=place, capture_output=True, timeout=LIMIT_S, check=False,
                env={**environment(), "HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
            if ran.returncode:
                return (
                    f"`{command}` exited {ran.returncode}: {(ran.stdout + ran.stderr).decode(errors='replace')[-600:]}"
                )
    return ""


def environment() -> dict[str, str]:
    """Return the PATH on which ``python`` is the interpreter that runs this, which has pytest."""
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
