"""What every provider keeps: the same questions to Ollama and to OpenAI's chat completions, over loopback servers."""

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from obra.events import Tokens
from obra.shared.config import LlmSettings
from obra.shared.llm import REPLY_BYTES_MAX, LlmFailed, Provider, Question, Reply
from obra.shared.llm.ollama import Ollama
from obra.shared.llm.openai import OpenAI
from tests.loopback.ollama import (
    DIGEST,
    MODEL,
    BreaksOff,
    Fails,
    FailsMidway,
    Hangs,
    Says,
    Scripted,
    ScriptedOllama,
    Sends,
)
from tests.loopback.openai import ScriptedOpenAI

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
QUESTION = Question(
    model=MODEL, system="Be brief.", user="Is it so?", schema=SCHEMA,
    tokens_max=100, context_tokens=4_096, temperature=0.1, seed=7,
)  # fmt: skip


@dataclass(frozen=True)
class Maker:
    provider: Callable[[LlmSettings], Provider]
    server: Callable[..., ScriptedOllama]
    digest: str


MAKERS = {"ollama": Maker(Ollama, ScriptedOllama, DIGEST), "openai": Maker(OpenAI, ScriptedOpenAI, "")}


@pytest.fixture(params=MAKERS)
def maker(request: pytest.FixtureRequest) -> Maker:
    return MAKERS[request.param]


@pytest.fixture
async def opened() -> AsyncIterator[list[Provider]]:
    providers: list[Provider] = []
    yield providers
    for provider in providers:
        await provider.close()


@pytest.fixture
def provider(maker: Maker, opened: list[Provider]) -> Callable[..., Provider]:
    def make(url: str, *, timeout_s: float = 20.0, probe_timeout_s: float = 20.0) -> Provider:
        opened.append(maker.provider(LlmSettings(base_url=url, timeout_s=timeout_s, probe_timeout_s=probe_timeout_s)))
        return opened[-1]

    return make


def refused_url() -> str:
    """Return the URL of a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


async def test_it_is_known_by_the_name_before_the_slash(maker: Maker, provider: Any) -> None:
    assert MAKERS[provider("http://127.0.0.1:9").name] is maker


async def test_a_reply_comes_with_its_tokens(maker: Maker, provider: Any) -> None:
    with maker.server([Says('{"ok": true}', prompt_tokens=12, reply_tokens=5)]) as server:
        assert await provider(server.url).ask(QUESTION) == Reply(text='{"ok": true}', tokens=Tokens(input=12, output=5))
    (asked,) = server.asked
    assert asked["model"] == MODEL
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it so?"},
    ]


@pytest.mark.parametrize("absurd", [-5, 10**15])
async def test_counts_that_no_model_can_come_to_are_not_believed(maker: Maker, provider: Any, absurd: int) -> None:
    with maker.server([Says('{"ok": true}', prompt_tokens=absurd, reply_tokens=absurd)]) as server:
        reply = await provider(server.url).ask(QUESTION)
    assert reply == Reply(text='{"ok": true}', tokens=Tokens())


async def test_a_reply_that_was_cut_or_filled_the_context_says_so(maker: Maker, provider: Any) -> None:
    with maker.server([Says("{", done_reason="length", prompt_tokens=4_096)]) as server:
        reply = await provider(server.url).ask(QUESTION)
    assert reply == Reply(text="{", tokens=Tokens(input=4_096, output=45), truncated=True, crowded=True)


async def test_a_probe_finds_a_model_or_says_that_it_is_not_there(maker: Maker, provider: Any) -> None:
    with maker.server() as server:
        there, lacking = await provider(server.url).probe(MODEL), await provider(server.url).probe("other:1b")
    assert (there.ready, there.digest, lacking.ready) == (True, maker.digest, False)
    assert MODEL in there.reason
    assert "has no model other:1b" in lacking.reason


FAILURES: list[tuple[Scripted, str, bool]] = [
    (Fails(400, "bad request"), "says (status 400): bad request", False),
    (Fails(401, "who are you"), "says (status 401): who are you", False),
    (Fails(404, "no such model"), "says (status 404): no such model", False),
    (Fails(429, "too many"), "says (status 429): too many", True),
    (Fails(500, "out of memory"), "says (status 500): out of memory", True),
    (Fails(503, "server busy"), "says (status 503): server busy", True),
    (Fails(302, "elsewhere"), "says (status 302): elsewhere", False),
    (FailsMidway("CUDA error"), "CUDA error", True),
    (BreaksOff(), "broke off: peer closed connection without sending complete message body", True),
    (Sends(b"<html>hello</html>\n"), "sent something that is no reply of", False),
    (Sends(b"[1, 2]\n"), "sent something that is no reply of", False),
    (Sends(b'{"message": 7, "done": true, "choices": []}\n'), "sent something that is no reply of", False),
    (Sends(b"\xff\xfe\n"), "sent something that is no reply of", False),
    (Sends(b"x" * (REPLY_BYTES_MAX + 1)), "the server sent more than 1048576 bytes", False),
]


@pytest.mark.parametrize(("reply", "reason", "transient"), FAILURES, ids=lambda value: type(value).__name__)
async def test_every_way_to_fail_is_one_error_with_a_reason(
    maker: Maker, provider: Any, reply: Scripted, reason: str, transient: bool
) -> None:
    with maker.server([reply]) as server, pytest.raises(LlmFailed) as failed:
        await provider(server.url).ask(QUESTION)
    assert reason in failed.value.reason
    assert failed.value.transient is transient


async def test_silence_ends_with_the_timeout_and_is_not_tried_again(maker: Maker, provider: Any) -> None:
    with maker.server([Hangs()]) as server, pytest.raises(LlmFailed) as failed:
        await provider(server.url, timeout_s=0.3).ask(QUESTION)
    assert failed.value.transient is False
    assert "did not answer within 0.3 s" in failed.value.reason
    assert server.hanging.is_set()


async def test_a_refused_connection_may_be_tried_again(provider: Any) -> None:
    at = provider(refused_url())
    with pytest.raises(LlmFailed) as probed:
        await at.probe(MODEL)
    assert "can't be reached" in probed.value.reason
    with pytest.raises(LlmFailed) as asked:
        await at.ask(QUESTION)
    assert ("can't be reached" in asked.value.reason, asked.value.transient) == (True, True)


async def test_a_probe_of_a_silent_server_ends_with_the_probe_timeout(maker: Maker, provider: Any) -> None:
    with maker.server(tags=Hangs()) as server, pytest.raises(LlmFailed) as failed:
        await provider(server.url, probe_timeout_s=0.3).probe(MODEL)
    assert "did not answer within 0.3 s" in failed.value.reason


async def test_proxies_and_keys_of_the_environment_do_not_matter(
    maker: Maker, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OLLAMA_HOST", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, refused_url())
    for name in ("OLLAMA_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "a-dummy-key")
    with maker.server([Says("{}")]) as server:
        at = provider(server.url)
        assert (await at.probe(MODEL)).ready
        await at.ask(QUESTION)
    assert server.headers
    assert all("authorization" not in headers for headers in server.headers)


async def test_closing_twice_and_without_use_is_fine(provider: Any) -> None:
    at = provider("http://127.0.0.1:9")
    await at.close()
    await at.close()


async def test_a_password_in_the_address_is_told_to_nobody(provider: Any) -> None:
    with pytest.raises(LlmFailed) as failed:
        await provider(refused_url().replace("//", "//me:hunter2hunter2@")).ask(QUESTION)
    assert "hunter2" not in failed.value.reason
