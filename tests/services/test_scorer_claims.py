"""What agents say, and what the evidence says to it."""

from typing import Any

import pytest

from obra.events import (
    AgentExited,
    CheckResult,
    ChecksRan,
    Claim,
    Content,
    Denial,
    FileChange,
    SelfTest,
    WorkspaceCheckpointed,
)
from obra.services.scorer.claims import claims
from obra.shared.evidence import Evidence

ADDED = (FileChange(path="src/a.py", kind="added", added=3),)


def evidence(
    said: str, *, checks: dict[str, int] | None = None, output: str = "", files: Any = ADDED, **exited: Any
) -> Evidence:
    """Return the evidence of a run with these last words; by default its check `pytest -q` passed."""
    codes = {"pytest -q": 0} if checks is None else checks
    results = tuple(CheckResult(command=c, exit_code=n, output=Content.of(output)) for c, n in codes.items())
    return Evidence(
        attempt=1, run=1, ending="completed",
        exited=AgentExited(attempt=1, run=1, ending="completed", result=Content.of(said), **exited),
        checkpoint=WorkspaceCheckpointed(
            attempt=1, run=1, commit="c", tree="t", files=files, files_total=len(files)
        ),
        checks=ChecksRan(attempt=1, run=1, checks=results, passed=not any(codes.values())) if results else None,
    )  # fmt: skip


def verdicts(*args: Any, **more: Any) -> list[tuple[str, str]]:
    return [(claim.kind, claim.verdict) for claim in claims(evidence(*args, **more))]


OWN_OK = (SelfTest(command="pytest", failed=False, said="86 passed in 1s"),)
OWN_7 = (SelfTest(command="pytest tests/a", failed=False, said="7 passed in 1s"),)
OWN_BAD = (*OWN_OK, SelfTest(command="pytest", failed=True, said="1 failed, 85 passed"))

TABLE: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("All tests pass.", {}, [("tests", "supported")]),
    ("The test suite is green.", {"checks": {"pytest": 1}}, [("tests", "contradicted")]),
    ("Tests: all pass", {"checks": {}}, [("tests", "unverified")]),
    ("All tests pass", {"checks": {"ruff check": 1}}, [("tests", "unverified")]),
    ("All checks pass", {"checks": {"ruff check": 1}}, [("tests", "contradicted")]),
    ("All checks are green", {"checks": {"ruff check": 0}}, [("tests", "supported")]),
    ("All tests pass", {"checks": {}, "tested": OWN_OK}, [("tests", "supported")]),
    ("All tests pass", {"checks": {}, "tested": OWN_BAD}, [("tests", "contradicted")]),
    ("All tests pass", {"tested": OWN_BAD}, [("tests", "supported")]),
    ("All 86 tests pass", {"output": "86 passed in 1s"}, [("count", "supported")]),
    ("All 86 tests pass", {"output": "5 passed", "tested": OWN_OK}, [("count", "supported")]),
    ("86 passed", {"output": "5 passed", "tools": {"Write": 1}}, [("count", "contradicted")]),
    ("86 tests pass", {"output": "5 passed", "tested": OWN_OK[:0], "tools": {"Bash": 1}}, [("count", "unverified")]),
    ("5 tests pass", {"output": "86 passed", "tools": {"Write": 1}}, [("count", "unverified")]),
    ("86 tests pass", {"output": "no numbers"}, [("count", "unverified")]),
    ("86 tests pass", {"checks": {"pytest": 1}, "output": "86 passed, 1 failed"}, [("count", "contradicted")]),
    ("Created src/a.py.", {}, [("created", "supported")]),
    ("I added the file `a.py`.", {}, [("created", "supported")]),
    ("Created b.py.", {}, [("created", "contradicted")]),
    ("Created /tmp/probe.py.", {}, [("created", "unverified")]),
    ("Updated src/a.py to raise.", {}, [("changed", "supported")]),
    ("Fixed b.py", {}, [("changed", "contradicted")]),
    ("Fixed the crash that b.py caused.", {}, [("work", "supported")]),
    ("Removed old.py", {"files": (FileChange(path="old.py", kind="deleted"),)}, [("deleted", "supported")]),
    ("Removed a.py", {}, [("deleted", "contradicted")]),
    ("Removed scratch.py", {}, [("deleted", "unverified")]),
    ("I fixed the bug.", {"files": ()}, [("work", "contradicted")]),
    ("I fixed the bug.", {}, [("work", "supported")]),
    ("No changes were needed.", {"files": ()}, [("nothing", "supported")]),
    ("No changes were needed.", {}, [("nothing", "contradicted")]),
    ("No changes were needed in b.py.", {}, []),
    ("I looked around. There were no changes needed.", {}, [("nothing", "contradicted")]),
    ("Updated src/a.py. No further changes were needed.", {}, [("changed", "supported")]),
    ("Implemented it. No changes were needed.", {}, [("work", "supported")]),
    ("`b.py` already handles this; no changes required.", {}, []),
    ("The settings were right, so no changes needed.", {}, []),
    ("No code changes were necessary.", {}, []),
    ("Nothing was changed elsewhere.", {}, []),
    ("All 12 tests pass.", {"output": "5 passed", "tested": OWN_7}, [("count", "unverified")]),
    ("All 13 tests pass.", {"output": "5 passed", "tested": OWN_7}, [("count", "contradicted")]),
    ("All 12 tests pass.", {"checks": {}, "tested": OWN_7 * 2}, [("count", "contradicted")]),
    ("Have I updated b.py? It did not need it.", {}, []),
    ("I ran the tests.", {"tools": {"Read": 3, "Write": 1}}, [("ran", "contradicted")]),
    ("I ran the tests.", {"tools": {"Bash": 1}}, [("ran", "supported")]),
    ("I ran `make check`.", {"tools": {"Bash": 1}, "denials": (Denial(tool="Bash"),)}, [("ran", "contradicted")]),
    ("I ran the tests.", {}, [("ran", "unverified")]),
    ("I have not created b.py.", {}, []),
    ("If needed I would have added c.py.", {}, []),
    ("The tests don't pass.", {}, []),
    ("Some tests fail.", {}, []),
    ("You can run pytest.", {}, []),
    ("Added a temporary probe.py, since removed.", {}, [("work", "supported")]),
    ("", {}, []),
]


@pytest.mark.parametrize(("said", "more", "expected"), TABLE, ids=[f"{n} {row[0]}" for n, row in enumerate(TABLE)])
def test_a_claim_is_held_against_the_evidence(said: str, more: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert verdicts(said, **more) == expected


def test_a_contradiction_quotes_what_was_observed() -> None:
    assert claims(evidence("I ran the tests. 86 passed.", output="5 passed", tools={"Write": 1})) == (
        Claim(
            kind="ran", text="I ran the tests.", verdict="contradicted", evidence="it called no tool that runs anything"
        ),
        Claim(
            kind="count",
            text="86 passed.",
            verdict="contradicted",
            evidence="no run of tests counted more than 5 passed",
        ),
    )


def test_a_list_of_files_that_was_cut_contradicts_nothing() -> None:
    cut = evidence("Created b.py")
    assert cut.checkpoint
    longer = WorkspaceCheckpointed(attempt=1, run=1, commit="c", tree="t", files=ADDED, files_total=2_000)
    assert claims(Evidence(attempt=1, run=1, exited=cut.exited, checkpoint=longer))[0].verdict == "unverified"


def test_claims_are_bounded() -> None:
    assert len(claims(evidence(" ".join(f"I fixed bug {n}." for n in range(99))))) == 20
