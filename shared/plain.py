"""Reads and writes what stands in plain files of a git directory, where git takes longer to start than to answer.

Only of the common kind of repository, with nothing in its configuration that would change what is done here: any
other is refused, and whoever asks turns to git. References are written as git writes them, behind their lock.
"""

import contextlib
import hashlib
import os
import re
import stat
import time
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from obra.shared.git import EMAIL, NAME, Git
from obra.shared.home import locked

PACKED_BYTES_MAX = 1024 * 1024
COMMIT_BYTES_MAX = 64 * 1024
TREES_KNOWN_MAX = 1_024

UNUSUAL = ("[extensions", "[include", "worktree", "sharedrepository", "fsync", "\\\n")
"""What in a configuration may mean that files are not where, or not what, they usually are."""

SETTING = re.compile(r"\b(repositoryformatversion|bare|logallrefupdates)\b\s*=?\s*(\w*)")
OBJECT_ID = re.compile(r"[0-9a-f]{40}")
COMMIT = re.compile(rb"commit [0-9]+\0tree ([0-9a-f]{40})\n")
BRANCH = "ref: refs/heads/"
REF = re.compile(r"refs(/[A-Za-z0-9_-]+)+")
"""What is a valid name for certain; git allows more."""


class NotPlain(Exception):
    """Something that git has to be asked about."""


def start_of(repo: Path, base: str) -> tuple[str, str] | None:
    """Return the commit that *base* (a full id, or empty for HEAD) is in *repo*, and its tree.

    None where *repo* is not the top of a plain repository, or has no such commit: git has to be asked then.
    """
    git_dir = repo / ".git"
    if base and not OBJECT_ID.fullmatch(base):
        return None
    try:
        if not stat.S_ISDIR(os.lstat(git_dir).st_mode) or _settings(git_dir).get("bare") != "false":
            return None
        missing = any(not os.path.isdir(git_dir / name) for name in ("objects", "refs"))
        if missing or any(os.path.lexists(git_dir / name) for name in ("commondir", "shallow", "refs/replace")):
            return None
        head = _head(git_dir)
        commit = base or head
        return (commit, _tree(git_dir, commit)) if OBJECT_ID.fullmatch(commit) else None
    except (OSError, UnicodeDecodeError, NotPlain):
        return None


def point(git_dir: Path, ref: str, commit: str) -> bool:
    """Have *ref*, of a kind that has no log, stand at *commit*, wherever it stood.

    False, with nothing done, where that is not plainly possible: git, asked for the same, will do it or say why not.
    """
    try:
        _settings(git_dir)
        with _behind_lock(git_dir, ref, commit):
            return True
    except (OSError, UnicodeDecodeError, NotPlain):
        return False


def create(git_dir: Path, ref: str, commit: str, message: str) -> bool:
    """Create *ref* at *commit*, and note *message* in its log. Returns as `point` does."""
    try:
        settings = _settings(git_dir)
        if (settings.get("bare"), settings.get("logallrefupdates")) != ("false", "true"):
            return False
        with _behind_lock(git_dir, ref, commit) as path:
            if os.path.lexists(path) or _taken(_packed(git_dir), ref):
                raise NotPlain
            _note(git_dir / "logs" / ref, commit, message)
            return True
    except (OSError, UnicodeDecodeError, NotPlain):
        return False


def _settings(git_dir: Path) -> dict[str, str]:
    """Return the settings that count here. `NotPlain` if others may count too, or if they contradict one another."""
    config = (git_dir / "config").read_text(errors="replace").lower()
    if any(word in config for word in UNUSUAL):
        raise NotPlain
    settings: dict[str, str] = {}
    for key, value in SETTING.findall(config):
        if settings.setdefault(key, value) != value:
            raise NotPlain
    if settings.get("repositoryformatversion") != "0":
        raise NotPlain
    return settings


def _packed(git_dir: Path) -> str:
    """Return the references that lie together in one file. `NotPlain` if they are many, or stand for other objects."""
    try:
        with open(git_dir / "packed-refs", "rb") as file:
            data = file.read(PACKED_BYTES_MAX + 1)
    except FileNotFoundError:
        return ""
    if len(data) > PACKED_BYTES_MAX or b" refs/replace/" in data:
        raise NotPlain
    return data.decode()


def _head(git_dir: Path) -> str:
    """Return the commit that HEAD leads to, or nothing."""
    head, packed = (git_dir / "HEAD").read_text(), _packed(git_dir)
    if not head.startswith(BRANCH):
        return head.strip()
    ref = head.removeprefix("ref: ").rstrip("\n")
    if ".." in ref:
        raise NotPlain
    try:
        return (git_dir / ref).read_text().strip()
    except FileNotFoundError:
        found = re.search(rf"(?m)^([0-9a-f]{{40}}) {re.escape(ref)}$", packed)
        return found[1] if found else ""


@lru_cache(maxsize=TREES_KNOWN_MAX)
def _tree(git_dir: Path, commit: str) -> str:
    """Return the tree of *commit*. What is known of a digest stays true; `NotPlain`, if it is no commit, does not."""
    try:
        with open(git_dir / "objects" / commit[:2] / commit[2:], "rb") as file:
            inflate = zlib.decompressobj()
            data = inflate.decompress(file.read(COMMIT_BYTES_MAX), COMMIT_BYTES_MAX)
    except (FileNotFoundError, zlib.error):  # it lies in a pack, or git knows better what is wrong with it
        data = b""
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() == commit and (found := COMMIT.match(data)):
        return found[1].decode()
    said = Git(git_dir=git_dir).try_("rev-parse", f"{commit}^{{commit}}", f"{commit}^{{tree}}")
    lines = said.text.split("\n")
    if said.code or lines[0] != commit:
        raise NotPlain
    return lines[1]


def _taken(packed: str, ref: str) -> bool:
    """Return whether *ref* is among *packed*, or another that leaves no room for it."""
    above = [ref[:at] for at, letter in enumerate(ref) if letter == "/"]
    return f" {ref}/" in packed or any(f" {name}\n" in packed for name in (ref, *above))


@contextlib.contextmanager
def _behind_lock(git_dir: Path, ref: str, commit: str) -> Iterator[str]:
    """Have *ref* stand at *commit* once the block has ended, unless it raises, while git is kept from writing it."""
    if not REF.fullmatch(ref):
        raise NotPlain
    path = os.path.join(git_dir, ref)
    lock = f"{path}.lock"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _written(git_dir, ref, commit, lock) as file:
        os.link(file, lock)
        try:
            yield path
            os.replace(lock, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)
            raise


@contextlib.contextmanager
def _written(git_dir: Path, ref: str, commit: str, lock: str) -> Iterator[str]:
    """Have *commit* stand in a file that becomes the lock of *ref*, and then *ref*, by being linked and renamed.

    It is on the disk before the lock is taken, so that the lock is held for a moment only, and no power cut leaves an
    empty reference. A process that is killed in that moment leaves its lock behind; it is known by being this very
    file, which nobody holds any more, and removed.
    """
    name = os.path.join(git_dir, f"obra+{ref.replace('/', '+')}")
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        if not locked(descriptor) or not os.path.samestat(os.fstat(descriptor), os.stat(name)):
            raise NotPlain
        try:
            if os.fstat(descriptor).st_nlink > 1:  # it is the lock, or the reference itself
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samefile(lock, name):
                        os.unlink(lock)
                raise NotPlain
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{commit}\n".encode())
            os.fsync(descriptor)
            yield name
        finally:
            os.unlink(name)
    finally:
        os.close(descriptor)


def _note(log: Path, commit: str, message: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        file.write(f"{'0' * len(commit)} {commit} {NAME} <{EMAIL}> {int(time.time())} +0000\t{message}\n")
