"""Takes secrets out of what an agent said: those that look like secrets, and those that it was given."""

import json
import re
from collections.abc import Callable, Iterable, Mapping

SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|SESSION|PRIVATE|DSN|SIGNATURE|BEARER|WEBHOOK", re.IGNORECASE
)
HARMLESS_NAME = re.compile(
    r"(PATH|HOME|PWD|SHELL|USER|LOGNAME|LANG(UAGE)?|LC_\w+|TERM|TMPDIR|TZ|CI|EDITOR|PAGER|COLORTERM|NO_COLOR)"
    r"|(DISABLE|PYTHON|NODE|NPM_CONFIG|UV|PIP|CARGO|RUST|GO|JAVA|CLAUDE_CODE)_?\w*|\w+_(PATH|DIR|HOME|MODEL|HOST|PORT|TIMEOUT\w*)"
)
NAMED_CHARS_MIN = 4
OTHER_CHARS_MIN = 8
REPLACED = "[redacted]"


class Redactor:
    """Replaces exact *values* and everything that `obra.shared.redact` knows by its look."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        written = {form for value in values for form in _written(value)}
        longest_first = sorted(written - {""}, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._by_look = _by_look()

    def __call__(self, text: str) -> str:
        """Return *text* without secrets."""
        if self._values is not None:
            text = self._values.sub(REPLACED, text)
        return self._by_look(text)


def _written(value: str) -> tuple[str, ...]:
    """Return *value* as it stands, and as it stands inside JSON."""
    return value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]


def secrets_of(env: Mapping[str, str]) -> list[str]:
    """Return the values in *env* that must never be shown.

    All but the plainly harmless: a variable is there because somebody named it, most often for what it opens.
    """
    return [value for name, value in env.items() if _is_secret(name, value)]


def _is_secret(name: str, value: str) -> bool:
    if SECRET_NAME.search(name):
        return len(value) >= NAMED_CHARS_MIN
    if "://" in value:
        return "@" in value
    return not HARMLESS_NAME.fullmatch(name) and len(value) >= OTHER_CHARS_MIN


def _by_look() -> Callable[[str], str]:
    from obra.shared.redact import redact  # noqa: PLC0415 - its patterns are compiled when they are needed

    return redact
