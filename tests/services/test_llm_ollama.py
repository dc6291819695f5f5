"""What is Ollama's own: its options, its digests, its reply line by line. The rest: test_llm_providers.py."""

from collections.abc import AsyncIterator

import pytest

from obra.shared.config import LlmSettings
from obra.shared.llm import LlmFailed
from obra.shared.llm.ollama import Ollama
from tests.loopback.ollama import DIGEST, MODEL, BreaksOff, FailsMidway, Hangs, Says, Scripted, ScriptedOllama, Sends
from tests.services.test_llm_providers import QUESTION, SCHEMA


@pytest.fixture
async def opened() -> AsyncIterator[list[Ollama]]:
    ollamas: list[Ollama] = []
    yield ollamas
    for ollama in ollamas:
        await ollama.close()


def client(opened: list[Ollama], url: str, *, timeout_s: float = 20.0) -> Ollama:
    opened.append(Ollama(LlmSettings(base_url=url, timeout_s=timeout_s)))
    return opened[-1]


async def test_a_question_is_sent_with_schema_and_options(opened: list[Ollama]) -> None:
    with ScriptedOllama([Says('{"ok": true}')]) as server:
        await client(opened, server.url).ask(QUESTION)
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


@pytest.mark.parametrize(
    ("reply", "reason", "transient"),
    [
        (FailsMidway("CUDA error"), "says (in the middle of its reply): CUDA error", True),
        (BreaksOff(cleanly=True), "Ollama's reply ended before it was done", True),
        (Sends(b'{"message": {"role": "assistant", "cont\n'), "sent something that is no reply of Ollama", False),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_reply_that_ends_in_its_middle_is_no_reply(
    opened: list[Ollama], reply: Scripted, reason: str, transient: bool
) -> None:
    with ScriptedOllama([reply]) as server, pytest.raises(LlmFailed) as failed:
        await client(opened, server.url).ask(QUESTION)
    assert reason in failed.value.reason
    assert failed.value.transient is transient


async def test_silence_in_the_middle_of_a_reply_ends_with_the_timeout_and_is_not_tried_again(
    opened: list[Ollama],
) -> None:
    with ScriptedOllama([Hangs(after='{"ok"')]) as server, pytest.raises(LlmFailed) as failed:
        await client(opened, server.url, timeout_s=0.3).ask(QUESTION)
    assert failed.value.transient is False
    assert server.hanging.is_set()
