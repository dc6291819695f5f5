"""A home, a repository and a script to measure with."""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    home: Path
    repo: Path
    script: Path


@contextlib.contextmanager
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="obra-bench-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        repo, script = root / "repo", root / "script.json"
        repo.mkdir()
        (repo / "README.md").write_text("hello\n")
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        env = {"PATH": os.environ["PATH"], "HOME": folder}
        for args in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"]):
            subprocess.run([*git, *args], cwd=repo, check=True, env=env, timeout=30)
        script.write_text(json.dumps({"attempts": [{"steps": [{"write": {"path": "new.txt", "text": "new\n"}}]}]}))
        yield Place(root / "home", repo, script)
