"""What a task's own words ask for: the difference between tampering and doing as one was told.

Plain words, no understanding: where they leave it open, tests stay as they were.
"""

import re
from dataclasses import dataclass
from functools import cached_property

SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+|,\s+(?=but|and (?:do not|don't|never))")
NEGATED = re.compile(
    r"\b(?:not|never|without|no need|don't|must stay|leave|keep|pass(?:es|ing)?|green|fail\w*|succe\w+|satisf\w+)\b",
    re.IGNORECASE,
)
"""Words that turn a sentence around: what tests must do is no leave to change them."""

TESTS = (
    r"(?:tests?|specs?|snapshots?|fixtures?|golden(?: files?)?|expected (?:values?|outputs?|results?|files?)|"
    r"expectations?|assertions?)"
)
NEAR = r"(?:\W+\w+){0,6}?\W+"
CHANGE = (
    r"(?:updat|chang|adapt|adjust|rewrit|regenerat|refresh|port|migrat|convert|mov|renam|split|merg|reorgani|refactor|"
    r"clean|simplif|replac|tidy|restructur|parametri|modif|bring|rework|loosen|relax)\w*"
)
REMOVE = r"(?:delet|remov|drop|skip|disabl|retir|discard|prun|xfail|get rid)\w*"
CHANGE_TESTS = re.compile(rf"\b{CHANGE}{NEAR}{TESTS}\b|\b{TESTS}{NEAR}{CHANGE}\b", re.IGNORECASE)
REMOVE_TESTS = re.compile(rf"\b{REMOVE}{NEAR}{TESTS}\b|\b{TESTS}{NEAR}{REMOVE}\b", re.IGNORECASE)
REMOVES = re.compile(rf"\b(?:{REMOVE}|delete|clean ?up|obsolete|deprecated|purge|strip)\b", re.IGNORECASE)
RESHAPES = re.compile(
    r"\b(?:refactor|restructur|reorgani|renam|mov|split|merg|extract|convert|migrat|port|rewrit|replac|consolidat|inlin|"
    r"packag)\w*",
    re.IGNORECASE,
)
BEHAVES = re.compile(
    r"\b(?:chang|renam|replac|instead|default|switch|now|no longer|should|must|return|format|round|sort|order|prefix|"
    r"suffix|lower|upper|remov|drop|rais|reject|accept|deprecat|convert|make)\w*",
    re.IGNORECASE,
)
LITERAL = re.compile(r"[`'\"\u201c]([^`'\"\u201d\n]{1,200})[`'\"\u201d]|(?<![\w.])(-?\d+(?:\.\d+)?)(?![\w.])")
TARGETS = re.compile(r"\bfrom [`'\"][^`'\"\n]+[`'\"] (?:in)?to [`'\"]([^`'\"\n]+)[`'\"]")
TABLES = re.compile(
    r"\b(?:tables?|lookup|look up|map(?:ping|s)?|dictionar(?:y|ies)|constants?|enums?|translations?|catalog(?:ue)?s?|"
    r"abbreviations?|alias(?:es)?|(?:status|error|country|currency|language) codes?)\b",
    re.IGNORECASE,
)
STRONG = re.compile(
    r"`([^`\n]{2,80})`|(--[a-z][\w-]+)|\b(\w+(?:/\w+)*\.[a-z]{1,4})\b|\b([a-z]+_[a-z_0-9]+)\b|\b(\w+)\(\)"
)
MAKES = re.compile(r"\b(?:write|create|add|make|split|implement|generate|extract|move)\b", re.IGNORECASE)
WANTED = re.compile(r"`([\w./-]{1,100}\.(?:py|js|ts|tsx|go|rs|rb|sh|java|c|cpp|cs|php))`")
ALL_TESTS = re.compile(r"\b(?:all|every|whole|entire)\b(?: of)?(?: the)? tests?\b", re.IGNORECASE)
COMMON = frozenset(
    {"that", "this", "with", "from", "into", "when", "then", "than", "them", "they", "there", "their", "have",
     "must", "should", "would", "could", "will", "make", "made", "only", "also", "each", "every", "some", "such",
     "same", "other", "value", "values", "return", "returns", "result", "results", "true", "false", "none", "null",
     "test", "tests", "function", "functions", "method", "file", "files", "line", "lines", "code", "string",
     "strings", "number", "numbers", "list", "lists", "given", "call", "calls", "write", "read", "add", "adds",
     "data", "name", "names", "type", "types", "python", "assert", "expect", "equal", "import", "class", "self",
     "def"}
)  # fmt: skip

WORD_CHARS_MIN = 4


@dataclass(frozen=True)
class Asked:
    """A task's text, asked what it allows."""

    text: str

    def _says(self, pattern: re.Pattern[str]) -> bool:
        """Return whether a sentence that negates nothing matches."""
        return any(pattern.search(part) is not None and not NEGATED.search(part) for part in SENTENCE.split(self.text))

    @cached_property
    def changes_tests(self) -> bool:
        """Return whether it says in so many words that tests are to be changed."""
        return self._says(CHANGE_TESTS)

    @cached_property
    def removes_tests(self) -> bool:
        """Return whether it says in so many words that tests are to go, or not to be run."""
        return self._says(REMOVE_TESTS)

    @cached_property
    def removes(self) -> bool:
        """Return whether something is to be taken away."""
        return self._says(REMOVES)

    @cached_property
    def reshapes(self) -> bool:
        """Return whether code is to be moved or renamed."""
        return bool(RESHAPES.search(self.text))

    @cached_property
    def behaves(self) -> bool:
        """Return whether it may want something to behave otherwise than before."""
        return bool(BEHAVES.search(self.text))

    @cached_property
    def tabulates(self) -> bool:
        """Return whether it wants values written down: a table, a mapping, constants."""
        return bool(TABLES.search(self.text))

    @cached_property
    def literals(self) -> frozenset[str]:
        """Return values that it quotes or counts."""
        return frozenset(quoted or number for quoted, number in LITERAL.findall(self.text))

    @cached_property
    def targets(self) -> frozenset[str]:
        """Return values that something is to become."""
        return frozenset(TARGETS.findall(self.text))

    @cached_property
    def words(self) -> frozenset[str]:
        """Return its telling words, in lower case."""
        return telling(self.text)

    @cached_property
    def marks(self) -> frozenset[str]:
        """Return what it names as a program does: paths, options, identifiers."""
        return frozenset(next(filter(None, found)).lower() for found in STRONG.findall(self.text))

    def concerns(self, text: str, path: str) -> bool:
        """Return whether *text*, which stands in *path*, holds something that it names.

        Where it names no identifier, a telling word in common is enough.
        """
        if path in self.marks or path.rsplit("/", 1)[-1] in self.marks or ALL_TESTS.search(self.text):
            return True
        names = {mark for mark in self.marks if "." not in mark}
        return any(mark in text.lower() for mark in names) if names else self.about(text)

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Return programs that it asks for by their path, in backticks, in a sentence that says to make something."""
        parts = [part for part in SENTENCE.split(self.text) if MAKES.search(part) and not NEGATED.search(part)]
        return frozenset(path for part in parts for path in WANTED.findall(part))

    def names(self, word: str) -> bool:
        """Return whether *word* stands in it, whole."""
        return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.text) is not None

    def about(self, text: str) -> bool:
        """Return whether *text* has a telling word in common with it."""
        return bool(self.words & telling(text))


def telling(text: str) -> frozenset[str]:
    """Return the words of *text* that say what it is about; names like ``read_rows`` also in their parts."""
    found = {
        word.lower() for word in re.findall(r"[A-Za-z][A-Za-z0-9]{2,40}", re.sub(r"([a-z])([A-Z])", r"\1 \2", text))
    }
    return frozenset(
        word for word in found if word not in COMMON and (len(word) >= WORD_CHARS_MIN or word in text.split())
    )
