"""Repositories to work on, made with the real git in an environment of their own."""

import os
import subprocess
from pathlib import Path

from obra.events.subjects import Scope
from obra.services.agent_runner.checkpoint import Checkpoint, Label, record
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.workspace import Workspace, prepare
from obra.shared.home import Home

SCOPE = Scope("shop", "t1")
LABEL = Label("Add a greeting\n\nin plain words", "t1", 1, 1)
ROOM = 64 * 1024**2


def git(where: Path, *args: str, data: bytes = b"") -> str:
    """Run git as a user would, and return what it printed."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(where), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z", "LC_ALL": "C",
    }  # fmt: skip
    who = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *who, *args], cwd=where, env=env, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def repository(path: Path, **files: str) -> Path:
    """Make a repository with one commit of *files*; two underscores stand for a slash, one for a dot."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    for name, text in (files or {"README_md": "Hello\n"}).items():
        file = path / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "first")
    return path


def place(tmp_path: Path) -> Place:
    """Return where the task t1 lies in a home of its own."""
    return Place.of(Home(tmp_path / "home"), SCOPE)


def prepared(tmp_path: Path, repo: Path, base: str = "") -> Workspace:
    """Return a prepared workspace for *repo*."""
    return prepare(place(tmp_path), repo, base)


def recorded(workspace: Workspace, label: Label = LABEL, bytes_max: int = ROOM) -> Checkpoint:
    """Record *workspace* with nothing to redact."""
    return record(workspace, label, bytes_max, str)


def tree(workspace: Workspace, commit: str) -> dict[str, str]:
    """Return what a recorded commit holds: path to mode."""
    listed = git(workspace.place.root, f"--git-dir={workspace.place.control}", "ls-tree", "-r", commit)
    return {line.split("\t", 1)[1]: line.split()[0] for line in listed.splitlines()}


def content(workspace: Workspace, commit: str, path: str) -> str:
    """Return a file of a recorded commit."""
    return git(workspace.place.root, f"--git-dir={workspace.place.control}", "show", f"{commit}:{path}")


def state_of(repo: Path) -> dict[str, str]:
    """Return what must not change in a user's repository, whatever Obra does."""
    git_dir = Path(git(repo, "rev-parse", "--absolute-git-dir"))
    watched = [git_dir / name for name in ("HEAD", "index", "config")]
    state = {str(path): path.read_bytes().hex() for path in watched if path.exists()}
    bare = git(repo, "rev-parse", "--is-bare-repository") == "true"
    state["status"] = "" if bare else git(repo, "--no-optional-locks", "status", "--porcelain")
    state["hooks"] = ",".join(sorted(path.name for path in (git_dir / "hooks").glob("*")))
    return state
