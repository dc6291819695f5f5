"""Takes secrets out of text before it reaches a log, a text column, a prompt or a terminal.

What is replaced: keys and tokens by the shapes that their issuers document, credentials in headers and URLs, values
assigned to names such as ``password`` or ``api_key``, private keys as a whole. What stays: commit ids, UUIDs,
digests, paths, and e-mail addresses, because a git identity is part of what an agent did.

Redaction is a net, not a proof: a secret without a shape, in a sentence without a name, passes. The time is linear
in the text: every pattern begins at a fixed place and repeats over one character class.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ahocorasick_rs import BytesAhoCorasick

Replace = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One sort of secret. A text that holds none of *hints* (lower case) is not searched for it."""

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replace: Replace | None = None

    def apply(self, text: str) -> str:
        """Return *text* without this sort of secret."""
        return self.pattern.sub(self.replace or f"[redacted:{self.kind}]", text)


def _shape(kind: str, hints: str, pattern: str) -> Rule:
    """Return the rule for a token that is known by its shape; it begins where no word goes on."""
    return Rule(kind, tuple(hints.split()), re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})"))


def _kept(kind: str) -> Replace:
    """Replace the group ``secret`` of a match and keep what stands around it."""

    def replace(match: re.Match[str]) -> str:
        start, end = match.span("secret")
        whole, begin = match[0], match.start()
        return f"{whole[: start - begin]}[redacted:{kind}]{whole[end - begin :]}"

    return replace


_NAMES = (
    r"pass(?:word|wd|phrase)|pwd|secret(?:[_-]?(?:access[_-]?)?key)?|token|credentials?"
    r"|(?:api|access|private|auth|encryption|signing|account)[_-]?key"
)
_LAST_WORDS = ("password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "credentials", "key")
_VALUE_FOLLOWS = re.compile(rb"""["'\\]{0,2}(?:[ \t]|\\t){0,3}[=:]""")
"""What must stand behind the last word of a name for `_ASSIGNED` to match, also where JSON escapes quote and tab."""
_ASSIGNED = re.compile(
    rf"""(?P<name>{_NAMES})["']?[ \t]{{0,3}}(?:=(?!=)|:(?![:=]))[ \t]{{0,3}}"""
    r"""(?:"(?P<double>[^"\n]{1,4096})"|'(?P<single>[^'\n]{1,4096})'|(?P<bare>[^\s"'`,;&<>()\[\]{}|\\]{4,4096}))(?P<call>\(?)""",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"""(?ix) none | null | nil | true | false | str(?:ing)? | bytes | int | optional | any | undefined | required
    | changeme | example | x+ | \*+ | \.{2,} | \d{1,5}(?:\.\d+)? | \[redacted:[a-z-]+\]?
    | \$.* | %.*% | <.*> | \{.*\} | (?:os|process|self|args|settings|config|env|request|options|this)\..* """
)


def _assigned(match: re.Match[str]) -> str:
    """Redact the value, unless it is plainly code: a call, a placeholder, a type, the name passed on."""
    group = next(group for group in ("double", "single", "bare") if match[group] is not None)
    value = match[group]
    code = group == "bare" and (match["call"] or re.split(r"[._]", value)[-1].casefold() == match["name"].casefold())
    if code or _NO_SECRET.fullmatch(value):
        return match[0]
    start, end = (place - match.start() for place in match.span(group))
    return f"{match[0][:start]}[redacted:{_hyphened(match['name'])}]{match[0][end:]}"


def _hyphened(name: str) -> str:
    return name.casefold().replace("_", "-")


RULES: tuple[Rule, ...] = (
    Rule(
        "private-key",
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----))*(?:-----END [A-Z0-9 ]{0,60}-----)?"
        ),
    ),
    _shape("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{8,}"),
    _shape("openai-key", "sk-", r"sk-(?=[A-Za-z_-]{0,200}[0-9])[A-Za-z0-9_-]{20,}"),
    _shape("aws-key-id", "akia asia aroa aida", r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"),
    _shape("gitlab-token", "glpat-", r"glpat-[A-Za-z0-9_-]{16,}"),
    _shape("slack-token", "xox xapp-", r"xox[abeoprs]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{16,}"),
    _shape("slack-hook", "hooks.slack.com", r"hooks\.slack\.com/services/[A-Za-z0-9/]{8,}"),
    _shape("google-key", "aiza ya29.", r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}"),
    _shape("stripe-key", "_live_ _test_ whsec_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9]{16,}"),
    _shape("npm-token", "npm_", r"npm_[A-Za-z0-9]{30,}"),
    _shape("pypi-token", "pypi-", r"pypi-[A-Za-z0-9_-]{40,}"),
    _shape("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
    Rule(
        "jwt",
        ("eyj",),
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    ),
    Rule(
        "url-password",
        ("://",),
        re.compile(r"://[^\s/:@\"'<>]{0,200}:(?P<secret>(?!\[redacted:)[^\s/@\"'<>]{1,500})@"),
        _kept("url-password"),
    ),
    Rule(
        "authorization",
        ("authorization",),
        re.compile(
            r"""(?i)authorization["'\\]{0,2}[ \t]{0,3}[:=][ \t]{0,3}["']?"""
            r"""(?:(?:basic|bearer|token|digest|aws4-hmac-sha256)[ \t]++)?+(?P<secret>[^\s"',;\\\[]{6,4096})"""
        ),
        _kept("authorization"),
    ),
    Rule(
        "bearer",
        ("bearer",),
        re.compile(r"(?i)\bbearer[ \t]{1,3}(?P<secret>(?=[A-Za-z._~+/=-]{0,200}[0-9])[A-Za-z0-9._~+/=-]{8,})"),
        _kept("bearer"),
    ),
    Rule(
        "basic",
        ("basic ",),
        re.compile(
            r"(?i:\bbasic)[ \t]{1,3}"
            r"(?P<secret>(?=[A-Za-z]{0,200}?(?:[a-z][A-Z]|[0-9]))[A-Za-z0-9+/]{8,}={0,2})"
        ),
        _kept("basic"),
    ),
    Rule("assigned", _LAST_WORDS, _ASSIGNED, _assigned),
)  # fmt: skip

_SHAPES = tuple(dict.fromkeys(hint for rule in RULES if rule.hints is not _LAST_WORDS for hint in rule.hints))
_NAMED = tuple(word + begin for word in _LAST_WORDS for begin in "\"'\\ \t=:")
"""The last word of a name counts only where a value may follow: *tokens* are counted in every other event."""
HINTS: tuple[str, ...] = (*_SHAPES, *_NAMED)
_hints = BytesAhoCorasick([hint.encode() for hint in HINTS])
"""Finds all hints in one pass over a text, instead of one pass for each."""
_odd = BytesAhoCorasick([*(hint.encode() for hint in HINTS), b"\n", b"\\u"])
_FOLDED = ((b"\xc5", "\u017f".encode(), b"s"), (b"\xaa", "\u212a".encode(), b"k"))
"""A byte of the long s and of the Kelvin sign, by which most texts are seen to hold neither; the letter; its fold."""

BETWEEN = b"\0"
"""Stands between texts that are searched together: no hint has it, and no value follows a name across it."""
PASSES_MAX = 16
_SECRET_NAME = re.compile(rf"(?i)(?:[a-z0-9]{{1,40}}[_-]){{0,4}}(?:{_NAMES})")


def suspicious(text: str) -> bool:
    """Return whether any rule might apply to *text*: a cheap test, false for most texts."""
    return _found(_hints, text.casefold().encode("utf-8", "surrogatepass"))


def suspicious_among(texts: Sequence[bytes]) -> set[int]:
    """Return which of *texts*, by number, are `suspicious_json`: found by one search through all of them."""
    low = BETWEEN.join(texts).lower()
    if not low.isascii() and any(last in low for last, _, _ in _FOLDED):
        return {number for number, text in enumerate(texts) if suspicious_json(text)}
    begins = list(accumulate((len(text) + 1 for text in texts), initial=0))
    return {bisect_right(begins, begin) - 1 for begin in _places(_odd, low)}


def suspicious_json(data: bytes) -> bool:
    r"""Return whether the text in *data* is `suspicious`, has several lines, or hides characters behind ``\u``.

    The hottest line of log-sink, hence one search for all of it, and only what some rule's pattern takes for a Latin
    letter is folded to one: the long s and the Kelvin sign.
    """
    low = data.lower()
    if not data.isascii():
        for last, letter, latin in _FOLDED:
            if last in low:
                low = low.replace(letter, latin)
    return _found(_odd, low)


def _found(finder: BytesAhoCorasick, low: bytes) -> bool:
    """Return whether *low* holds a hint, and behind the last word of a name the sign that a value follows."""
    return any(True for _ in _places(finder, low))


def _places(finder: BytesAhoCorasick, low: bytes) -> Iterator[int]:
    """Yield where such hints begin."""
    named = range(len(_SHAPES), len(HINTS))
    for index, begin, end in finder.find_matches_as_indexes(low, overlapping=True):
        if index not in named or _VALUE_FOLLOWS.match(low, end - 1):
            yield begin


def _holds(low: str, hints: tuple[str, ...]) -> bool:
    """Return whether *low* holds one of *hints*."""
    return any(hint in low for hint in hints)


def redact(text: str) -> str:
    """Return *text* with every secret that is recognised replaced by ``[redacted:KIND]``.

    A replacement may set free what was hidden in a longer word, so it goes on until nothing changes any more.
    """
    if not suspicious(text):
        return text
    for _ in range(PASSES_MAX):
        before = text
        low = text.casefold()
        for rule in RULES:
            if _holds(low, rule.hints):
                text = rule.apply(text)
        if text == before:
            break
    return text


def redact_value(value: Any) -> Any:
    """Return a JSON value with every text in it redacted, keys too, and what stands under a name such as `password`."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact(str(name)): _under(str(name), item) for name, item in value.items()}
        case list() | tuple():
            return [redact_value(item) for item in value]
        case _:
            return value


def _under(name: str, item: Any) -> Any:
    if isinstance(item, str) and len(item) <= 4096 and _SECRET_NAME.fullmatch(name) and not _NO_SECRET.fullmatch(item):  # noqa: PLR2004 - as _ASSIGNED
        return f"[redacted:{_hyphened(name)}]" if item else item
    return redact_value(item)
