"""Secrets leave a text; everything else stays in it."""

import re
import time

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from obra.shared.redact import HINTS, RULES, redact, redact_value, suspicious, suspicious_json

A36 = "aB3dE5gH7jK9mN1pQ3sT5vX7zA2cE4gI6kM8"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEow+/IBAAKCAQEA\nabc=\n-----END RSA PRIVATE KEY-----"
)

SECRETS = {
    f"key sk-ant-api03-{A36}-AA end": "key [redacted:anthropic-key] end",
    f"sk-proj-{A36}": "[redacted:openai-key]",
    f"sk-{A36}": "[redacted:openai-key]",
    "id AKIAIOSFODNN7EXAMPLE.": "id [redacted:aws-key-id].",
    "ASIAIOSFODNN7EXAMPLE": "[redacted:aws-key-id]",
    "aws_secret_access_key = wJalrXUtnFEMI/K7": "aws_secret_access_key = [redacted:secret-access-key]",
    f"ghp_{A36}": "[redacted:github-token]",
    f"github_pat_11A_{A36}": "[redacted:github-token]",
    "xoxb-123456789012-abcdefghijkl": "[redacted:slack-token]",
    "https://hooks.slack.com/services/T000/B000/XXXX": "https://[redacted:slack-hook]",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl": "[redacted:jwt]",
    "-H 'Authorization: Bearer abcdef123456'": "-H 'Authorization: Bearer [redacted:authorization]'",
    "authorization: Basic dXNlcjpwYXNz": "authorization: Basic [redacted:authorization]",
    "sent Bearer abc123def456 along": "sent Bearer [redacted:bearer] along",
    "sent Basic dXNlcjpwYXNz along": "sent Basic [redacted:basic] along",
    "password=hunter22": "password=[redacted:password]",
    'DB_PASSWORD: "correct horse"': 'DB_PASSWORD: "[redacted:password]"',
    "export API_KEY=abcdef0123": "export API_KEY=[redacted:api-key]",
    '{"access_token": "abcdef", "n": 1}': '{"access_token": "[redacted:token]", "n": 1}',
    "client_secret='a b c'": "client_secret='[redacted:secret]'",
    "postgresql://me:s3cr3t@db:5432/x": "postgresql://me:[redacted:url-password]@db:5432/x",
    "redis://:pw@host": "redis://:[redacted:url-password]@host",
    f"before {PEM} after": "before [redacted:private-key] after",
    "cut -----BEGIN PRIVATE KEY-----\nMIIEow": "cut [redacted:private-key]",
    f"AIza{A36[:35]}": "[redacted:google-key]",
    "sk_" + "live_4eC39HqLyjWDarjtT1": "[redacted:stripe-key]",
    f"npm_{A36}": "[redacted:npm-token]",
    f"glpat-{A36}": "[redacted:gitlab-token]",
    f"hf_{A36}": "[redacted:huggingface-token]",
}  # fmt: skip

HARMLESS = [
    "9c3b1f0d2a4e5f60718293a4b5c6d7e8f9012345",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "123e4567-e89b-12d3-a456-426614174000",
    "/home/me/projects/token/keys/password_reset.py",
    "Ada Lovelace <ada@example.org>",
    "https://example.org:8443/a/b?c=d",
    "git@github.com:me/repo.git",
    "tokens: 123, max_tokens=4096, input_tokens=12",
    '{"tokens":{"input":900,"output":120}}',
    "def login(password: str, token: Token | None = None) -> None:",
    "password = getpass.getpass()",
    "connect(password=password, token=self.token, api_key=args.api_key)",
    "password=os.environ['PW'] secret=$SECRET token=${TOKEN} api_key=<your key>",
    "if token == 'x': pass",
    "Bearer authentication and Basic authentication are explained in the manual",
    "sk-learn, sk-fading-circle-of-many-many-words",
    "the passwords of all users: none was stored",
    "key: value, keyword: thing, monkey: banana",
]


@pytest.mark.parametrize(("text", "expected"), SECRETS.items(), ids=range(len(SECRETS)))
def test_a_secret_is_replaced_and_what_stands_around_it_stays(text: str, expected: str) -> None:
    assert suspicious(text)
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_values_are_redacted_however_deep_they_lie() -> None:
    value = {"a": [{"text": "password=hunter22", "n": 1, "none": None}], "token": "abc", f"ghp_{A36}": True}
    assert redact_value(value) == {
        "a": [{"text": "password=[redacted:password]", "n": 1, "none": None}],
        "token": "[redacted:token]",
        "[redacted:github-token]": True,
    }


@given(st.text(max_size=300))
def test_redacting_again_adds_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(st.lists(st.sampled_from([*SECRETS, *HARMLESS, "=", ":", " ", "://", "@", '"', "\n"]), max_size=8).map("".join))
@settings(deadline=None)
def test_mixtures_stay_redacted_when_redacted_again(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


def mixed() -> st.SearchStrategy[str]:
    """Return texts with hints in any spelling that folds to them, whole or cut off, and secrets among other text."""
    cut = st.sampled_from(HINTS).flatmap(lambda hint: st.integers(0, len(hint)).map(lambda end: hint[:end]))
    pieces = st.one_of(
        cut, st.sampled_from(HINTS), st.sampled_from(HINTS).map(str.upper), st.sampled_from(list(SECRETS)),
        st.sampled_from(["\u017f", "\u212a", "s", "=", ": ", "\t:", "\\\": "]),
        st.sampled_from(["\u2713", "\ufb01", "\u0130", "\udc80", "\n", "\\u0070", "\\", '"']),
        st.text(max_size=9),
    )  # fmt: skip
    return st.lists(pieces, max_size=6).map("".join)


@given(mixed())
@settings(max_examples=500)
def test_the_one_search_finds_what_a_search_for_every_hint_finds(text: str) -> None:
    low = text.casefold()
    expected = any(hint in low for rule in RULES if rule.kind != "assigned" for hint in rule.hints) or bool(
        re.search(rf"""(?:{"|".join(RULES[-1].hints)})["'\\\\]{{0,2}}[ \t]{{0,3}}[=:]""", low)
    )
    assert suspicious(text) == expected
    assert not any(
        redact(text[begin:]) != text[begin:] for begin in range(0, len(text), 7) if not suspicious(text[begin:])
    )
    data = text.encode("utf-8", "surrogatepass")
    if data.decode("utf-8", "replace") == text:
        assert suspicious_json(data) == (expected or "\n" in text or "\\u" in text.lower())


@given(mixed())
@settings(max_examples=300, deadline=None)
def test_a_text_that_no_hint_is_found_in_is_left_as_it_is_by_every_rule(text: str) -> None:
    if not suspicious(text):
        assert [rule.apply(text) for rule in RULES] == [text] * len(RULES)


@given(mixed(), mixed())
@example("", 'passwd\t=passphrase"')
@settings(max_examples=300, deadline=None)
def test_json_that_is_not_suspicious_holds_nothing_that_redaction_would_change(name: str, text: str) -> None:
    value = {name: {"a": [text, 1]}, "event": text, name + "x": name}
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:
        return
    if not suspicious_json(data):
        assert redact_value(value) == value


@given(st.text(max_size=300))
def test_what_is_not_suspicious_is_not_changed(text: str) -> None:
    if not suspicious(text):
        assert redact(text) == text


PARTS = [
    *HINTS,
    *SECRETS,
    "password=",
    "authorization: ",
    "://a:",
    "a",
    "-",
    "eyJ",
    "eyJ-",
    "sk-",
    "sk-a",
    "Basic a",
    "bearer a",
]


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
def test_time_grows_with_the_text_and_not_with_its_square(part: str) -> None:
    """A text ten times as long may cost ten times as much; a quadratic pattern would cost a hundred times."""

    def cost(chars: int) -> float:
        text = (part * (chars // len(part) + 1))[:chars]
        best = float("inf")
        for _ in range(3):
            begin = time.process_time()
            redact(text)
            best = min(best, time.process_time() - begin)
        return best

    assert cost(200_000) < 40 * max(cost(20_000), 0.0005)


def test_json_of_a_redacted_value_is_json() -> None:
    value = {"cmd": 'curl -H "Authorization: Bearer abcdef123456" https://u:p@h/', "password": 'a"b'}
    assert msgspec.json.decode(msgspec.json.encode(redact_value(value)))["password"] == "[redacted:password]"
