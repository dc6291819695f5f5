"""What kind of work a task is, by its words, where it does not say so itself."""

import re

KINDS = (
    "code", "refactoring", "debugging", "tests", "documentation", "errors", "security", "performance", "analysis",
    "validation", "planning",
)  # fmt: skip
DEFAULT = "code"

ALIASES = {
    "bug": "debugging", "bugfix": "debugging", "fix": "debugging", "doc": "documentation", "docs": "documentation",
    "test": "tests", "testing": "tests", "refactor": "refactoring", "feature": "code", "code_generation": "code",
    "error": "errors", "error_analysis": "analysis", "research": "analysis", "perf": "performance", "plan": "planning",
}  # fmt: skip

WORDS: tuple[tuple[str, str, int], ...] = (
    ("documentation", r"document(?:ation|ed|s|ing)?|docs?|docstrings?|readme|changelog|comments?|tutorial|guide", 2),
    ("tests", r"tests|unit[- ]tests?|test suite|test cases?|coverage|testing|fixtures?", 2),
    ("refactoring", r"refactor\w*|restructur\w*|rename|extract|clean ?up|simplif\w+|dedup\w*|reorgani[sz]e", 3),
    ("debugging", r"bugs?|fix(?:es|ed|ing)?|debug\w*|broken|crash\w*|fails?|failing|wrong|regression|traceback", 3),
    ("performance", r"perform\w+|slow|speed|faster|latency|optimi[sz]\w+|throughput|memory usage|profil\w+", 3),
    ("security", r"secur\w+|vulnerab\w+|injection|xss|csrf|sanitiz\w+|secrets?|permissions?|cve-\d+-\d+", 3),
    ("errors", r"error handling|handle errors?|exceptions?|error messages?|retries|retry|timeouts?", 3),
    ("analysis", r"analy[sz]e|analysis|investigate|explain|find out|report on|research|audit|why", 2),
    ("validation", r"validat\w+|verify|check that|confirm", 1),
    ("planning", r"plan|design document|roadmap|proposal|break down|outline", 2),
    ("code", r"add|implement|create|build|write|support|feature|endpoint|command|function|class|module|flag|option", 1),
)
SCANNED_CHARS = 20_000
FIRST_WORDS = 12
"""What is asked for mostly stands at the beginning: a hit in so many first words counts twice."""

PATTERNS = tuple((kind, re.compile(rf"\b(?:{words})\b", re.IGNORECASE), points) for kind, words, points in WORDS)


def kind_of(text: str, stated: str = "") -> str:
    """Return the kind of the task: as *stated* where that is a known kind or alias, else by the words of *text*.

    Each kind gets its points once for every distinct word of it in the text, twice where it stands among the first
    ones; the most points win, the earlier row where two are equal; no hit at all is `code`.
    """
    said = stated.strip().lower()
    said = ALIASES.get(said, said)
    if said in KINDS:
        return said
    text = text[:SCANNED_CHARS]
    beginning = " ".join(text.split(maxsplit=FIRST_WORDS)[:FIRST_WORDS])
    best, most = DEFAULT, 0
    for kind, pattern, each in PATTERNS:
        hits = {hit.lower() for hit in pattern.findall(text)}
        early = {hit.lower() for hit in pattern.findall(beginning)}
        points = each * (len(hits) + len(early))
        if points > most:
            best, most = kind, points
    return best
