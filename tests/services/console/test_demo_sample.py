"""The demonstration is honest: what fails in it would fail anywhere."""

import json
import subprocess
from pathlib import Path

import pytest

from obra.services.console.commands.demo import told
from obra.services.console.demo.sample import interpreter, make, tree
from obra.shared.script import check_script

PATH = "/usr/bin:/bin"


def check(repo: Path, command: str, path: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": path,
        "HOME": str(repo.parent),
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        ["sh", "-c", command], cwd=repo, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def put(repo: Path, *trees: str, only: str = "") -> None:
    for files in map(tree, trees):
        for name, text in files.items():
            if only in name:
                (repo / name).parent.mkdir(parents=True, exist_ok=True)
                (repo / name).write_text(text)


def test_the_script_is_one_that_a_person_could_have_written(tmp_path: Path) -> None:
    sample = make(tmp_path, PATH)
    check_script(sample.script)
    assert [len(attempt["steps"]) for attempt in json.loads(sample.script.read_text())["attempts"]] == [3, 5]


def test_the_sample_is_a_clean_repository_with_one_commit(tmp_path: Path) -> None:
    sample = make(tmp_path, PATH)
    git = ["git", "-C", str(sample.repo)]
    log = subprocess.run([*git, "log", "--format=%s"], capture_output=True, text=True, check=True)
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert (log.stdout, status.stdout) == ("Order lists can be read\n", "")


def test_the_first_attempt_fails_both_checks(tmp_path: Path) -> None:
    sample = make(tmp_path, PATH)
    put(sample.repo, "attempt1")
    tests, run = (check(sample.repo, command, sample.path) for command in sample.checks)
    assert (tests.returncode, run.returncode) == (5, 1)
    assert "no tests ran" in tests.stdout
    assert run.stderr.splitlines()[-1] == "ValueError: could not convert string to float: ''"


def test_the_first_attempts_code_fails_the_second_ones_tests(tmp_path: Path) -> None:
    sample = make(tmp_path, PATH)
    put(sample.repo, "attempt1")
    put(sample.repo, "attempt2", only="tests/")
    tests = check(sample.repo, sample.checks[0], sample.path)
    assert (tests.returncode, "2 failed, 1 passed" in tests.stdout) == (1, True)


def test_the_second_attempt_passes_both_checks(tmp_path: Path) -> None:
    sample = make(tmp_path, PATH)
    put(sample.repo, "attempt1", "attempt2")
    tests, run = (check(sample.repo, command, sample.path) for command in sample.checks)
    assert (tests.returncode, run.returncode) == (0, 0)
    assert "3 passed" in tests.stdout
    assert run.stdout == "3 orders, total 300.00, mean 100.00\n"


def test_the_interpreter_of_the_checks_is_the_one_that_runs_obra() -> None:
    asked = subprocess.run(
        [interpreter(), "-c", "import pytest, sys; print(sys.prefix)"], capture_output=True, check=True
    )
    assert asked.stdout


@pytest.mark.parametrize(
    ("prompt", "lines"),
    [
        ("# Task", []),
        (
            "The check `pytest -q` exited with 5. Its output:\n\n<<<data ab\n\nno tests ran\nab data>>>\nEnd",
            ["The check `pytest -q` exited with 5. Its output:", "  no tests ran"],
        ),
    ],
)
def test_the_demonstration_quotes_what_the_prompt_tells_of_checks(prompt: str, lines: list[str]) -> None:
    assert told(prompt) == lines
