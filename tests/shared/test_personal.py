"""Who somebody is leaves a text; everything else stays in it."""

import json

import pytest

from obra.shared.personal import impersonal, impersonal_line

PERSONAL = {
    "by Ada <ada.l+x@mail.example.org>": "by Ada <[redacted:email]>",
    "from 203.0.113.7, port 80": "from [redacted:ip], port 80",
    "at 2001:db8::ff00:42:8329": "at [redacted:ip]",
    "fe80::1%eth0": "[redacted:ip]%eth0",
    "SSN 536-12-3456": "SSN [redacted:ssn]",
    "card 4111 1111 1111 1111.": "card [redacted:card].",
    "card 5500000000000004": "card [redacted:card]",
    "call +49 30 901820 now": "call [redacted:phone] now",
    "call (555) 010-9999 or 555-010-9999": "call [redacted:phone] or [redacted:phone]",
}

HARMLESS = [
    "9c3b1f0d2a4e5f60718293a4b5c6d7e8f9012345",
    "123e4567-e89b-12d3-a456-426614174000",
    "2026-11-24T02:21:57.599549Z",
    "at 02:21:57",
    "listening on 127.0.0.1:8080 and ::1 and 0.0.0.0",
    "version 1.2.3 of 10.20",
    "std::vector, abc::def, a::b",
    "(+10234 -56789)",
    "4111 1111 1111 1112",
    "1764000000000000000",
    "git@localhost",
    "@@ -12,3 +14,5 @@",
]


@pytest.mark.parametrize(("text", "left"), PERSONAL.items())
def test_what_says_who_somebody_is_leaves(text: str, left: str) -> None:
    assert impersonal(text) == left


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert impersonal(text) == text


def test_only_the_texts_of_a_line_are_changed_however_deep_they_lie() -> None:
    line = {"position": 4111111111111111, "id": "536-12-3456", "event": {"files": [["a@example.org"], {"n": 1.5}]}}
    told = json.loads(impersonal_line(json.dumps(line).encode()))
    assert told == {**line, "event": {"files": [["[redacted:email]"], {"n": 1.5}]}}
