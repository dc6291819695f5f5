"""Rules: data that is checked as it is read, chosen by kind, and held against evidence where that is possible."""

import re
from pathlib import Path

import pytest

from obra.events import FileChange, Finding, WorkspaceCheckpointed
from obra.shared.errors import BadSetting
from obra.shared.rules import Rule, load
from obra.shared.rules.kind import ALIASES, KINDS, kind_of
from obra.shared.rules.verdict import CHECKS, verdict


def tree(*paths: str) -> WorkspaceCheckpointed:
    files = tuple(FileChange(path=path, kind="modified") for path in paths)
    return WorkspaceCheckpointed(attempt=1, run=1, commit="c", tree="t", files=files, files_total=len(files))


def found(kind: str) -> tuple[Finding, ...]:
    return (Finding(kind=kind, detail="x"),)


def test_the_shipped_rules_cover_every_kind_and_every_domain() -> None:
    book = load()
    assert set(book.kinds) == set(KINDS)
    assert {"code", "tests", "documentation", "errors", "security", "performance"} <= set(book.domains)
    assert {domain for wanted in book.kinds.values() for domain in wanted} == set(book.domains)
    assert all(rule.id.startswith(f"{domain}.") for domain, rules in book.domains.items() for rule in rules)
    assert re.fullmatch(r"[0-9a-f]{64}", book.sha256)


def test_every_task_is_told_not_to_weaken_tests() -> None:
    assert all("tests.not-weakened" in {rule.id for rule in load().chosen(kind)} for kind in KINDS)


def test_a_kind_is_told_the_rules_of_its_domains() -> None:
    told = [rule.id for rule in load().chosen("documentation")]
    assert "documentation.true" in told
    assert "code.whole" not in told
    assert load().chosen("no such kind") == load().chosen("code")


def test_your_own_file_adds_to_the_shipped_rules_and_replaces_domains(tmp_path: Path) -> None:
    own = tmp_path / "rules.yaml"
    own.write_text(
        "version: 1\nkinds: {code: [work, house]}\n"
        "domains:\n  house:\n  - {id: house.spaces, text: Use tabs., check: something-changed}\n"
    )
    book = load(str(own))
    assert book.chosen("code")[-1] == Rule("house.spaces", "Use tabs.", "something-changed")
    assert book.chosen("tests") == load().chosen("tests")
    assert book.sha256 != load().sha256


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 2", "version"),
        ("version: 1\ndomains: {a: [{id: A, text: x}]}", "id"),
        ("version: 1\ndomains: {a: [{id: a.b, text: x, check: nonsense}]}", "there is no check 'nonsense'"),
        ("version: 1\ndomains: {a: [{id: tests.not-weakened, text: x}]}", "is there twice"),
        ("version: 1\nkinds: {sorcery: []}", "there is no kind 'sorcery'"),
        ("version: 1\nkinds: {code: [magic]}", "a domain 'magic' that is not there"),
        ("version: 1\nrules: []", "rules"),
        ("version: [", "can't be read as YAML"),
        ("!!python/object/apply:os.system ['true']", "can't be read as YAML"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(BadSetting, match=re.escape(problem)) as refused:
        load(str(own))
    assert str(own) in str(refused.value)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(BadSetting, match="can't be read"):
        load("/nowhere/rules.yaml")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("add a --json flag to the report command", "code"),
        ("Fix the crash when the file is empty", "debugging"),
        ("write unit tests for sales.orders", "tests"),
        ("Refactor the parser, then add tests", "refactoring"),
        ("Update the README and the changelog", "documentation"),
        ("Make the report command faster", "performance"),
        ("investigate why imports take so long", "analysis"),
        ("prevent SQL injection in the search endpoint", "security"),
        ("", "code"),
    ],
)
def test_the_kind_of_a_task_follows_from_its_words(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_what_the_task_says_goes_before_its_words() -> None:
    assert kind_of("write the documentation", "Tests") == "tests"
    assert kind_of("write the documentation", "sorcery") == "documentation"
    assert all(kind_of("", alias) == kind for alias, kind in ALIASES.items())


def test_a_rule_is_held_against_the_evidence() -> None:
    changed, idle = tree("sales/a.py", "tests/test_a.py"), tree()
    assert verdict("tests-not-weakened", changed, found("tests_weakened")) == "broken"
    assert verdict("tests-not-weakened", changed, found("hard_coded")) == "kept"
    asked_for = (Finding(kind="tests_deleted", detail="the task asks for it", blocks=False),)
    assert verdict("tests-not-weakened", changed, asked_for) == "kept"
    assert verdict("not-hard-coded", changed, found("hard_coded")) == "broken"
    assert verdict("not-destructive", changed, found("destructive")) == "broken"
    assert (verdict("something-changed", changed, ()), verdict("something-changed", idle, ())) == ("kept", "broken")
    assert (verdict("tests-changed", changed, ()), verdict("tests-changed", tree("a.py"), ())) == ("kept", "broken")


def test_without_evidence_or_a_check_nobody_knows() -> None:
    assert {verdict(check, None, ()) for check in CHECKS} == {"unknown"}
    assert verdict("", tree("a.py"), ()) == "unknown"
