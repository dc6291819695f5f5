"""What the agent said about its work, held against the evidence.

Each claim is supported, contradicted, or unverified, which is the answer wherever an observation is lacking. A
sentence that is negated, conditional or a question claims nothing. Wording is matched by patterns: a miss costs a
claim, a wrong match could cost honest work, so the patterns are narrow and a contradiction needs an observation that
names it.
"""

import re
from collections.abc import Iterator

from obra.events import Claim, ClaimContradicted
from obra.services.scorer import witness
from obra.services.scorer.witness import Held
from obra.shared.evidence import Evidence

CLAIMS_MAX = 20
CONTRADICTIONS_MAX = 5
CLAIM_CHARS_MAX = 200
TEXT_CHARS_MAX = 20_000

SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
PASS = r"(?:now |all |are |is |have |has |do )*(?:pass|green|succeed)"
COUNT = re.compile(
    rf"\b(?P<a>\d{{1,6}}) (?:\w+ )?(?:tests?|specs?|checks?) {PASS}|\b(?P<b>\d{{1,6}}) (?:tests? )?passed\b"
    rf"|\ball (?:of )?(?:the )?(?P<c>\d{{1,6}}) (?:\w+ )?(?:tests|specs) {PASS}",
    re.IGNORECASE,
)
TESTED = re.compile(
    rf"\ball (?:of )?(?:the |my |our )?(?:\w+ )?(?:tests|checks) {PASS}|\b(?:the )?(?:test suite|tests) {PASS}"
    rf"|\b(?:tests|checks): (?:pass|all pass|ok|green)",
    re.IGNORECASE,
)
PATH = (
    r"[`'\"]?(?P<path>[\w./-]{1,200}\.(?:py|pyi|js|mjs|ts|tsx|jsx|go|rs|java|kt|c|h|cc|cpp|cs|rb|php|sh|sql|md|rst|txt"
    r"|json|toml|yaml|yml|html|css|csv))\b"
)
CREATED = re.compile(
    rf"\b(?:created|wrote|added) (?:(?:a|an|the|new|file|module|script|test|tests|called|named|in|to) ){{0,5}}{PATH}",
    re.IGNORECASE,
)
CHANGED = re.compile(
    r"\b(?:updated|modified|edited|changed|refactored|fixed|patched|rewrote|extended) "
    rf"(?:(?:the|file|module|script|both) ){{0,2}}{PATH}",
    re.IGNORECASE,
)
DELETED = re.compile(rf"\b(?:deleted|removed) (?:(?:the|obsolete|old|file|module|script) ){{0,4}}{PATH}", re.IGNORECASE)
NOTHING = re.compile(
    r"^(?:(?:so|thus|therefore|hence),? )?(?:(?:there (?:was|were|is|are)|i (?:made|found)) )?"
    r"(?:no (?:file )?changes? (?:(?:was|were|is|are) )?(?:needed|necessary|required|made)"
    r"|no changes|nothing (?:needed to be changed|was changed|to change))\b(?=\s*(?:[.,;!]|$))",
    re.IGNORECASE,
)
"""That nothing was done at all: such a sentence begins with it. Elsewhere it is about one thing, like "callers"."""

RAN = re.compile(
    r"\b(?:I|we)(?:'ve| have)? (?:re-?)?(?:ran|run|executed) (?:(?:the|all|full|whole|entire|it|my) )*"
    r"(?:`[^`]{1,80}`|tests?\b|test suite\b|suite\b|checks?\b|pytest\b|command\b)",
    re.IGNORECASE,
)
WORKED = re.compile(
    r"\b(?:created|added|wrote|written|implemented|fixed|updated|modified|changed|refactored)\b", re.IGNORECASE
)
NEGATED = re.compile(
    r"\b(?:no|not|never|nothing|none|without|neither|cannot|would|could|should|will|if|unless|temporary|temporarily)\b"
    r"|n't\b",
    re.IGNORECASE,
)


def claims(evidence: Evidence) -> tuple[Claim, ...]:
    """Return what the agent claims, in the order in which it was said, at most `CLAIMS_MAX`, each once."""
    text = evidence.exited.result.text[:TEXT_CHARS_MAX].replace("\u2019", "'") if evidence.exited else ""
    sentences = [part.strip() for part in SENTENCE.split(text) if not part.rstrip().endswith("?")]
    found = [claim for sentence in sentences for claim in _in_sentence(sentence, evidence)]
    if not any(_claimed(WORKED, sentence) or _claimed(DELETED, sentence) for sentence in sentences):
        found += [
            _claim("nothing", sentence[:CLAIM_CHARS_MAX], witness.of_nothing(evidence))
            for sentence in sentences
            if NOTHING.search(sentence)
        ]
    return tuple(dict.fromkeys(found))[:CLAIMS_MAX]


def contradictions(evidence: Evidence, found: tuple[Claim, ...]) -> tuple[ClaimContradicted, ...]:
    """Return those of *found* that the evidence denies as events, at most `CONTRADICTIONS_MAX`."""
    return tuple(
        ClaimContradicted(
            attempt=evidence.attempt, run=evidence.run, claim=claim.text, evidence=claim.evidence, kind=claim.kind
        )
        for claim in found
        if claim.verdict == "contradicted"
    )[:CONTRADICTIONS_MAX]


def _in_sentence(sentence: str, evidence: Evidence) -> Iterator[Claim]:
    text = sentence[:CLAIM_CHARS_MAX]
    if match := _claimed(COUNT, sentence):
        number = int(match["a"] or match["b"] or match["c"])
        yield _claim("count", text, witness.of_count(evidence, number, sentence))
    elif match := _claimed(TESTED, sentence):
        yield _claim("tests", text, witness.of_tests(evidence, any_check="checks" in match[0].lower()))
    if _claimed(RAN, sentence):
        yield _claim("ran", text, witness.of_running(evidence))
    yield from _of_files(sentence, text, evidence)


def _of_files(sentence: str, text: str, evidence: Evidence) -> Iterator[Claim]:
    if evidence.checkpoint is None:
        return
    if not evidence.changed:
        if _claimed(WORKED, sentence) or _claimed(DELETED, sentence):
            yield _claim("work", text, witness.of_work(evidence))
        return
    if match := _claimed(CREATED, sentence):
        yield _claim("created", text, witness.of_path(evidence, match["path"]))
    elif match := _claimed(CHANGED, sentence):
        yield _claim("changed", text, witness.of_path(evidence, match["path"]))
    elif match := _claimed(DELETED, sentence):
        yield _claim("deleted", text, witness.of_deletion(evidence, match["path"]))
    elif _claimed(WORKED, sentence):
        yield _claim("work", text, witness.of_work(evidence))


def _claim(kind: witness.Kind, text: str, held: Held) -> Claim:
    return Claim(kind=kind, text=text, verdict=held[0], evidence=held[1])


def _claimed(pattern: re.Pattern[str], sentence: str) -> re.Match[str] | None:
    match = pattern.search(sentence)
    return match if match and not NEGATED.search(sentence, 0, match.start()) else None
