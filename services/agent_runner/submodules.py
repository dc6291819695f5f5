"""Repositories inside the repository: filled for the agent to see, and not delivered."""

import os
from pathlib import Path, PurePosixPath

from obra.services.agent_runner.clone import copy
from obra.shared.git import LONG_S, Git, GitFailed
from obra.shared.removal import remove
from obra.shared.repository import Target

GITLINK = b"160000"


def listed(control: Git) -> dict[str, str]:
    """Return the submodules in the index: path to commit."""
    found = {}
    for entry in control.run("ls-files", "-s", "-z").out.split(b"\0"):
        if entry.startswith(GITLINK):
            about, path = entry.split(b"\t", 1)
            found[os.fsdecode(path)] = about.split()[1].decode()
    return found


def populate(target: Target, workspace: Path, links: dict[str, str]) -> list[str]:
    """Fill submodules from the user's own clones of them; return a sentence for each that stays empty."""
    names = _names(workspace / ".gitmodules") if links else {}
    notes = []
    for path, commit in links.items():
        source = module(target, names.get(path, ""))
        try:
            if not _inside(workspace / path, workspace):
                raise GitFailed(command="clone", code=1, reason="its place is outside the workspace")
            if source is None:
                raise GitFailed(command="clone", code=1, reason="it is not initialised in the user's repository")
            copy(source, source, workspace / path)
            Git(cwd=workspace / path).run("checkout", "-q", "--detach", commit, timeout_s=LONG_S)
        except GitFailed as error:
            notes.append(f"submodule {path} stays empty: {error.reason.splitlines()[-1]}")
    return notes


def altered(target: Target, workspace: Path, links: dict[str, str], index: Path) -> list[str]:
    """Return a sentence for each submodule in which a file differs from its commit.

    Looked at through the user's own copy of the submodule and the scratch file *index*: the configuration that an
    agent may have left in the one here is not read.
    """
    notes = []
    names = _names(workspace / ".gitmodules") if links else {}
    for path, commit in links.items():
        source, files = module(target, names.get(path, "")), workspace / path
        if source is None or not _inside(files, workspace) or not files.is_dir():
            continue
        git = Git(git_dir=source, work_tree=files, index=index)
        if git.try_("read-tree", commit).code:  # the user lacks that commit, so it stays empty here, which was said
            continue
        if git.run("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=all").out:
            notes.append(f"what was changed inside submodule {path} is not delivered")
    return notes


def refill(target: Target, workspace: Path, links: dict[str, str]) -> None:
    """Put every submodule back to how it was at first."""
    for path in links:
        if _inside(workspace / path, workspace):
            remove(workspace / path)
            (workspace / path).mkdir(parents=True)
    populate(target, workspace, links)


def _inside(place: Path, workspace: Path) -> bool:
    """Return whether *place* is really below *workspace*: an agent may have put a link into its path."""
    return place.resolve() == workspace.resolve() / place.relative_to(workspace)


def _names(gitmodules: Path) -> dict[str, str]:
    """Return the submodules' names by path; the file comes with the repository and may hold anything."""
    if gitmodules.is_symlink() or not gitmodules.is_file():
        return {}
    said = Git().try_("config", "--file", str(gitmodules), "--null", "--get-regexp", r"^submodule\..*\.path$")
    pairs = (entry.split("\n", 1) for entry in said.out.decode(errors="replace").split("\0") if "\n" in entry)
    return {path: key.removeprefix("submodule.").removesuffix(".path") for key, path in pairs}


def module(target: Target, name: str) -> Path | None:
    """Return the user's own copy of the submodule called *name*, if there is one."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        return None
    source = target.common_dir.joinpath("modules", *parts)
    return source if (source / "HEAD").is_file() else None
