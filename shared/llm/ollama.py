"""Ollama, through its own Python client."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from obra.events import Tokens
from obra.shared.config import LlmSettings
from obra.shared.llm import LlmFailed, Probe, Question, Reply, counted
from obra.shared.llm.failures import TRANSIENT, failures, knock, short
from obra.shared.redact import redact

if TYPE_CHECKING:
    from ollama import AsyncClient, ChatResponse


class Ollama:
    """See `Provider`. One client, opened with the first use, closed by `close`."""

    name = "ollama"

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._at = f"Ollama at {redact(settings.base_url)}"
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def probe(self, model: str) -> Probe:
        """See `Provider.probe`. Where nothing listens it fails within milliseconds."""
        digest = (await self.models()).get(tagged(model))
        if digest is None:
            return Probe(ready=False, reason=f"the server has no model {model}; try: ollama pull {model}")
        return Probe(ready=True, digest=digest, reason=f"the server has {model}")

    async def models(self) -> Mapping[str, str]:
        """Return the models that the server has, each with the digest of its weights."""
        async with failures(self._at, self._settings.probe_timeout_s, _understood):
            await knock(self._settings.base_url)
        client = await self._open()
        async with failures(self._at, self._settings.probe_timeout_s, _understood):
            listed = await client.list()
        return {model.model: model.digest or "" for model in listed.models if model.model}

    async def ask(self, question: Question) -> Reply:
        """See `Provider.ask`. Streamed, so that a reply without an end is noticed."""
        client = await self._open()
        async with failures(self._at, self._settings.timeout_s, _understood):
            parts = await client.chat(
                model=question.model,
                messages=[
                    {"role": "system", "content": question.system},
                    {"role": "user", "content": question.user},
                ],
                stream=True,
                format=dict(question.schema),
                options=_options(question),
            )
            text, last = await _gather(parts)
        return _reply(text, last, question)

    async def close(self) -> None:
        """See `Provider.close`."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call] # ollama-python does not say

    async def _open(self) -> "AsyncClient":
        async with self._opening:
            if self._client is None:
                http = await asyncio.to_thread(import_module, "obra.shared.llm.http")
                opened: AsyncClient = http.client(
                    self._settings.base_url,
                    timeout_s=self._settings.timeout_s,
                    connect_timeout_s=self._settings.probe_timeout_s,
                )
                self._client = opened
            return self._client


def _understood(at: str, error: Exception) -> LlmFailed | None:
    """Return what *error* of the client library means; None if it is none of its ways to fail."""
    from ollama import ResponseError  # noqa: PLC0415 - loaded long ago, with the client that raised

    match error:
        case ResponseError(status_code=status):
            said = f"status {status}" if status > 0 else "in the middle of its reply"
            return LlmFailed(reason=short(f"{at} says ({said}): {error.error}"), transient=status in TRANSIENT)
        case ValueError() | TypeError() | AttributeError():
            # ollama-python reads replies without looking: JSON of another shape ends in one of these.
            return LlmFailed(reason=f"{at} sent something that is no reply of Ollama")
    return None


def _options(question: Question) -> dict[str, Any]:
    return {
        "temperature": question.temperature,
        "seed": question.seed,
        "num_ctx": question.context_tokens,
        "num_predict": question.tokens_max,
    }


async def _gather(parts: "AsyncIterator[ChatResponse]") -> "tuple[str, ChatResponse]":
    pieces: list[str] = []
    async for part in parts:
        pieces.append(part.message.content or "")
        if part.done:
            return "".join(pieces), part
    raise LlmFailed(reason="Ollama's reply ended before it was done", transient=True)


def _reply(text: str, last: "ChatResponse", question: Question) -> Reply:
    tokens = Tokens(input=counted(last.prompt_eval_count), output=counted(last.eval_count))
    return Reply(
        text=text,
        tokens=tokens,
        truncated=last.done_reason == "length",
        crowded=tokens.input >= question.context_tokens,
    )


def tagged(model: str) -> str:
    """Return *model* as Ollama lists it: a name without a tag means `latest`."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"
