"""A branch that takes back a delivered one, for whoever has merged it already. Nothing that exists is rewritten."""

from pathlib import Path

from obra.events import BranchDelivered
from obra.shared.errors import BadUsage, EnvironmentLacks
from obra.shared.git import GitFailed
from obra.shared.repository import locate

NAMES_MAX = 50


def make_revert(repo: Path, task: str, delivered: BranchDelivered) -> str:
    """Make the branch ``obra/TASK-revert`` in *repo* and return its name. Blocking.

    Its one commit stands on the delivered commit and has the tree of the commit that the work grew from. Merged
    wherever the work was merged, it undoes exactly that work and nothing that came after it; cherry-picked, the
    same. Its message is the one that `git revert` writes, so that tools know it for what it is. Raises `BadUsage`
    where *repo* is no repository any more, `EnvironmentLacks` where git fails.
    """
    git = locate(repo).git
    try:
        base = ("rev-parse", f"{delivered.base}^{{tree}}") if delivered.base else ("mktree",)
        tree = git.run(*base).text
        subject = git.run("log", "-1", "--format=%s", delivered.commit).text
        message = f'Revert "{subject}"\n\nThis reverts commit {delivered.commit}.\n\nObra-Task: {task}\n'
        commit = git.run("commit-tree", tree, "-p", delivered.commit, "-m", message).text
        for number in range(1, NAMES_MAX + 1):
            name = f"{delivered.branch}-revert" + (f"-{number}" if number > 1 else "")
            ref = f"refs/heads/{name}"
            if git.try_("rev-parse", "--verify", "-q", ref).code:
                git.run("update-ref", "-m", "obra: takes back a delivered branch", ref, commit, "0" * len(commit))
                return name
    except GitFailed as error:
        raise EnvironmentLacks(problem=f"the revert could not be made in {repo}: {error.reason}") from error
    raise BadUsage(problem=f"{repo} has {NAMES_MAX} branches {delivered.branch}-revert already; delete some")
