"""What merging delivered branches would come to, in real repositories."""

from pathlib import Path

import pytest

from obra.shared.prospect import Prospect, prospects
from tests.services.console.person import Person, arrived


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Return a person at whose repository three branches were delivered, two of which change the same line."""
    person = arrived(tmp_path)
    for name, file, text in (("one", "a.txt", "1\n"), ("two", "a.txt", "2\n"), ("three", "c.txt", "3\n")):
        person.git("checkout", "-q", "-b", f"obra/{name}", "main")
        (person.repo / file).write_text(text)
        person.git("add", "-A")
        person.git("commit", "-q", "-m", name)
    person.git("checkout", "-q", "main")
    return person


ALL = ("obra/one", "obra/two", "obra/three")


def test_branches_that_do_not_go_together_are_told_with_each_other_and_their_files(person: Person) -> None:
    assert prospects(person.repo, ALL) == [
        Prospect("obra/one", "clean"),
        Prospect("obra/two", "conflict", ("a.txt",), "obra/one"),
        Prospect("obra/three", "clean"),
    ]


def test_a_branch_that_what_is_checked_out_has_moved_away_from_conflicts_with_that(person: Person) -> None:
    (person.repo / "a.txt").write_text("main\n")
    person.git("commit", "-q", "-am", "main moved on")
    assert prospects(person.repo, ALL)[:2] == [
        Prospect("obra/one", "conflict", ("a.txt",)), Prospect("obra/two", "conflict", ("a.txt",))
    ]  # fmt: skip


def test_what_is_merged_already_and_what_is_gone_is_told(person: Person) -> None:
    person.git("merge", "-q", "obra/one")
    person.git("branch", "-q", "-D", "obra/three")
    assert prospects(person.repo, ALL) == [
        Prospect("obra/one", "merged"), Prospect("obra/two", "conflict", ("a.txt",)), Prospect("obra/three", "gone")
    ]  # fmt: skip


def test_nothing_in_the_repository_is_changed_by_looking(person: Person) -> None:
    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in person.repo.rglob("*") if path.is_file()}

    before = everything()
    prospects(person.repo, ALL)
    assert everything() == before


def test_a_branch_that_another_one_grew_from_need_not_be_merged_by_itself(person: Person) -> None:
    person.git("checkout", "-q", "-b", "obra/four", "obra/one")
    (person.repo / "d.txt").write_text("4\n")
    person.git("add", "-A")
    person.git("commit", "-q", "-m", "four")
    person.git("branch", "obra/same", "obra/four")
    person.git("checkout", "-q", "main")
    assert prospects(person.repo, ("obra/one", "obra/four", "obra/same")) == [
        Prospect("obra/one", "contained"), Prospect("obra/four", "clean"), Prospect("obra/same", "contained")
    ]  # fmt: skip
