"""The agent's own clone: complete in itself, without a way back into the user's repository."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from obra.shared.git import EMAIL, LONG_S, Git, failed
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
FEW_FILES_MAX, FEW_BYTES_MAX = 200, 1024 * 1024
PIECE_BYTES = 64 * 1024
OBJECT_ID = re.compile(r"[0-9a-f]{40}")


def grow(target: Target, git_dir: Path, branch: str) -> None:
    """Make *git_dir* a copy of *target*'s objects, branches and tags, at the base commit on local *branch*.

    Objects are copied, not linked: what the agent does to its own can't reach the user's. There is no remote and
    no index yet. A plain repository is copied by hand, which takes half as long as `git clone`. Raises `GitFailed`.
    """
    remove(git_dir)
    plain = target.base and not target.shallow and target.object_format == "sha1"
    if not plain or not _by_hand(target.common_dir, git_dir):
        _by_git(target, git_dir, branch)
    (git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    if target.base:
        ref = git_dir / "refs" / "heads" / branch
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(f"{target.base}\n")


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


def _configure(git_dir: Path) -> None:
    """Drop remotes from a clone's configuration: the agent has no business in the user's repository."""
    config = git_dir / "config"
    kept, keep = [], True
    for line in config.read_text().splitlines(keepends=True):
        if line.startswith("["):
            keep = not line.startswith(('[remote "', '[branch "'))
        kept.append(line if keep else "")
    config.write_text("".join(kept) + CONFIG[CONFIG.index("[user]") :])


def _by_hand(source: Path, git_dir: Path) -> bool:
    """Copy a repository that holds its own objects in the plain format; False if this is no such repository."""
    objects = source / "objects"
    borrowing = objects.is_symlink() or (objects / "info" / "alternates").exists() or (source / "shallow").exists()
    if borrowing or "[extensions]" in (source / "config").read_text().lower():
        return False
    try:
        refs = _refs(source)  # before the objects, so that none of theirs is missing
    except (OSError, UnicodeDecodeError):
        return False
    git_dir.mkdir(mode=0o700)
    if not _copied(objects, git_dir / "objects"):
        remove(git_dir)
        return False
    for name in ("heads", "tags"):
        (git_dir / "refs" / name).mkdir(parents=True)
    (git_dir / "packed-refs").write_text(refs)
    (git_dir / "config").write_text(CONFIG)
    return True


def _copied(objects: Path, to: Path) -> bool:
    """Copy a directory of objects; False if it changes meanwhile (it is being packed) or leads elsewhere."""
    if (small := _few(objects)) is not None:
        return _copied_here(objects, to, small)
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["cp", "-R", str(objects), str(to)], env=env, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=LONG_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    folders = [to, to / "pack"] if (to / "pack").is_dir() else [to]
    return not done.returncode and not any(entry.is_symlink() for at in folders for entry in os.scandir(at))


def _few(objects: Path) -> dict[str, list[str]] | None:
    """Return the files of every folder in *objects*, if they are few and lie where git puts them; else None."""
    found: dict[str, list[str]] = {}
    left = FEW_FILES_MAX
    for folder in os.scandir(objects):
        if not folder.is_dir(follow_symlinks=False):
            return None
        names = found[folder.name] = []
        with os.scandir(folder.path) as entries:
            for entry in entries:
                left -= 1
                large = folder.name == "pack" and entry.stat().st_size > FEW_BYTES_MAX
                if left < 0 or large or not entry.is_file(follow_symlinks=False):
                    return None
                names.append(entry.name)
    return found


def _copied_here(objects: Path, to: Path, files: dict[str, list[str]]) -> bool:
    """Copy *files* without another program, which would take longer to start than a few files to copy."""
    try:
        os.mkdir(to, 0o700)
        for folder, names in files.items():
            source, target = f"{objects}/{folder}/", f"{to}/{folder}/"
            os.mkdir(target, 0o700)
            for name in names:
                _copy_file(source + name, target + name)
    except FileNotFoundError:
        return False
    return True


def _copy_file(source: str, to: str) -> None:
    """Copy a file with as few calls of the system as there can be: a task waits while this is done."""
    reading = os.open(source, os.O_RDONLY)
    try:
        writing = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        try:
            while data := os.read(reading, PIECE_BYTES):
                while data:
                    data = data[os.write(writing, data) :]
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _refs(source: Path) -> str:
    """Return branches, as those of a remote, and tags, in the format of `packed-refs`.

    Branches that Obra has delivered for other tasks stay out.
    """
    refs = {}
    packed = source / "packed-refs"
    for line in packed.read_text().splitlines() if packed.is_file() else []:
        commit, _, name = line.partition(" ")
        if OBJECT_ID.fullmatch(commit):
            refs[name] = commit
    for kind in ("heads", "tags"):
        for at, folders, names in os.walk(source / "refs" / kind):
            if at.endswith("/refs/heads") and "obra" in folders:
                folders.remove("obra")
            for name in names:
                path = Path(at, name)
                refs[path.relative_to(source).as_posix()] = path.read_text().strip()
    renamed = {name.replace("refs/heads/", "refs/remotes/origin/", 1): commit for name, commit in refs.items()}
    wanted = {
        name: commit for name, commit in renamed.items() if name.startswith(("refs/remotes/origin/", "refs/tags/"))
    }
    return "".join(f"{commit} {name}\n" for name, commit in sorted(wanted.items()) if OBJECT_ID.fullmatch(commit))
