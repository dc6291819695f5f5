"""Finds out whether delivered work was taken back in the user's repository. Read-only: nothing is fetched or written.

Work counts as reverted if it had arrived on the branch that is checked out, and

- a commit there says that it reverts the delivered commit, one of its own, or the merge that brought it (the words
  of `git revert`: "This reverts commit …"), and no later commit reverts that one; or
- every file that it changed stands there again as it was before.

Work that never arrived, or that arrived squashed or rebased and was not taken back by a commit that names it, is not
known to be reverted: then nothing is said.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from obra.shared.git import Git, GitFailed

COMMITS_MAX = 20_000
FILES_MAX = 5_000
REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40,64})")


@dataclass(frozen=True, slots=True)
class Delivered:
    """Work that was delivered as *commit*, grown from *base* (empty: from nothing)."""

    commit: str
    base: str


def reverted(repo: Path, work: Delivered) -> str:
    """Return why *work* counts as reverted in *repo*, or nothing. Blocking.

    Nothing is returned, too, where the repository is gone or does not know the commit any more: then nobody can say.
    """
    git = Git(cwd=repo)
    try:
        if not repo.is_dir() or git.try_("cat-file", "-e", f"{work.commit}^{{commit}}").code:
            return ""
        own = _own(git, work)
        merged = not git.try_("merge-base", "--is-ancestor", work.commit, "HEAD").code
        carriers = own | (_merges(git, work) if merged else set())
        return _by_commit(git, carriers, work) or (_by_content(git, work) if merged else "")
    except GitFailed:
        return ""


def _own(git: Git, work: Delivered) -> set[str]:
    """Return the commits that the task made."""
    span = [work.commit, *([f"^{work.base}"] if work.base else [])]
    return set(git.run("rev-list", f"--max-count={COMMITS_MAX}", *span).text.split())


def _merges(git: Git, work: Delivered) -> set[str]:
    """Return the merge by which the work arrived: the oldest on the way, whose first parent did not have it yet."""
    path = git.run(
        "rev-list", "--merges", "--ancestry-path", "--first-parent", f"--max-count={COMMITS_MAX}", "--parents",
        f"{work.commit}..HEAD",
    ).text.splitlines()  # fmt: skip
    if not path:
        return set()
    merge, first, *_ = path[-1].split()
    brought = git.try_("merge-base", "--is-ancestor", work.commit, first).code
    return {merge} if brought else set()


def _by_commit(git: Git, carriers: set[str], work: Delivered) -> str:
    span = ["HEAD", *([f"^{work.base}"] if work.base else [])]
    said = git.run("log", f"--max-count={COMMITS_MAX}", "--format=%H%x00%B%x00", "-z", *span).text
    taken_back: dict[str, str] = {}
    fields = said.split("\0")
    for commit, message in zip(fields[0::3], fields[1::3], strict=False):  # the newest first
        for old in REVERTS.findall(message):
            if commit.strip() not in taken_back:
                taken_back.setdefault(old, commit.strip())
    found = next((old for old in sorted(carriers) if old in taken_back), "")
    return f"commit {taken_back[found][:12]} reverts {found[:12]}" if found else ""


def _by_content(git: Git, work: Delivered) -> str:
    """Return that each file which the work changed stands at HEAD as it stood at the base."""
    if not work.base:
        return ""
    changed = git.run("diff", "--name-only", "-z", "--no-renames", work.base, work.commit).text.split("\0")
    paths = [path for path in changed if path]
    if not paths or len(paths) > FILES_MAX:
        return ""
    differ = git.run("diff", "--name-only", "-z", "--no-renames", work.base, "HEAD").text.split("\0")
    if set(paths) & set(differ):
        return ""
    return "each file that it changed stands again as it was before"
