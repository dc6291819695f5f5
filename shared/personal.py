"""Takes what says who somebody is out of text: for a log that goes where people's names must not.

E-mail addresses, IP addresses, telephone and social security numbers, payment cards. Apart from secrets
(`obra.shared.redact`), since a git identity is part of what an agent did, and the store keeps it; so this is asked
for (``log.redact_personal``). A net, not a proof: names of people have no shape.

Candidates are found by patterns of bounded length, and held against what they must be: an address that parses, a
card whose check digit is right. Versions, times, commit ids and code such as ``a::b`` stay.
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import msgspec

KEPT = frozenset({"id", "cause", "correlation", "at", "sha256", "commit"})
"""Fields that never say who somebody is."""

DIGITS_MIN, DIGITS_MAX = 8, 15
"""Of a telephone number, as E.164 has them; a national one has its own shape."""

LARGEST_DIGIT = 9


def _email(_: str) -> bool:
    return True


def _ipv4(text: str) -> bool:
    try:
        address = IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _ipv6(text: str) -> bool:
    """Return whether *text* is an address; its first group must have a digit, since code has words there."""
    try:
        address = IPv6Address(text)
    except ValueError:
        return False
    first = text.partition(":")[0]
    return any(map(str.isdigit, first)) and not (address.is_loopback or address.is_unspecified)


def _phone(text: str) -> bool:
    return DIGITS_MIN <= sum(map(str.isdigit, text)) <= DIGITS_MAX


def _card(text: str) -> bool:
    """Return whether the check digit is right, after Luhn (ISO/IEC 7812-1)."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    doubled = [2 * digit for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(d if d <= LARGEST_DIGIT else d - LARGEST_DIGIT for d in doubled)) % 10 == 0


KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"), _email),
    ("ip", re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), _ipv4),
    ("ip", re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"), _ipv6),
    ("ssn", re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])"), lambda _: True),
    ("card", re.compile(r"(?<![\w.-])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\w-])"), _card),
    ("phone", re.compile(r"(?<![\w.+-])\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}(?!\w)"), _phone),
    ("phone", re.compile(r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\w.-])"), lambda _: True),
)  # fmt: skip


def impersonal(text: str) -> str:
    """Return *text* with what says who somebody is replaced by ``[redacted:KIND]``."""
    for kind, pattern, is_one in KINDS:
        text = pattern.sub(lambda match, kind=kind, is_one=is_one: _told(match[0], kind, is_one), text)  # type: ignore[misc]
    return text


def _told(found: str, kind: str, is_one: Callable[[str], bool]) -> str:
    return f"[redacted:{kind}]" if is_one(found) else found


def impersonal_line(line: bytes) -> bytes:
    """Return a line of JSON likewise: the texts in it, and nothing else."""
    return msgspec.json.encode(_value(msgspec.json.decode(line)))


def _value(value: Any) -> Any:
    match value:
        case str():
            return impersonal(value)
        case dict():
            return {impersonal(name): item if name in KEPT else _value(item) for name, item in value.items()}
        case list():
            return [_value(item) for item in value]
        case _:
            return value
