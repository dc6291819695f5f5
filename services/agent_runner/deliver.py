"""Puts an accepted commit into the user's repository as a branch; nothing else there is touched."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from obra.events import WorkspaceCheckpointed
from obra.services.agent_runner.making import branch_of
from obra.services.agent_runner.workspace import Workspace
from obra.shared import plain
from obra.shared.errors import BadUsage, ObraError
from obra.shared.git import LONG_S, Git, GitFailed, failed
from obra.shared.repository import Target, locate

NAMES_MAX = 50
LOOSE_FILES_MAX = 100
"""Up to so many changed files travel as the files that their objects are; more come as a pack."""

UNFINISHED = "tmp_obj_"
"""How names begin of files that are no objects yet; git removes those that somebody has left behind."""

FORESEEN_MAX = 64
END_S = 10.0
IN_THE_WAY = "exists; cannot create"
LOGGED = "obra: work on the task"


class Refused(ObraError):
    """{problem}"""


def deliver(workspace: Workspace, commit: str, files: int, name: str = "") -> str:
    """Make *commit*, which changes *files* files, a branch of the user's repository; return the branch's name.

    It is called *name*, or as the task's accepted work is.

    A branch that stands at *commit* already is that branch; one of the same name that stands elsewhere is left
    alone and the next name is taken. Blocking. Raises `Refused` with a sentence for a person.
    """
    try:
        target = workspace.target
        if not (target.common_dir / "objects").is_dir():
            target = locate(target.path)  # says what is wrong, or where it is now
        _transfer(workspace, target.git, commit, files)
        return _branch(target, name or branch_of(workspace.place.scope.task), commit)
    except BadUsage as error:
        raise Refused(problem=str(error)) from error
    except (GitFailed, OSError) as error:
        reason = error.reason if isinstance(error, GitFailed) else str(error)
        raise Refused(problem=f"the branch could not be written to {workspace.target.path}: {reason}") from error


def _transfer(workspace: Workspace, into: Git, commit: str, files: int) -> None:
    """Copy the objects that the repository lacks."""
    if files > LOOSE_FILES_MAX or not _copied(workspace, into, commit):
        _packed(workspace, into, commit, files)


def foresee(workspace: Workspace, recorded: WorkspaceCheckpointed | None) -> None:
    """Find out what `deliver` will have to copy, should what was recorded be accepted. Blocking."""
    if recorded is not None and 0 < recorded.files_total <= LOOSE_FILES_MAX:
        with contextlib.suppress(GitFailed):  # it comes up again if it is accepted
            _lacking(workspace.store, workspace.base, recorded.commit)


@lru_cache(maxsize=FORESEEN_MAX)
def _lacking(store: Git, base: str, commit: str) -> tuple[str, ...]:
    """Return all objects of *commit* that *base* has not. Names are digests, so the answer stays true."""
    wanted = (commit, f"^{base}") if base else (commit,)
    return tuple(store.run("rev-list", "--objects", "--no-object-names", *wanted, timeout_s=LONG_S).text.split())


def _copied(workspace: Workspace, into: Git, commit: str) -> bool:
    """Copy objects file by file; False if one of them does not lie in a file of its own, or git finds one missing."""
    assert into.git_dir is not None
    ours, theirs = workspace.place.control / "objects", into.git_dir / "objects"
    try:
        lacking = _lacking(workspace.store, workspace.base, commit)
    except GitFailed:
        return False
    return all(_present(ours, theirs, name) for name in lacking)


def _present(ours: Path, theirs: Path, name: str) -> bool:
    """Have the object *name* in *theirs*, as git puts it there: whole, read-only, under its own name last."""
    at = Path(name[:2], name[2:])
    if (theirs / at).exists():
        with contextlib.suppress(PermissionError):
            os.utime(theirs / at)  # it may be one that nothing refers to, and git removes those that are old
        return True
    try:
        data = (ours / at).read_bytes()
    except FileNotFoundError:
        return False
    (theirs / name[:2]).mkdir(exist_ok=True)
    scratch = theirs / name[:2] / f"{UNFINISHED}{uuid4().hex}"  # its own: another may deliver the same object now
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        scratch.replace(theirs / at)
    except BaseException:
        scratch.unlink()
        raise
    return True


def _packed(workspace: Workspace, into: Git, commit: str, files: int) -> None:
    """Copy objects as a pack: one process packs, the other unpacks, at the same time."""
    unpack = ("unpack-objects", "-q") if files <= LOOSE_FILES_MAX else ("index-pack", "--stdin")
    wanted = f"{commit}\n" + (f"^{workspace.base}\n" if workspace.base else "")
    with _running(workspace.store, "pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset") as pack:
        assert pack.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            pack.stdin.write(wanted.encode())
            pack.stdin.close()
        assert pack.stdout is not None
        with _running(into, *unpack, stdin=pack.stdout) as take:
            pack.stdout.close()
            _, said = take.communicate(timeout=LONG_S)
        assert pack.stderr is not None
        why = pack.stderr.read().decode(errors="replace").strip()
        if code := pack.wait(timeout=END_S):
            raise failed(("pack-objects",), code, why)
        if take.returncode:
            raise failed(unpack, take.returncode, said.decode(errors="replace").strip())


@contextlib.contextmanager
def _running(git: Git, *args: str, stdin: "int | object" = subprocess.PIPE) -> Iterator["subprocess.Popen[bytes]"]:
    process = git.start(*args, stdin=stdin)  # type: ignore[arg-type]
    try:
        yield process
    except subprocess.TimeoutExpired as error:
        raise failed(args, -9, f"it took longer than {LONG_S} s") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(timeout=END_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()


def _branch(target: Target, wanted: str, commit: str) -> str:
    """Create the first branch whose name is free, or find the one that stands at *commit* already.

    A branch that is checked out is never made: it would change what the user sees as changed.
    """
    head = (target.git_dir / "HEAD").read_text(errors="replace").strip()
    reason = ""
    for number in range(1, NAMES_MAX + 1):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if head == f"ref: refs/heads/{name}":
            if _stands(target.git, name, commit):
                return name
            continue
        reason = _create(target.git, name, commit)
        if IN_THE_WAY in reason:  # a branch called `obra` leaves no room for `obra/…`
            wanted = name = wanted.replace("/", "-")
            reason = _create(target.git, name, commit)
        if not reason:
            return name
    raise Refused(problem=f"no branch could be made for the task in {target.path}: {reason}")


def _create(git: Git, name: str, commit: str) -> str:
    """Return why the branch could not be made; empty if it stands at *commit* now."""
    assert git.git_dir is not None
    ref = f"refs/heads/{name}"
    if plain.create(git.git_dir, ref, commit, LOGGED):
        return ""
    said = git.try_("update-ref", "-m", LOGGED, ref, commit, "0" * len(commit))
    if not said.code or _stands(git, name, commit):
        return ""
    return said.err or "git said nothing"


def _stands(git: Git, name: str, commit: str) -> bool:
    return git.try_("rev-parse", "--verify", "-q", f"refs/heads/{name}").text == commit
