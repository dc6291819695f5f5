"""Whether delivered work was taken back, in real repositories."""

import subprocess
from pathlib import Path

import pytest

from obra.shared.reverts import Delivered, reverted


class Repo:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.commit("a.txt", "one\n")
        self.base = self.head()

    def git(self, *args: str) -> str:
        argv = ["git", "-c", "user.name=p", "-c", "user.email=p@localhost", "-c", "commit.gpgsign=false", *args]
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root), "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(argv, cwd=self.root, env=env, capture_output=True, text=True, check=True).stdout.strip()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def commit(self, name: str, text: str) -> str:
        (self.root / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", f"change {name}")
        return self.head()

    def delivered(self) -> Delivered:
        """Make the branch of a task, and go back to main."""
        self.git("checkout", "-qb", "obra/t1", self.base)
        commit = self.commit("b.txt", "work\n")
        self.git("checkout", "-q", "main")
        return Delivered(commit, self.base)

    def merge(self, *how: str) -> None:
        self.git("merge", "-q", *how, "-m", "merge it", "obra/t1")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


def test_work_that_never_arrived_is_not_reverted(repo: Repo) -> None:
    assert reverted(repo.root, repo.delivered()) == ""


@pytest.mark.parametrize("how", ["--ff", "--no-ff"])
def test_work_that_arrived_and_stayed_is_not_reverted(repo: Repo, how: str) -> None:
    work = repo.delivered()
    repo.merge(how)
    repo.commit("c.txt", "more\n")
    assert reverted(repo.root, work) == ""


def test_a_revert_of_the_commit_is_found(repo: Repo) -> None:
    work = repo.delivered()
    repo.merge("--ff")
    repo.git("revert", "--no-edit", "HEAD")
    revert = repo.head()
    repo.commit("b.txt", "something else in its place\n")
    assert reverted(repo.root, work) == f"commit {revert[:12]} reverts {work.commit[:12]}"


def test_a_revert_of_the_merge_is_found_and_so_is_its_revert(repo: Repo) -> None:
    work = repo.delivered()
    repo.commit("c.txt", "meanwhile\n")
    repo.merge("--no-ff")
    merge = repo.head()
    repo.git("revert", "--no-edit", "-m", "1", merge)
    revert = repo.head()
    assert reverted(repo.root, work) == f"commit {revert[:12]} reverts {merge[:12]}"
    repo.git("revert", "--no-edit", revert)
    assert reverted(repo.root, work) == ""


def test_files_put_back_by_hand_are_found(repo: Repo) -> None:
    work = repo.delivered()
    repo.merge("--no-ff")
    repo.git("rm", "-q", "b.txt")
    repo.git("commit", "-qm", "away with it")
    assert reverted(repo.root, work) == "each file that it changed stands again as it was before"


def test_a_cherry_pick_that_was_reverted_by_name_of_another_commit_says_nothing(repo: Repo) -> None:
    work = repo.delivered()
    repo.git("cherry-pick", work.commit)
    assert reverted(repo.root, work) == ""


def test_a_repository_that_is_gone_or_knows_nothing_says_nothing(repo: Repo, tmp_path: Path) -> None:
    assert reverted(tmp_path / "nowhere", repo.delivered()) == ""
    assert reverted(repo.root, Delivered("0" * 40, repo.base)) == ""
