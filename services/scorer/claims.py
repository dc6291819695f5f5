"""What the agent said about its work, where the evidence denies it."""

import re
from collections.abc import Iterator
from itertools import islice

from obra.events import ClaimContradicted
from obra.shared.evidence import Evidence, said_of

CLAIMS_MAX = 5
CLAIM_CHARS_MAX = 200
TEXT_CHARS_MAX = 20_000

SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
TESTED = re.compile(
    r"\ball (?:of )?(?:the |my |our )?(?:\d+ )?(?:\w+ )?(?:tests|checks) (?:now |all |are |have )*(?:pass|green)"
    r"|\b(?:the )?tests (?:now |all |are |have )*(?:pass|green)"
    r"|\b\d+ (?:\w+ )?tests? (?:now |all |are |have )*pass"
    r"|\b\d+ passed\b",
    re.IGNORECASE,
)
WORKED = re.compile(
    r"\b(?:created|added|wrote|written|implemented|fixed|updated|modified|changed|refactored)\b", re.IGNORECASE
)
MADE = re.compile(
    r"\b(?:created|wrote|added) (?:(?:a|an|the|new|file|module|script|test|tests|called|in|to) ){0,5}"
    r"[`'\"]?(?P<path>[\w./-]{1,200}\.(?:py|pyi|js|ts|tsx|jsx|go|rs|java|kt|c|h|cc|cpp|cs|rb|php|sh|sql|md|rst|txt|json|"
    r"toml|yaml|yml|html|css|csv))\b",
    re.IGNORECASE,
)
NEGATED = re.compile(
    r"\b(?:no|not|never|nothing|none|without|neither|cannot|would|could|should|will|if|unless)\b|n't\b",
    re.IGNORECASE,
)
TESTING = re.compile(r"test|spec|tox|nox|\b(?:make|just|npm run) check\b", re.IGNORECASE)


def contradictions(evidence: Evidence) -> tuple[ClaimContradicted, ...]:
    """Return the agent's claims that the evidence denies, at most `CLAIMS_MAX`, in the order they were made.

    Only what can be held against an observation counts: passing tests against a failed test command, work against
    an empty diff, a new file against the list of changed files. A negated or conditional sentence claims nothing.
    """
    text = evidence.exited.result.text[:TEXT_CHARS_MAX].replace("\u2019", "'") if evidence.exited else ""
    found = [
        ClaimContradicted(
            attempt=evidence.attempt, run=evidence.run, claim=sentence[:CLAIM_CHARS_MAX], evidence=against
        )
        for sentence in (part.strip() for part in SENTENCE.split(text))
        for against in _against(sentence, evidence)
    ]
    return tuple(dict.fromkeys(found))[:CLAIMS_MAX]


def _against(sentence: str, evidence: Evidence) -> Iterator[str]:
    if passing := _claims(TESTED, sentence):
        any_check = "checks" in passing[0].lower()
        failed = (check for check in evidence.failing if any_check or TESTING.search(check.command))
        yield from (f"`{check.command}` {said_of(check)}" for check in islice(failed, 1))
    if evidence.checkpoint is None:
        return
    if not evidence.changed:
        if _claims(WORKED, sentence):
            yield "nothing differs from the commit that the task grew from"
    elif (made := _claims(MADE, sentence)) and not _among(made["path"], evidence):
        yield f"{made['path']} is not among the changed files"


def _claims(pattern: re.Pattern[str], sentence: str) -> re.Match[str] | None:
    match = pattern.search(sentence)
    return match if match and not NEGATED.search(sentence, 0, match.start()) else None


def _among(path: str, evidence: Evidence) -> bool:
    """Return whether a changed file has that name; where the list of files is cut, it may have."""
    assert evidence.checkpoint is not None
    files, name = evidence.checkpoint.files, path.rsplit("/", 1)[-1]
    return len(files) < evidence.checkpoint.files_total or any(file.path.rsplit("/", 1)[-1] == name for file in files)
