"""Anchors as git notes: below `refs/notes/obra` of any repository, where a push carries them off the machine."""

from pathlib import Path

from obra.shared.errors import BadUsage
from obra.shared.git import Git

REF = "refs/notes/obra"


def add(repo: Path, line: str) -> str:
    """Append *line* to the note at the HEAD of *repo* and return that commit.

    Raises `BadUsage` where there is no such commit, `GitFailed` where git won't.
    """
    git = Git(cwd=repo)
    head = git.try_("rev-parse", "--verify", "HEAD^{commit}")
    if head.code:
        raise BadUsage(
            problem=f"a note stands at a commit, and {repo.absolute()} is no git repository with one; "
            "name another repository, or a file"
        )
    commit = head.text
    git.run("notes", f"--ref={REF}", "append", "-m", line, commit)
    return commit


def lines(repo: Path) -> list[str]:
    """Return every line of every note below the ref; none where there is no note."""
    git = Git(cwd=repo)
    listed = git.run("notes", f"--ref={REF}", "list").text.splitlines()
    blobs = [entry.split()[0] for entry in listed if entry.strip()]
    return [line for blob in blobs for line in git.run("cat-file", "blob", blob).text.splitlines()]
