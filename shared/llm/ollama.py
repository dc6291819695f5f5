"""Ollama, through its own Python client."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obra.events import Tokens
from obra.shared.config import LlmSettings
from obra.shared.llm import LlmFailed, Question, Reply

if TYPE_CHECKING:
    from ollama import AsyncClient, ChatResponse

TRANSIENT = frozenset({-1, 408, 429, 500, 502, 503, 504})
"""Statuses after which the same question may be answered; -1 is an error in the middle of a reply."""

ERROR_CHARS_MAX = 300
DEFAULT_PORTS = {"http": 80, "https": 443}


class Ollama:
    """See `Provider`. One client, opened with the first use, closed by `close`."""

    name = "ollama"

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def models(self) -> Mapping[str, str]:
        """See `Provider.models`. Where nothing listens it fails within milliseconds."""
        async with self._failures(self._settings.probe_timeout_s):
            await self._knock()
        client = await self._open()
        async with self._failures(self._settings.probe_timeout_s):
            listed = await client.list()
        return {model.model: model.digest or "" for model in listed.models if model.model}

    async def ask(self, question: Question) -> Reply:
        """See `Provider.ask`. Streamed, so that a reply without an end is noticed."""
        client = await self._open()
        async with self._failures(self._settings.timeout_s):
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

    async def _knock(self) -> None:
        """Connect and hang up: much cheaper than importing the client, where nothing listens."""
        at = urlsplit(self._settings.base_url)
        port = at.port or DEFAULT_PORTS.get(at.scheme, 80)
        _, writer = await asyncio.open_connection(at.hostname or "127.0.0.1", port)
        writer.close()
        await writer.wait_closed()

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

    @asynccontextmanager
    async def _failures(self, timeout_s: float) -> AsyncIterator[None]:
        """Bound the block by *timeout_s*, and say everything that may go wrong in it as `LlmFailed`."""
        at = f"Ollama at {self._settings.base_url}"
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except LlmFailed:
            raise
        except TimeoutError as error:
            raise LlmFailed(reason=f"{at} did not answer within {timeout_s:g} s") from error
        except OSError as error:
            reason = f"{at} can't be reached: {error.strerror or error}"
            raise LlmFailed(reason=_short(reason), transient=True) from error
        except Exception as error:
            understood = _understood(at, error)
            if understood is None:
                raise
            raise understood from error


def _understood(at: str, error: Exception) -> LlmFailed | None:
    """Return what *error* of the client library means; None if it is none of its ways to fail."""
    import httpx  # noqa: PLC0415 - loaded long ago, with the client that raised
    from ollama import ResponseError  # noqa: PLC0415

    from obra.shared.llm.http import TooLarge  # noqa: PLC0415

    match error:
        case TooLarge():
            return LlmFailed(reason=f"{at}: {error}")
        case ResponseError(status_code=status):
            said = f"status {status}" if status > 0 else "in the middle of its reply"
            return LlmFailed(reason=_short(f"{at} says ({said}): {error.error}"), transient=status in TRANSIENT)
        case httpx.TimeoutException():
            return LlmFailed(reason=f"{at} fell silent")
        case httpx.HTTPError():
            return LlmFailed(reason=_short(f"{at} broke off: {error or type(error).__name__}"), transient=True)
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
    tokens = Tokens(input=max(last.prompt_eval_count or 0, 0), output=max(last.eval_count or 0, 0))
    return Reply(
        text=text,
        tokens=tokens,
        truncated=last.done_reason == "length",
        crowded=tokens.input >= question.context_tokens,
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= ERROR_CHARS_MAX else f"{line[: ERROR_CHARS_MAX - 1]}…"
