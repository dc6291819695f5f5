"""What a repository is, before anything is done with it."""

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from obra.shared.errors import BadUsage
from obra.shared.git import Git, GitFailed, Said
from obra.shared.plain import start_of

COUNT_TIMEOUT_S = 10.0
FACTS = (
    "--is-bare-repository", "--is-shallow-repository", "--is-inside-work-tree", "--show-object-format",
    "--absolute-git-dir", "--git-common-dir", "--show-prefix",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """A repository that can be worked on.

    ``path`` is its top level, for a bare one the repository itself. ``common_dir`` is where objects and branches
    are, also for a linked worktree. ``base`` is a full commit id, empty where there is no commit; ``tree`` its
    tree. ``notices`` are sentences for the person who submits.
    """

    path: Path
    git_dir: Path
    common_dir: Path
    base: str = ""
    tree: str = ""
    bare: bool = False
    shallow: bool = False
    object_format: str = "sha1"
    notices: tuple[str, ...] = ()

    @property
    def git(self) -> Git:
        """Return git on its objects and branches; its working tree is out of reach."""
        return Git(git_dir=self.common_dir)


def inspect(repo: Path, base: str = "") -> Target:
    """Return what *repo* is, with notices. *base* is a commit, branch or tag; empty means HEAD.

    Raises `BadUsage`, which says what to do, if *repo* is no repository, *base* no commit of it, or no branch can be
    made there.
    """
    target = locate(repo, base)
    _writable(target)
    notices = [notice for notice in (_unborn(target), _dirty(target), _submodules(target)) if notice]
    return replace(target, notices=tuple(notices))


def locate(repo: Path, base: str = "") -> Target:
    """Return what *repo* is, without notices: one process, or none for a plain repository. Raises as `inspect` does."""
    _reachable(repo)
    if base.startswith("-") or "\n" in base or "\0" in base:
        raise BadUsage(problem=f"{base!r} is no commit, branch or tag")
    if found := locate_plain(repo, base):
        return found
    start = base or "HEAD"
    asked = ("rev-parse", "--path-format=absolute", *FACTS, f"{start}^{{commit}}", f"{start}^{{tree}}")
    return _target(repo, base, Git(cwd=repo).try_(*asked))


def locate_plain(repo: Path, base: str = "") -> Target | None:
    """Return what `locate` would of a plain repository, of which some small files tell all; None of any other."""
    if not (found := start_of(repo, base)):
        return None
    here = repo.resolve()
    return Target(here, here / ".git", here / ".git", *found)


def _target(repo: Path, base: str, said: Said) -> Target:
    lines = said.out.decode(errors="surrogateescape").split("\n")
    if said.code and len(lines) <= len(FACTS):
        raise BadUsage(problem=_no_repository(repo, said))
    bare, shallow, inside, object_format, git_dir, common_dir, prefix, *ids = lines
    ids = [line for line in ids if line and "^" not in line] if said.code == 0 else []
    if not ids and base:
        raise BadUsage(problem=f"{base!r} names no commit in {repo}; `git -C {repo} log --oneline --all` shows them")
    if not ids and (lost := Git(cwd=repo).try_("rev-parse", "--quiet", "--verify", "HEAD")).code == 0:
        head = lost.out.decode().strip()[:10]
        raise BadUsage(problem=f"{repo} is damaged: HEAD is {head}, which can't be read; `git fsck` tells more")
    return Target(
        path=_top(repo, Path(git_dir), prefix, bare=bare == "true", inside=inside == "true"),
        git_dir=Path(git_dir), common_dir=Path(common_dir), base=ids[0] if ids else "", tree=ids[1] if ids else "",
        bare=bare == "true", shallow=shallow == "true", object_format=object_format,
    )  # fmt: skip


def _reachable(repo: Path) -> None:
    if not repo.exists():
        raise BadUsage(problem=f"there is no directory {repo}; give the path of a git repository")
    if not repo.is_dir():
        raise BadUsage(problem=f"{repo} is a file; give the directory of a git repository")
    if "\n" in str(repo.resolve()):
        raise BadUsage(problem=f"there is a line break in the path {str(repo.resolve())!r}; rename that directory")
    if not os.access(repo, os.R_OK | os.X_OK):
        raise BadUsage(problem=f"{repo} can't be read by this user; its owner must allow it")


def _writable(target: Target) -> None:
    refs = target.common_dir / "refs"
    for place in (target.common_dir, refs, refs / "heads"):
        if place.is_dir() and not os.access(place, os.W_OK):
            raise BadUsage(
                problem=f"accepted work arrives as a branch, and this user can't write to {place}; "
                f"work on a clone of your own: `git clone {shlex.quote(str(target.path))}`"
            )


def _no_repository(repo: Path, said: Said) -> str:
    if "not a git repository" in said.err:
        return f"{repo} is no git repository; make it one with `git init`, and commit what is there"
    return f"{repo} can't be used as a git repository: {said.err}"


def _top(repo: Path, git_dir: Path, prefix: str, *, bare: bool, inside: bool) -> Path:
    here = repo.resolve()
    if inside:
        return here.parents[prefix.strip("/").count("/")] if prefix else here
    return git_dir if bare or git_dir.name != ".git" else git_dir.parent


def _unborn(target: Target) -> str:
    if target.base:
        return ""
    return "the repository has no commit yet: the agent starts from nothing, and its work becomes the first commit"


def _dirty(target: Target) -> str:
    """Count what is not committed.

    This is the one command that may run filters from the repository's own configuration, so git's check of who
    owns it stays in force.
    """
    if target.bare:
        return ""
    status = ("status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=dirty")
    try:
        said = Git(cwd=target.path, any_owner=False).run(*status, timeout_s=COUNT_TIMEOUT_S)
    except GitFailed as error:
        reason = error.reason.splitlines()[0]
        if "dubious ownership" in reason:
            allow = f"git config --global --add safe.directory {shlex.quote(str(target.path))}"
            reason = f"the repository belongs to another user; `{allow}` lets git look"
        return f"whether there are uncommitted files could not be told ({reason}); they are not included"
    if not (count := said.out.count(b"\0")):
        return ""
    files = "1 uncommitted file is" if count == 1 else f"{count:,} uncommitted files are"
    return f"{files} not included: the agent starts from {f'commit {target.base[:10]}' if target.base else 'nothing'}"


def _submodules(target: Target) -> str:
    if target.bare or not (target.path / ".gitmodules").is_file():
        return ""
    return "the repository has submodules: the agent sees them, but changes inside them are not delivered"
