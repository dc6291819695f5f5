"""What only the provider for OpenAI's chat completions does: keys, concessions, refusals."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from obra.events import Tokens
from obra.shared.config import LlmSettings, OpenAISettings
from obra.shared.llm import LlmFailed, Probe, Reply
from obra.shared.llm.openai import Concessions, OpenAI, endpoint
from tests.loopback.ollama import MODEL, Fails, Says
from tests.loopback.openai import Refuses, ScriptedOpenAI
from tests.services.test_llm_providers import QUESTION, SCHEMA

KEY = "sk-dummy-0123456789abcdef0123456789"
SAID = Reply(text="{}", tokens=Tokens(input=321, output=45))


@pytest.fixture
async def at() -> AsyncIterator[Any]:
    opened: list[OpenAI] = []

    def make(url: str, **openai: str) -> OpenAI:
        opened.append(OpenAI(LlmSettings(base_url="http://127.0.0.1:9", openai=OpenAISettings(base_url=url, **openai))))
        return opened[-1]

    yield make
    for provider in opened:
        await provider.close()


async def test_the_reply_is_constrained_by_the_schema(at: Any) -> None:
    with ScriptedOpenAI([Says("{}")]) as server:
        assert await at(server.url).ask(QUESTION) == SAID
    assert server.asked == [
        {
            "model": MODEL,
            "stream": False,
            "max_tokens": 100,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it so?"}],
            "temperature": 0.1,
            "seed": 7,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True},
            },
        }
    ]


@pytest.mark.parametrize(
    ("refuses", "conceded", "form"),
    [
        (("strict",), {"json_format": 1.0}, "json_schema"),
        (("json_schema",), {"json_format": 2.0}, "json_object"),
        (("response_format",), {"json_format": 3.0}, None),
        (("temperature", "seed"), {"temperature": -1.0, "seed": -1.0}, "json_schema"),
        (("max_tokens",), {}, "json_schema"),
    ],
)
async def test_what_a_server_refuses_is_conceded_once_and_recorded(
    at: Any, refuses: tuple[str, ...], conceded: dict[str, float], form: str | None
) -> None:
    with ScriptedOpenAI([Says("{}")], refuses=refuses) as server:
        provider = at(server.url)
        first = await provider.ask(QUESTION)
        refused = server.refused
        second = await provider.ask(QUESTION)
    assert first == second == Reply(text="{}", tokens=SAID.tokens, conceded=conceded)
    assert refused == server.refused > 0
    assert [asked.get("response_format", {}).get("type") for asked in server.asked] == [form, form]
    limit = "max_completion_tokens" if "max_tokens" in refuses else "max_tokens"
    assert all(asked[limit] == 100 for asked in server.asked)


async def test_a_bad_request_about_something_else_is_not_argued_with(at: Any) -> None:
    with ScriptedOpenAI([Fails(400, "this prompt is too long"), Says("{}")]) as server:
        provider = at(server.url)
        with pytest.raises(LlmFailed, match="status 400"):
            await provider.ask(QUESTION)
        assert await provider.ask(QUESTION) == SAID
    assert len(server.asked) == 2


def test_there_is_an_end_to_concessions() -> None:
    terms: Concessions | None = Concessions()
    steps = 0
    while terms is not None:
        terms, steps = terms.after("max_tokens, temperature, seed and response_format are not supported"), steps + 1
    assert steps == 7


async def test_a_refusal_is_no_reply(at: Any) -> None:
    with ScriptedOpenAI([Refuses("I can't judge this."), Says("", done_reason="content_filter")]) as server:  # type: ignore[list-item]
        provider = at(server.url)
        first, second = await provider.ask(QUESTION), await provider.ask(QUESTION)
    assert (first.refusal, second.refusal) == ("I can't judge this.", "its server filtered the reply")


async def test_the_key_comes_from_a_file_or_a_variable_and_goes_nowhere_else(
    at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("A_KEY_OF_MINE", KEY)
    with ScriptedOpenAI([Says("{}")], key=KEY) as server:
        for where in ({"key_file": str(tmp_path / "key")}, {"key_env": "A_KEY_OF_MINE"}):
            provider = at(server.url, **where)
            assert (await provider.probe(MODEL)).ready
            assert await provider.ask(QUESTION) == SAID
        with pytest.raises(LlmFailed, match="status 401"):
            await at(server.url).ask(QUESTION)


async def test_a_server_that_repeats_the_key_does_not_make_us_repeat_it(at: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not-a-known-shape")
    with ScriptedOpenAI(key=KEY) as server, pytest.raises(LlmFailed) as failed:
        await at(server.url, key_file=str(tmp_path / "key")).ask(QUESTION)
    assert "Incorrect API key provided: [key]" in failed.value.reason


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ({"key_file": "/nowhere/key"}, "llm.openai.key_file can't be read: FileNotFoundError"),
        ({"key_env": "NO_SUCH_VARIABLE"}, "llm.openai.key_env: there is no variable NO_SUCH_VARIABLE"),
    ],
)
async def test_a_key_that_is_missing_is_a_reason(at: Any, where: dict[str, str], problem: str) -> None:
    with ScriptedOpenAI([Says("{}")]) as server, pytest.raises(LlmFailed) as failed:
        await at(server.url, **where).ask(QUESTION)
    assert failed.value.reason == problem
    assert server.asked == []


async def test_a_server_without_a_list_of_models_is_taken_at_its_word(at: Any) -> None:
    with ScriptedOpenAI(unlisted=True) as server:
        probe = await at(server.url).probe("anything")
    assert probe == Probe(ready=True, reason=f"the server at {server.url}/v1 answers, and does not list its models")


@pytest.mark.parametrize(
    ("own", "common", "expected"),
    [
        ("", "http://h:11434", "http://h:11434/v1"),
        ("https://api.example.org/v1/", "http://h:11434", "https://api.example.org/v1"),
        ("http://h:8000", "http://other", "http://h:8000/v1"),
        ("http://h/openai/deployments/x", "http://other", "http://h/openai/deployments/x"),
    ],
)
def test_the_address_is_its_own_or_the_common_one_and_gets_v1(own: str, common: str, expected: str) -> None:
    assert endpoint(LlmSettings(base_url=common, openai=OpenAISettings(base_url=own))) == expected
