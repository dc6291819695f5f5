"""Which command runs tests, and what the output of one counts."""

import pytest

from obra.shared.testing import Counts, counts, runs_tests, summary_line


@pytest.mark.parametrize(
    "command",
    ["pytest -q", "python -m unittest", "cd app && npm test", "CI=1 pytest", "make check", "cargo test | tail -3",
     "tox -e py311", "go test ./...", "./run_tests.sh"],
)  # fmt: skip
def test_a_run_of_tests(command: str) -> None:
    assert runs_tests(command)


@pytest.mark.parametrize(
    "command",
    ["ls tests", "cat tests/test_a.py", "git add tests && git commit -m tests", "ruff check", "rm -rf tests; ls", "",
     "grep -r pytest .", "cd tests"],
)  # fmt: skip
def test_no_run_of_tests(command: str) -> None:
    assert not runs_tests(command)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("....\n=== 86 passed in 0.31s ===", Counts(86)),
        ("F.\n1 failed, 85 passed, 2 warnings in 1s\nbye", Counts(85, 1)),
        ("2 errors in 0.1s", Counts(0, 2)),
        ("Ran 12 tests in 0.1s\n\nOK", Counts(12)),
        ("Ran 12 tests in 0.1s\n\nFAILED (failures=1, errors=2)", Counts(9, 3)),
        ("\ntest result: ok. 3 passed; 0 failed;\ntest result: FAILED. 4 passed; 1 failed;", Counts(7, 1)),
        ("Tests:       1 failed, 2 skipped, 86 passed, 89 total", Counts(86, 1)),
        ("Tests:       5 passed, 5 total", Counts(5)),
        ("  12 passing (30ms)\n  1 failing", Counts(12, 1)),
        ("all good", None),
        ("", None),
    ],
)
def test_what_a_runner_counts(output: str, expected: Counts | None) -> None:
    assert counts(output) == expected


def test_the_line_that_tells() -> None:
    assert summary_line("a\n1 failed, 2 passed\nshort summary\n") == "1 failed, 2 passed"
    assert summary_line("nothing") == ""
