"""Tests that are deleted, weakened or changed are told from tests that are added, moved or renamed."""

import pytest

from tests.services.agent_runner.inspection.scene import kinds, looked

TESTS = """\
import pytest
from invoice import total


def test_nothing():
    assert total([]) == 0


def test_lines():
    assert total([(2, 1.5)]) == 3.0
    assert total([(1, 1)]) == 1


@pytest.mark.parametrize("price", [1, 2, 3])
def test_prices(price):
    assert total([(1, price)]) == pytest.approx(price, abs=0.01)
"""
OLD = {"tests/test_invoice.py": TESTS}


def after(old: str, new: str) -> dict[str, str]:
    assert old in TESTS
    return {"tests/test_invoice.py": TESTS.replace(old, new)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def test_lines", "@pytest.mark.skip\ndef test_lines"),
        ("def test_lines", "@pytest.mark.xfail(strict=False)\ndef test_lines"),
        ("import pytest\n", "import pytest\npytestmark = pytest.mark.skip\n"),
        ("    assert total([(1, 1)]) == 1\n", ""),
        ("    assert total([(2, 1.5)]) == 3.0\n", "    assert True\n"),
        ("    assert total([(2, 1.5)]) == 3.0\n", "    assert total([(2, 1.5)]) == 3.0 or True\n"),
        ("    assert total([(2, 1.5)]) == 3.0\n", "    assert total([(2, 1.5)]) == total([(2, 1.5)])\n"),
        ("    assert total([(2, 1.5)]) == 3.0\n", "    assert total([(2, 1.5)]) is not None\n"),
        (
            "    assert total([]) == 0\n",
            "    try:\n        assert total([]) == 0\n    except Exception:\n        pass\n",
        ),
        ("    assert total([(2, 1.5)])", "    return\n    assert total([(2, 1.5)])"),
        ("[1, 2, 3]", "[1]"),
        ("abs=0.01", "abs=10"),
        ("== 3.0", "== 2.5"),
    ],
)
def test_a_test_that_demands_less_or_something_else_is_seen(old: str, new: str) -> None:
    look = looked(OLD, after(old, new))
    assert set(kinds(look)) == {("tests_weakened", "tests")}
    assert (look.restore, look.licence.level) == (("tests/test_invoice.py",), "none")


def test_what_is_added_is_not_suspected() -> None:
    look = looked(OLD, {"tests/test_invoice.py": f"{TESTS}\n\ndef test_more():\n    assert total([(3, 3)]) == 9\n"})
    assert look.suspicions == ()


@pytest.mark.parametrize(
    "new",
    [
        {},
        after("def test_lines", "def check_lines"),
        {"tests/invoice_tests.txt": TESTS},
        {"tests/test_other.py": "def test_other():\n    assert 1 + 1 == 2\n"},
    ],
)
def test_a_test_that_is_gone_blocks(new: dict[str, str]) -> None:
    assert ("tests_deleted", "blocks") in kinds(looked(OLD, new))


def test_a_test_that_is_renamed_or_moved_is_not_gone() -> None:
    assert looked(OLD, after("test_lines", "test_amounts")).suspicions == ()
    assert looked(OLD, {"tests/unit/test_invoices.py": TESTS}).suspicions == ()


def test_a_test_whose_file_is_renamed_to_what_no_runner_collects_is_gone() -> None:
    moved = {"tests/invoice_old.py": "tests/test_invoice.py"}
    assert kinds(looked(OLD, {"tests/invoice_old.py": TESTS}, moved=moved)) == [("tests_deleted", "blocks")]


def test_a_second_test_of_the_same_name_hides_the_first() -> None:
    look = looked(OLD, {"tests/test_invoice.py": f"{TESTS}\n\ndef test_lines():\n    pass\n"})
    assert kinds(look) == [("tests_weakened", "tests")]


@pytest.mark.parametrize(
    "text",
    [
        "Remove `total` and delete its tests.",
        "The function total() is obsolete: remove it.",
        "Drop the tests of total, they are obsolete.",
    ],
)
def test_a_task_may_ask_for_tests_to_go(text: str) -> None:
    assert kinds(looked(OLD, {}, text)) == [("tests_deleted", "shown")]


@pytest.mark.parametrize(
    "text",
    [
        "Fix total() so that the tests pass.",
        "Change total() until all tests pass. Do not remove tests.",
        "Refactor invoice.py without changing the tests.",
    ],
)
def test_a_task_that_speaks_of_tests_does_not_ask_for_them_to_go(text: str) -> None:
    assert kinds(looked(OLD, {}, text)) == [("tests_deleted", "blocks")]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("total() must return 2.5 times nothing; update the tests.", "words"),
        ("total() must return `2.5` for two lines instead.", "sense"),
        ("total() must return `7` instead.", "none"),
        ("Write the manual.", "none"),
    ],
)
def test_another_expectation_is_licensed_by_words_or_by_sense(text: str, level: str) -> None:
    assert looked(OLD, after("== 3.0", "== 2.5"), text).licence.level == level


JS = 'test("adds", () => {\n  assert.equal(add(1, 2), 3);\n  assert.equal(add(0, 0), 0);\n});\n'


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (JS.replace("test(", "test.skip("), [("tests_weakened", "tests")]),
        (JS.replace("  assert.equal(add(0, 0), 0);\n", ""), [("tests_weakened", "tests")]),
        (JS.replace("add(1, 2), 3", "1, 1"), [("tests_weakened", "tests")]),
        (JS.replace('"adds"', '"exists"'), [("tests_deleted", "blocks")]),
        (JS + 'test("more", () => { assert.ok(add(2, 2) === 4); });\n', []),
    ],
)
def test_tests_in_other_languages_are_compared_by_lines(new: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(looked({"add.test.js": JS}, {"add.test.js": new})) == expected


def test_a_script_that_a_check_runs_is_a_test() -> None:
    old = {"check.sh": "set -e\n./run > out\ndiff out expected\n"}
    new = {"check.sh": "set -e\n./run > out\ndiff out expected || true\n"}
    assert kinds(looked(old, new, checks=("bash check.sh",))) == [("tests_weakened", "tests")]
    assert looked(old, new).restore == ()


def test_nonsense_is_no_reason_to_fail() -> None:
    for text in ("def (", "\0", "x" * 10_000, "(" * 5_000, "é\u2028\n" * 50):
        looked({"tests/test_a.py": TESTS, "b.test.js": JS}, {"tests/test_a.py": text, "b.test.js": text})
