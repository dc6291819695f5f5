"""The inputs that ship with `obra ab`: 12 tasks as people write them, each before its first, second and third attempt.

`python -m benchmarks.ab.situations` writes them to shared/trial/. Check outputs are shortened from what pytest, ruff,
mypy, go and node print; the agents' words are of the kind that agents write.
"""

import lzma
from dataclasses import dataclass
from pathlib import Path

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptRequested,
    AttemptStarted,
    CheckResult,
    ChecksRan,
    Content,
    DecisionMade,
    Event,
    FileChange,
    LlmSelected,
    PromptPrepared,
    SessionOpened,
    TaskReadied,
    TaskSubmitted,
    WorkspaceCheckpointed,
)
from obra.shared.trial.inputs import Input, encode

TARGET = Path(__file__).parents[2] / "shared" / "trial" / "inputs.jsonl.xz"
BASE = "4f1c2a9be07d5538c6d1e2f3a4b5c6d7e8f90123"


@dataclass(frozen=True)
class Told:
    """A task, and what its failing check printed after the first and the second attempt."""

    name: str
    text: str
    checks: tuple[str, ...]
    outputs: tuple[str, str]
    files: tuple[str, ...]
    said: str
    acceptance: tuple[str, ...] = ()


def pytest_output(test: str, where: str, error: str, passed: int) -> str:
    head = "F" + "." * passed + "\n" + "=" * 35 + " FAILURES " + "=" * 35
    tail = f"=========================== short test summary info ============================\nFAILED {test} - {error}"
    return f"{head}\n{'_' * 30} {test.rpartition('::')[2]} {'_' * 30}\n\n{where}\nE       {error}\n\n{tail}\n1 failed, {passed} passed in 0.43s"


TASKS = (
    Told(
        "json-flag",
        "Add a --json flag to the report command. With it, the report is printed as one JSON object with the keys "
        "total, count and by_customer; without it nothing changes.",
        ("python -m pytest -q",),
        (
            pytest_output("tests/test_report.py::test_json_flag", "    out = run(['report', '--json'])\n>   assert json.loads(out)['count'] == 4\ntests/test_report.py:31:", "KeyError: 'count'", 11),
            pytest_output("tests/test_report.py::test_plain_is_unchanged", ">   assert out == PLAIN\ntests/test_report.py:12:", "AssertionError: assert 'Total:  40' == 'Total: 40'", 12),
        ),
        ("sales/cli.py", "sales/report.py", "tests/test_report.py"),
        "I added the --json flag and a test for it. All tests pass.",
    ),
    Told(
        "empty-file",
        "Fix the crash when orders.csv is empty: `python -m sales summary` ends with IndexError in sales/orders.py. "
        "An empty file must give an empty summary.",
        ("python -m pytest -q", "ruff check ."),
        (
            pytest_output("tests/test_orders.py::test_empty", "    rows = read(tmp_path / 'orders.csv')\nsales/orders.py:14: in read\n    header = lines[0]", "IndexError: list index out of range", 7),
            "sales/orders.py:3:8: F401 [*] `os` imported but unused\nFound 1 error.\n[*] 1 fixable with the `--fix` option.",
        ),
        ("sales/orders.py",),
        "The reader returns early now when there are no lines.",
    ),
    Told(
        "parser-refactor",
        "Refactor config/parser.py: the 300-line function `parse` should be split into functions of at most 40 lines, "
        "one for each kind of section. Behaviour must not change; public names stay.",
        ("python -m pytest -q", "mypy config"),
        (
            "config/parser.py:88: error: Incompatible return value type (got \"Section | None\", expected \"Section\")  [return-value]\nconfig/parser.py:131: error: Missing return statement  [return]\nFound 2 errors in 1 file (checked 4 source files)",
            pytest_output("tests/test_parser.py::test_nested_sections", ">   assert parse(TEXT).sections['a.b'].values == {'x': '1'}\ntests/test_parser.py:77:", "KeyError: 'a.b'", 41),
        ),
        ("config/parser.py", "config/sections.py"),
        "parse() is split into nine functions. Types are checked.",
    ),
    Told(
        "tests-for-money",
        "Write tests for shop/money.py: rounding, addition of different currencies (must raise), formatting in de and en, "
        "and very large amounts. Use pytest; don't change the module.",
        ("python -m pytest -q tests/test_money.py",),
        (
            "ERROR: file or directory not found: tests/test_money.py\n\nno tests ran in 0.00s",
            pytest_output("tests/test_money.py::test_large_amounts", ">   assert format_money(10**15, 'EUR', 'de') == '1.000.000.000.000.000,00 EUR'\ntests/test_money.py:58:", "AssertionError: assert '1,000,000,...0,000.00 EUR' == '1.000.000.000...', ", 8),
        ),
        ("tests/test_money.py",),
        "I wrote 9 tests that cover all the cases you named.",
        ("rounding of .5 is covered for positive and negative amounts", "each test can fail"),
    ),
    Told(
        "readme",
        "Update the README: installation by uv instead of pip, the new --since option of `events`, and a section on "
        "exit codes. Every command shown must work.",
        ("python scripts/run_readme.py",),
        (
            "README.md:41: $ tool events --since 2d\nusage: tool events [-h] [--follow]\ntool events: error: unrecognized arguments: --since 2d\n1 of 14 commands failed",
            "README.md:63: $ uv tool run tool --version\nerror: unexpected argument '--versoin' found\n1 of 15 commands failed",
        ),
        ("README.md",),
        "README is up to date.",
    ),
    Told(
        "sql-injection",
        "GET /search builds its SQL by string formatting. Make it safe against SQL injection, for the sort column too, "
        "and add tests that try it.",
        ("go vet ./...", "go test ./..."),
        (
            "--- FAIL: TestSortColumnIsWhitelisted (0.00s)\n    search_test.go:52: sort=name;drop table users: status 200, want 400\nFAIL\nFAIL\texample.com/shop/search\t0.012s\nok  \texample.com/shop/cart\t(cached)",
            "# example.com/shop/search\nsearch/handler.go:61:2: unreachable code",
        ),
        ("search/handler.go", "search/query.go", "search/search_test.go"),
        "Queries use placeholders now; the sort column is checked against a list.",
    ),
    Told(
        "slow-import",
        "`import tool` takes 1.9 s. Make it faster than 300 ms without removing features: find out what is slow, import "
        "it only where it is needed.",
        ("python scripts/import_time.py --max-ms 300", "python -m pytest -q"),
        (
            "import tool: 812 ms (limit 300 ms)\n  pandas      541 ms  tool/report.py:4\n  matplotlib  198 ms  tool/plot.py:2\n",
            "import tool: 331 ms (limit 300 ms)\n  requests     88 ms  tool/client.py:3\n",
        ),
        ("tool/__init__.py", "tool/report.py", "tool/plot.py"),
        "Heavy imports are lazy now.",
    ),
    Told(
        "flaky",
        "tests/test_queue.py::test_order fails about once in 20 runs in CI. Find out why and fix the cause, not the test. "
        "The check runs it 200 times.",
        ("python -m pytest -q tests/test_queue.py --count 200",),
        (
            pytest_output("tests/test_queue.py::test_order[37-200]", ">   assert [job.name for job in done] == ['a', 'b', 'c']\ntests/test_queue.py:29:", "AssertionError: assert ['a', 'c', 'b'] == ['a', 'b', 'c']", 199),
            pytest_output("tests/test_queue.py::test_order[151-200]", ">   assert [job.name for job in done] == ['a', 'b', 'c']\ntests/test_queue.py:29:", "AssertionError: assert ['b', 'a', 'c'] == ['a', 'b', 'c']", 199),
        ),
        ("jobs/queue.py",),
        "The race was in Queue.take: two workers could see the same head. It is locked now.",
    ),
    Told(
        "pagination",
        "Add pagination to the REST endpoint /api/orders: `limit` (default 50, at most 200) and an opaque `cursor`. The "
        "response gets `next` with the cursor of the next page, or null. Document it in docs/api.md.",
        ("npm test --silent",),
        (
            "  1) GET /api/orders\n       limits to 200:\n\n      AssertionError: expected 500 to equal 200\n      at Context.<anonymous> (test/orders.test.js:44:32)\n\n  17 passing (214ms)\n  1 failing",
            "  1) GET /api/orders\n       ends with next: null:\n\n      AssertionError: expected 'eyJpZCI6MTIwfQ==' to be null\n      at Context.<anonymous> (test/orders.test.js:71:30)\n\n  18 passing (220ms)\n  1 failing",
        ),
        ("src/routes/orders.js", "src/cursor.js", "test/orders.test.js", "docs/api.md"),
        "Pagination works with limit and cursor, documented in docs/api.md.",
        ("limit is bounded", "the cursor is opaque", "the last page has next: null"),
    ),
    Told(
        "retry-errors",
        "The HTTP client swallows every exception and returns None. Make it raise errors that name the URL and what to "
        "do, retry timeouts and 5xx three times with growing pauses, and never retry 4xx.",
        ("python -m pytest -q",),
        (
            pytest_output("tests/test_client.py::test_404_is_not_retried", ">   assert server.requests == 1\ntests/test_client.py:40:", "assert 3 == 1", 14),
            pytest_output("tests/test_client.py::test_the_error_names_the_url", "    with pytest.raises(NotFound, match='/missing'):\ntests/test_client.py:52:", "Failed: DID NOT RAISE <class 'client.NotFound'>", 15),
        ),
        ("client/http.py", "client/errors.py", "tests/test_client.py"),
        "Retries and errors are in place.",
    ),
    Told(
        "typo",
        "Fix the typos in docs/guide.md and rename the heading `Instalation` to `Installation`; links to it must work.",
        ("python scripts/check_links.py docs", "codespell docs"),
        (
            "docs/index.md:9: broken link: guide.md#instalation",
            "docs/guide.md:112: recieve ==> receive",
        ),
        ("docs/guide.md", "docs/index.md"),
        "Typos are fixed.",
    ),
    Told(
        "migration",
        "Move the settings store from a JSON file to SQLite with a migration of existing files. Concurrent processes may "
        "write at the same time; no setting may be lost. Keep the API of `Settings`. Steps:\n"
        "1. schema and migration, run once, under a lock\n2. reading and writing in transactions\n"
        "3. tests with two processes that write at once\n4. a note in CHANGELOG.md",
        ("python -m pytest -q", "mypy settings"),
        (
            pytest_output("tests/test_settings.py::test_two_writers", "    assert sorted(read_all(path)) == sorted(expected)\ntests/test_settings.py:96:", "sqlite3.OperationalError: database is locked", 22),
            pytest_output("tests/test_settings.py::test_migration_runs_once", ">   assert runs == 1\ntests/test_settings.py:71:", "assert 2 == 1", 23),
        ),
        ("settings/store.py", "settings/migrate.py", "tests/test_settings.py", "CHANGELOG.md"),
        "Settings live in SQLite now. Concurrent writers are tested.",
        ("no setting is lost under concurrent writes", "a migrated file is kept as a backup"),
    ),
)  # fmt: skip


def situations() -> list[Input]:
    """Return every task before its first, second and third attempt."""
    return [Input(f"{told.name}-{attempt}", tuple(_past(told, attempt))) for told in TASKS for attempt in (1, 2, 3)]


def _past(told: Told, attempt: int) -> list[Event]:
    past: list[Event] = [
        TaskSubmitted(
            text=told.text,
            repo="/repository",
            checks=told.checks,
            acceptance=told.acceptance,
            attempts_max=4,
            llm="none",
        ),
        LlmSelected(asked="none", provider="none", reason="the task asks for none"),
        TaskReadied(),
        SessionOpened(session="1", context_tokens_max=200_000),
    ]
    for done in range(1, attempt):
        past += _attempt(told, done)
    return past


def _attempt(told: Told, number: int) -> list[Event]:
    output = told.outputs[number - 1]
    failing = (number - 1) % len(told.checks)
    checks = tuple(
        CheckResult(command=command, exit_code=int(at == failing), output=Content.of(output if at == failing else ""))
        for at, command in enumerate(told.checks)
    )
    files = tuple(FileChange(path=path, kind="modified", added=9 * number, deleted=2) for path in told.files)
    said = Content.of(told.said)
    return [
        PromptPrepared(attempt=number, run=1, prompt=Content.of("-"), template="-", template_sha256="-"),
        AttemptRequested(attempt=number, run=1, prompt=Content.of("-")),
        AttemptStarted(attempt=number, run=1, runner="r", base=BASE),
        AgentExited(
            attempt=number, run=1, ending="completed", exit_code=0, result=said, turns=9 + number,
            detail="it ended by itself and reported success",
        ),
        WorkspaceCheckpointed(
            attempt=number, run=1, commit="c", tree="t", base=BASE, files=files, files_total=len(files), changed=True
        ),
        ChecksRan(attempt=number, run=1, checks=checks, passed=False),
        AttemptFinished(attempt=number, run=1, ending="completed"),
        DecisionMade(action="retry", attempt=number, run=1, reasons=(f"check `{told.checks[failing]}` exited 1",)),
    ]  # fmt: skip


def main() -> None:
    """Write the file."""
    TARGET.write_bytes(lzma.compress(encode(situations()), preset=9))


if __name__ == "__main__":
    main()
