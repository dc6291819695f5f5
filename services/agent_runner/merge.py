"""One commit to start from where a task builds on the accepted work of several others."""

from collections.abc import Sequence
from pathlib import Path

from obra.services.agent_runner.survey import Unmergeable, WorkspaceLost
from obra.shared.git import LONG_S, Git
from obra.shared.repository import locate

CONFLICT = 1
FILES_SHOWN = 10


def merged(repo: Path, base: str, more: Sequence[str]) -> str:
    """Return a commit of *repo* that holds *base* and *more*; what contains another already is taken as it is.

    The merge is made of objects alone, no branch and no working tree is touched. Raises `Unmergeable` where the
    work does not go together.
    """
    git = locate(repo, base).git
    for other in more:
        if _contains(git, base, other):
            continue
        base = other if _contains(git, other, base) else _merge(git, base, other)
    return base


def _contains(git: Git, commit: str, other: str) -> bool:
    return git.try_("merge-base", "--is-ancestor", other, commit).code == 0


def _merge(git: Git, one: str, other: str) -> str:
    said = git.try_("merge-tree", "--write-tree", "--name-only", "--no-messages", one, other, timeout_s=LONG_S)
    tree, *files = said.text.splitlines() or [""]
    if said.code == CONFLICT:
        shown = ", ".join(files[:FILES_SHOWN]) + (" and more" if len(files) > FILES_SHOWN else "")
        raise Unmergeable(problem=f"{one[:10]} and {other[:10]} conflict in {shown}")
    if said.code:
        raise WorkspaceLost(problem=f"{one[:10]} and {other[:10]} could not be merged (git 2.38 can): {said.err}")
    message = "Accepted work of several tasks, merged by Obra"
    return git.run("commit-tree", tree, "-p", one, "-p", other, "-m", message).text
