"""The provider for Ollama: the real client against a loopback server that misbehaves in every known way."""

from collections.abc import AsyncIterator

import pytest

from obra.events import Tokens
from obra.shared.config import LlmSettings
from obra.shared.llm import REPLY_BYTES_MAX, LlmFailed, Question, Reply
from obra.shared.llm.ollama import Ollama
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

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
QUESTION = Question(
    model=MODEL, system="Be brief.", user="Is it so?", schema=SCHEMA,
    tokens_max=100, context_tokens=4_096, temperature=0.1, seed=7,
)  # fmt: skip


@pytest.fixture
async def opened() -> AsyncIterator[list[Ollama]]:
    ollamas: list[Ollama] = []
    yield ollamas
    for ollama in ollamas:
        await ollama.close()


def client(opened: list[Ollama], url: str, *, timeout_s: float = 20.0, probe_timeout_s: float = 20.0) -> Ollama:
    opened.append(Ollama(LlmSettings(base_url=url, timeout_s=timeout_s, probe_timeout_s=probe_timeout_s)))
    return opened[-1]


async def test_a_question_is_sent_with_schema_and_options_and_the_streamed_reply_is_gathered(
    opened: list[Ollama],
) -> None:
    with ScriptedOllama([Says('{"ok": true}', prompt_tokens=12, reply_tokens=5)]) as server:
        reply = await client(opened, server.url).ask(QUESTION)
    assert reply == Reply(text='{"ok": true}', tokens=Tokens(input=12, output=5))
    assert server.asked == [
        {
            "model": MODEL,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it so?"}],
            "tools": [],
            "stream": True,
            "format": SCHEMA,
            "options": {"temperature": 0.1, "seed": 7, "num_ctx": 4096, "num_predict": 100},
        }
    ]


async def test_models_come_with_their_digests(opened: list[Ollama]) -> None:
    with ScriptedOllama(models={MODEL: DIGEST, "tiny:latest": "sha256:1"}) as server:
        assert await client(opened, server.url).models() == {MODEL: DIGEST, "tiny:latest": "sha256:1"}


FAILURES: list[tuple[Scripted, str, bool]] = [
    (Fails(400, "bad format"), "says (status 400): bad format", False),
    (Fails(404, "no such model"), "says (status 404): no such model", False),
    (Fails(500, "out of memory"), "says (status 500): out of memory", True),
    (Fails(503, "server busy"), "says (status 503): server busy", True),
    (Fails(302, "elsewhere"), "says (status 302): elsewhere", False),
    (FailsMidway("CUDA error"), "says (in the middle of its reply): CUDA error", True),
    (BreaksOff(), "broke off: peer closed connection without sending complete message body", True),
    (BreaksOff(cleanly=True), "Ollama's reply ended before it was done", True),
    (Sends(b"<html>hello</html>\n"), "sent something that is no reply of Ollama", False),
    (Sends(b'{"message": {"role": "assistant", "cont\n'), "sent something that is no reply of Ollama", False),
    (Sends(b"[1, 2]\n"), "sent something that is no reply of Ollama", False),
    (Sends(b'{"message": 7, "done": true}\n'), "sent something that is no reply of Ollama", False),
    (Sends(b"\xff\xfe\n"), "sent something that is no reply of Ollama", False),
    (Sends(b"x" * (REPLY_BYTES_MAX + 1)), "the server sent more than 1048576 bytes", False),
]


@pytest.mark.parametrize(("reply", "reason", "transient"), FAILURES, ids=lambda value: type(value).__name__)
async def test_every_way_to_fail_is_one_error_with_a_reason(
    opened: list[Ollama], reply: Scripted, reason: str, transient: bool
) -> None:
    with ScriptedOllama([reply]) as server, pytest.raises(LlmFailed) as failed:
        await client(opened, server.url).ask(QUESTION)
    assert reason in failed.value.reason
    assert failed.value.transient is transient


@pytest.mark.parametrize("reply", [Hangs(), Hangs(after='{"ok"')])
async def test_silence_ends_with_the_timeout_and_is_not_tried_again(opened: list[Ollama], reply: Hangs) -> None:
    with ScriptedOllama([reply]) as server, pytest.raises(LlmFailed) as failed:
        await client(opened, server.url, timeout_s=0.3).ask(QUESTION)
    assert failed.value.transient is False
    assert server.hanging.is_set()
