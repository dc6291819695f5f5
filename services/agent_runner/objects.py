"""Copies a repository's objects: all that lie there or, once it is known which those are, those that a clone needs."""

import hashlib
import os
import shutil
import subprocess
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from obra.shared.git import LONG_S, Git, GitFailed

FEW_FILES_MAX, FEW_BYTES_MAX = 200, 1024**2
LOOKED_FILES_MAX, LOOKED_BYTES_MAX = 10_000, 16 * 1024**2
"""Of files, and of bytes in a pack, up to which it is found out what is needed. Git packs loose objects by itself from
6,700 on; as many may have been delivered for other tasks, and no clone needs them."""

KNOWN_MAX = 64
PIECE_BYTES = 64 * 1024

Files = Mapping[str, Sequence[str]]
"""Names of files by the folder that they are in."""

Key = tuple[Path, bytes, tuple[str, ...]]
_needed: "OrderedDict[Key, Files]" = OrderedDict()


def copy(objects: Path, to: Path, tips: str) -> bool:
    """Copy to *to* what a clone needs in which *tips* are to be found, each commit at the beginning of a line.

    False, with a part copied perhaps, if *objects* changes meanwhile (it is being packed) or leads elsewhere.
    """
    if (known := _needed.get(_key(objects, tips))) is not None:
        if _copied_here(objects, to, known):
            return True
        shutil.rmtree(to)
    if (found := few(objects)) is not None:
        return _copied_here(objects, to, found)
    return _copied(objects, to)


def foresee(objects: Path, tips: str) -> None:
    """Find out which objects the next `copy` for the same *tips* needs. Blocking.

    What else lies there, such as work that was delivered or rejected, then stays out of it. Where there is more than
    that can be found out soon, all is copied.
    """
    key, found = _key(objects, tips), _listed(objects, LOOKED_FILES_MAX, LOOKED_BYTES_MAX)
    if found is None or key in _needed:
        return
    commits = sorted({line.partition(" ")[0] for line in tips.splitlines()})
    listing = ("--no-replace-objects", "rev-list", "--objects", "--no-object-names", "--stdin")
    try:
        said = Git(git_dir=objects.parent).run(*listing, data="\n".join(commits).encode(), timeout_s=LONG_S)
    except GitFailed:  # then all is copied, and what is wrong is said by what fails of it
        return
    reachable = set(said.text.split())
    loose = {folder: [name for name in names if folder + name in reachable] for folder, names in found.items()}
    _needed[key] = {folder: names for folder, names in loose.items() if names} | {"pack": key[2]}
    while len(_needed) > KNOWN_MAX:
        _needed.popitem(last=False)


def few(objects: Path) -> dict[str, list[str]] | None:
    """Return the files of every folder in *objects*, if they are few and lie where git puts them; else None."""
    return _listed(objects, FEW_FILES_MAX, FEW_BYTES_MAX)


def _listed(objects: Path, files_max: int, bytes_max: int) -> dict[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    left = files_max
    with os.scandir(objects) as folders:
        for folder in folders:
            if not folder.is_dir(follow_symlinks=False):
                return None
            names = found[folder.name] = []
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    left -= 1
                    large = folder.name == "pack" and entry.stat().st_size > bytes_max
                    if left < 0 or large or not entry.is_file(follow_symlinks=False):
                        return None
                    names.append(entry.name)
    return found


def _key(objects: Path, tips: str) -> Key:
    """Return what must be the same for the same objects to be needed: names are digests, so nothing else counts."""
    try:
        packs = tuple(sorted(os.listdir(objects / "pack")))
    except FileNotFoundError:
        packs = ()
    return objects, hashlib.sha256(tips.encode()).digest(), packs


def _copied(objects: Path, to: Path) -> bool:
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


def _copied_here(objects: Path, to: Path, files: Files) -> bool:
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
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
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
