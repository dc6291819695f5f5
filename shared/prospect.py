"""What merging delivered branches would come to: tried in a repository, one after the other, without changing it.

Branches that were accepted side by side may each be sound and not go together. The merges are made of objects alone,
in a directory of their own that is removed again; no branch, index or working tree is touched.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from obra.shared.git import Git
from obra.shared.repository import locate

CONFLICT = 1
FILES_MAX = 20
TRIED_MAX = 200
"""Branches that are tried; more take minutes, and nobody merges as many by hand."""

State = Literal["merged", "clean", "conflict", "contained", "gone", "untried"]


@dataclass(frozen=True, slots=True)
class Prospect:
    """What becomes of one branch.

    *merged*: what is checked out has it already. *clean*: it goes together with what is checked out and the clean
    ones before it. *conflict*: it does not, in ``files``; ``other`` is the first of those branches that it conflicts
    with, empty where that is what is checked out. *contained*: another of the branches grew from it. *gone*: there is
    no such branch any more. *untried*: ``reason``.
    """

    branch: str
    state: State
    files: tuple[str, ...] = ()
    other: str = ""
    reason: str = ""


def prospects(repo: Path, branches: Sequence[str]) -> list[Prospect]:
    """Return what becomes of *branches* of *repo* if they are merged in their order into what is checked out. Blocking.

    Raises `BadUsage` where there is no repository any more, `GitFailed` where git can't tell.
    """
    target = locate(repo)
    tips = _tips(target.git)
    with tempfile.TemporaryDirectory(prefix="obra-merge-") as scratch:
        git = replace(target.git, new_objects=Path(scratch))
        merged = _tips(target.git, f"--merged={target.base}")
        open_ = {branch: tips[branch] for branch in branches if branch in tips and branch not in merged}
        return list(_Merge(git, target.base, tips, merged, _contained(git, open_)).each(branches))


def _tips(git: Git, *only: str) -> dict[str, str]:
    """Return the commit of each delivered branch."""
    said = git.run("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", *only, "refs/heads/obra/")
    return {branch: commit for branch, _, commit in (line.partition(" ") for line in said.text.splitlines())}


def _contained(git: Git, tips: dict[str, str]) -> frozenset[str]:
    """Return the branches that another one of *tips* holds already."""
    outer = set(git.run("merge-base", "--independent", *dict.fromkeys(tips.values())).text.split()) if tips else set()
    contained = set()
    for branch, commit in tips.items():
        if commit in outer:
            outer.remove(commit)
        else:
            contained.add(branch)
    return frozenset(contained)


class _Merge:
    """One merge after the other: ``head`` grows with each that is clean."""

    def __init__(
        self, git: Git, head: str, tips: dict[str, str], merged: dict[str, str], contained: frozenset[str]
    ) -> None:
        self.git, self.base, self.head, self.tips = git, head, head, tips
        self.merged, self.contained = merged, contained
        self.clean: list[str] = []
        self.tried = 0

    def each(self, branches: Sequence[str]) -> Iterator[Prospect]:
        for branch in branches:
            if branch not in self.tips:
                yield Prospect(branch, "gone")
            elif branch in self.merged:
                yield Prospect(branch, "merged")
            elif branch in self.contained:
                yield Prospect(branch, "contained")
            elif self.tried >= TRIED_MAX:
                yield Prospect(branch, "untried", reason=f"only the first {TRIED_MAX} are tried")
            else:
                self.tried += 1
                yield self._one(branch)

    def _one(self, branch: str) -> Prospect:
        tree, files, problem = self._together(self.head, self.tips[branch])
        if problem:
            return Prospect(branch, "untried", reason=problem)
        if files:
            return Prospect(branch, "conflict", files[:FILES_MAX], self._culprit(branch))
        parents = ("-p", self.head, "-p", self.tips[branch])
        self.head = self.git.run("commit-tree", tree, *parents, "-m", f"Merge {branch}").text
        self.clean.append(branch)
        return Prospect(branch, "clean")

    def _culprit(self, branch: str) -> str:
        """Return the first of the branches before that *branch* conflicts with; empty: with what is checked out."""
        if self._together(self.base, self.tips[branch])[1]:
            return ""
        return next((o for o in self.clean if self._together(self.tips[o], self.tips[branch])[1]), "")

    def _together(self, one: str, other: str) -> tuple[str, tuple[str, ...], str]:
        """Return the merged tree, or the files that conflict, or why that can't be told."""
        said = self.git.try_("merge-tree", "--write-tree", "--name-only", "--no-messages", one, other)
        tree, *files = said.text.splitlines() or [""]
        if said.code == CONFLICT and files:
            return tree, tuple(files), ""
        if said.code:
            return "", (), f"git can't tell (version 2.38 can): {said.err[:200]}"
        return tree, (), ""
