"""The agent's own clone: complete in itself, without a way back into the user's repository."""

import contextlib
import os
import re
from pathlib import Path

from obra.services.agent_runner import objects
from obra.shared.git import EMAIL, LONG_S, Git, failed
from obra.shared.removal import remove
from obra.shared.repository import Target

OPEN = ("-c", "protocol.file.allow=always", "-c", "uploadpack.allowAnySHA1InWant=true")

CONFIG = f"""[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
[user]
\tname = Obra agent
\temail = {EMAIL}
[gc]
\tauto = 0
"""
OWN = "refs/heads/obra/"
OBJECT_ID = re.compile(r"[0-9a-f]{40}")


def grow(target: Target, git_dir: Path, branch: str) -> None:
    """Make *git_dir* a copy of *target*'s objects, branches and tags, at the base commit on local *branch*.

    Objects are copied, not linked: what the agent does to its own can't reach the user's. There is no remote and
    no index yet. A plain repository is copied by hand, which takes half as long as `git clone`. Raises `GitFailed`.
    """
    remove(git_dir)
    if not _by_hand(target, git_dir, branch):
        _by_git(target, git_dir, branch)


def foresee(target: Target) -> None:
    """Find out what the next `grow` from the same state of the repository has to copy. Blocking."""
    with contextlib.suppress(OSError):  # what can't be read will be said when it counts
        if (refs := refs_of(target)) is not None:
            objects.foresee(target.common_dir / "objects", _tips(target, refs))


def copy(source: Path, common_dir: Path, into: Path, pinned: str = "") -> None:
    """Clone the repository *source*, whose objects are in *common_dir*, *pinned* with it, and drop its remote."""
    borrowed = ["--dissociate"] if (common_dir / "objects" / "info" / "alternates").exists() else []
    wanted = ["-c", f"remote.origin.fetch=+{pinned}:refs/obra/base"] if pinned else []
    flags = ["-q", "--no-hardlinks", "--no-checkout", "--template=", *borrowed, *wanted]
    said = Git().try_(*OPEN, "clone", *flags, "--", str(source), str(into), timeout_s=LONG_S)
    if said.code and "symlink" in said.err:  # git copies no object directory that is linked elsewhere
        remove(into)
        said = Git().try_(*OPEN, "clone", "--no-local", *flags, "--", str(source), str(into), timeout_s=LONG_S)
    if said.code:
        raise failed(("clone",), said.code, said.err)
    _configure(into / ".git")


def _by_git(target: Target, git_dir: Path, branch: str) -> None:
    scratch = git_dir.with_name("cloned")
    remove(scratch)
    if target.base:
        copy(target.path, target.common_dir, scratch, pinned=target.base if target.shallow else "")
    else:
        made = ("--template=", f"--object-format={target.object_format}", f"--initial-branch={branch}")
        Git().run("init", "-q", *made, str(scratch))
        _configure(scratch / ".git")
    (scratch / ".git").rename(git_dir)
    remove(scratch)
    (git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    if target.base:
        ref = git_dir / "refs" / "heads" / branch
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(f"{target.base}\n")


def _configure(git_dir: Path) -> None:
    """Drop remotes from a clone's configuration: the agent has no business in the user's repository."""
    config = git_dir / "config"
    kept, keep = [], True
    for line in config.read_text().splitlines(keepends=True):
        if line.startswith("["):
            keep = not line.startswith(('[remote "', '[branch "'))
        kept.append(line if keep else "")
    config.write_text("".join(kept) + CONFIG[CONFIG.index("[user]") :])


def _by_hand(target: Target, git_dir: Path, branch: str) -> bool:
    """Copy a repository that holds its own objects in the plain format; False if this is no such repository."""
    source = target.common_dir
    if (refs := refs_of(target)) is None:  # read before the objects, so that none of theirs is missing
        return False
    git_dir.mkdir(mode=0o700)
    if not objects.copy(source / "objects", git_dir / "objects", _tips(target, refs)):
        remove(git_dir)
        return False
    (git_dir / "refs").mkdir()
    (git_dir / "config").write_text(CONFIG)
    name(git_dir, target.base, refs, branch)
    return True


def name(git_dir: Path, base: str, refs: str, branch: str) -> None:
    """Have a clone that was copied by hand stand at *base* on *branch*, beside the branches and tags in *refs*."""
    (git_dir / "packed-refs").write_text(f"{base} refs/heads/{branch}\n{refs}")
    (git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")


def refs_in(git_dir: Path) -> str:
    """Return the *refs* with which a clone was named."""
    return (git_dir / "packed-refs").read_text().partition("\n")[2]


def refs_of(target: Target) -> str | None:
    """Return branches and tags as a clone is to have them; None if the repository can't be copied file by file."""
    source = target.common_dir
    if not target.base or target.shallow or target.object_format != "sha1":
        return None
    theirs = source / "objects"
    borrowing = theirs.is_symlink() or (theirs / "info" / "alternates").exists() or (source / "shallow").exists()
    if borrowing or "[extensions]" in (source / "config").read_text(errors="replace").lower():
        return None
    try:
        return _refs(source)
    except (OSError, UnicodeDecodeError):
        return None


def _tips(target: Target, refs: str) -> str:
    return f"{target.base}\n{refs}"


def _refs(source: Path) -> str:
    """Return branches, as those of a remote, and tags, in the format of `packed-refs`.

    Branches that Obra has delivered for other tasks stay out.
    """
    refs = {}
    packed = source / "packed-refs"
    for line in packed.read_text().splitlines() if packed.is_file() else []:
        commit, _, name = line.partition(" ")
        refs[name] = commit
    for kind in ("heads", "tags"):
        for at, directories, names in os.walk(source / "refs" / kind):
            directories[:] = [name for name in directories if Path(at, name) != source / OWN]  # one for each task
            for name in names:
                path = Path(at, name)
                refs[path.relative_to(source).as_posix()] = path.read_text().strip()
    wanted = {}
    for name, commit in refs.items():
        named = name.startswith(("refs/heads/", "refs/tags/")) and not name.startswith(OWN) and name[-5:] != ".lock"
        if named and OBJECT_ID.fullmatch(commit):
            wanted[name.replace("refs/heads/", "refs/remotes/origin/", 1)] = commit
    return "".join(f"{commit} {name}\n" for name, commit in sorted(wanted.items()))
