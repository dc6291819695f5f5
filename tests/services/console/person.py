"""A person at a shell: a repository, an Obra home, and nothing else in the environment."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
OBRA = [str(Path(sys.executable).with_name("obra"))]


def _hears_ctrl_c() -> None:
    """Undo what a shell does to jobs in the background: they ignore Ctrl-C, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Person:
    """*llm* is where Obra looks for a model: nowhere, unless a test serves one."""

    root: Path
    llm: str = "http://127.0.0.1:9"

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    @property
    def home(self) -> Path:
        return self.root / "obra"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root / "home"),
            "OBRA_HOME": str(self.home), "LANG": "C.UTF-8", "OBRA_LLM__BASE_URL": self.llm,
        }  # fmt: skip

    def git(self, *args: str) -> str:
        argv = ["git", "-c", "user.name=p", "-c", "user.email=p@localhost", *args]
        done = subprocess.run(argv, cwd=self.repo, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout

    def script(self, *attempts: list[dict[str, Any]]) -> str:
        path = self.root / "attempts.json"
        path.write_text(json.dumps({"attempts": [{"steps": steps} for steps in attempts]}))
        return f"scripted:{path}"

    def obra(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*OBRA, *args], cwd=self.repo, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT_S,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *args: str, code: int = 0) -> Any:
        return json.loads(self.obra(*args, "--json", code=code).stdout)

    def lines(self, *args: str) -> list[Any]:
        return [json.loads(line) for line in self.obra(*args).stdout.splitlines()]

    @contextlib.contextmanager
    def start(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command; it is killed when the block ends, if it still runs."""
        process = subprocess.Popen(
            [*OBRA, *args], cwd=self.repo, env=self.environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_hears_ctrl_c,  # noqa: PLW1509 - sets one signal, nothing else
        )  # fmt: skip
        with process:
            try:
                yield process
            finally:
                process.kill()

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Keep Obra running while the block runs."""
        with self.start("up") as process:
            assert process.stdout
            assert process.stdout.readline().startswith("Obra runs on ")
            yield


def arrived(root: Path) -> Person:
    """Return a person with a fresh repository of one commit below *root*."""
    person = Person(root)
    for folder in (person.repo, root / "home"):
        folder.mkdir()
    person.git("init", "-q", "-b", "main")
    (person.repo / "a.txt").write_text("a\n")
    person.git("add", "-A")
    person.git("commit", "-q", "-m", "first")
    return person
