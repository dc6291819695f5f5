"""The agent's own clone: complete in itself, without a way back into the user's repository."""

import os
import shutil
from pathlib import Path

from obra.shared.git import EMAIL, LONG_S, Git, failed
from obra.shared.repository import Target

OPEN = ("-c", "protocol.file.allow=always", "-c", "uploadpack.allowAnySHA1InWant=true")
ALONE = ("-c", "user.name=Obra agent", "-c", f"user.email={EMAIL}", "-c", "gc.auto=0")


def clone(target: Target, into: Path, branch: str) -> None:
    """Clone *target* into *into* without checking anything out; *branch* is the name for a first commit.

    Objects are copied, not linked: what the agent does to its own can't reach the user's. Raises `GitFailed`.
    """
    if not target.base:
        Git().run("init", "-q", "--template=", f"--object-format={target.object_format}", f"--initial-branch={branch}",
                  str(into))  # fmt: skip
        _configure(into)
        return
    copy(target.path, target.common_dir, into, pinned=target.base if target.shallow else "")


def check_out(workspace: Path, branch: str, base: str) -> None:
    """Put *base* on local *branch* into a fresh clone, whose configuration is still ours."""
    Git(cwd=workspace).run("checkout", "-q", "--no-track", "-B", branch, base, timeout_s=LONG_S)


def regrow(target: Target, workspace: Path, scratch: Path, branch: str) -> None:
    """Give *workspace* a new ``.git`` at the base commit; its files stay as they are, what was staged is lost."""
    remove(scratch)
    clone(target, scratch, branch)
    if target.base:
        git = Git(git_dir=scratch / ".git")
        git.run("update-ref", f"refs/heads/{branch}", target.base)
        git.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        git.run("read-tree", target.base)
    remove(workspace / ".git")
    (scratch / ".git").rename(workspace / ".git")
    remove(scratch)


def remove(path: Path) -> None:
    """Remove whatever is at *path*, also what an agent has made unwritable; nothing there is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    if path.exists():
        _unlock(path)
        shutil.rmtree(path)


def _unlock(path: Path) -> None:
    """Make every directory below *path* writable by us, so that it can be emptied."""
    for at, directories, _ in os.walk(path):
        for name in ("", *directories):
            place = os.path.join(at, name)
            if not os.path.islink(place) and not os.access(place, os.R_OK | os.W_OK | os.X_OK):
                os.chmod(place, 0o700)


def copy(source: Path, common_dir: Path, into: Path, pinned: str = "") -> None:
    """Clone the repository *source*, whose objects are in *common_dir*, *pinned* with it, and drop its remote."""
    borrowed = ["--dissociate"] if (common_dir / "objects" / "info" / "alternates").exists() else []
    wanted = ["-c", f"remote.origin.fetch=+{pinned}:refs/obra/base"] if pinned else []
    flags = ["-q", "--no-hardlinks", "--no-checkout", "--template=", *borrowed, *ALONE, *wanted]
    said = Git().try_(*OPEN, "clone", *flags, "--", str(source), str(into), timeout_s=LONG_S)
    if said.code and "symlink" in said.err:  # git copies no object directory that is linked elsewhere
        remove(into)
        said = Git().try_(*OPEN, "clone", "--no-local", *flags, "--", str(source), str(into), timeout_s=LONG_S)
    if said.code:
        raise failed(("clone",), said.code, said.err)
    _configure(into)


def _configure(clone: Path) -> None:
    """Drop remotes from the clone's configuration: the agent has no business in the user's repository."""
    config = clone / ".git" / "config"
    kept, keep = [], True
    for line in config.read_text().splitlines(keepends=True):
        if line.startswith("["):
            keep = not line.startswith(('[remote "', '[branch "'))
        kept.append(line if keep else "")
    config.write_text("".join(kept))
