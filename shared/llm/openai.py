"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, llama.cpp, LM Studio, Ollama, a gateway.

They differ in what they accept. The strictest form is asked for first; what a server refuses by name (status 400 or
422) is conceded step by step, remembered for the model, and recorded with the reply (`Reply.conceded`).
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obra.events import Tokens
from obra.shared.config import LlmSettings
from obra.shared.llm import LlmFailed, Probe, Question, Reply, counted
from obra.shared.llm.failures import TRANSIENT, failures, knock, short
from obra.shared.redact import redact

if TYPE_CHECKING:
    from httpx import AsyncClient, Response

FORMATS = ("strict", "schema", "object", "text")
"""Of the reply, from constrained by the schema as a contract down to not constrained at all."""

REFUSED = frozenset({400, 415, 422})
UNLISTED = frozenset({404, 405, 501})
OK = 200
KEY_BYTES_MAX = 8_192


@dataclass(frozen=True, slots=True)
class Concessions:
    """What a model's server accepts, as far as it was found out."""

    format: str = FORMATS[0]
    limit: str = "max_tokens"
    temperature: bool = True
    seed: bool = True

    def after(self, complaint: str) -> "Concessions | None":
        """Return what to try once the server said *complaint*; None if there is nothing left to concede."""
        if self.limit in complaint and self.limit == "max_tokens":
            return replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in complaint:
            return replace(self, temperature=False)
        if self.seed and "seed" in complaint:
            return replace(self, seed=False)
        lower = FORMATS[FORMATS.index(self.format) + 1 :]
        about_format = any(word in complaint.lower() for word in ("format", "schema", "json", "strict", "grammar"))
        return replace(self, format=lower[0]) if lower and about_format else None

    def record(self) -> dict[str, float]:
        """Return what was conceded, as an event records it; nothing where nothing was."""
        given_up = {"json_format": float(FORMATS.index(self.format))} if self.format != FORMATS[0] else {}
        return given_up | {name: -1.0 for name in ("temperature", "seed") if not getattr(self, name)}


class OpenAI:
    """See `Provider`. One client, opened with the first use, closed by `close`."""

    name = "openai"

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._url = endpoint(settings)
        self._at = f"the server at {redact(self._url)}"
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._accepted: dict[str, Concessions] = {}

    async def probe(self, model: str) -> Probe:
        """See `Provider.probe`. A server that does not list its models is taken at its word."""
        async with failures(self._at, self._settings.probe_timeout_s, _understood):
            await knock(self._url)
        client = await self._open()
        async with failures(self._at, self._settings.probe_timeout_s, _understood):
            response = await client.get("models", headers=self._headers())
            if response.status_code in UNLISTED:
                return Probe(ready=True, reason=f"{self._at} answers, and does not list its models")
            listed = _entries(self._body(response))
        if model not in listed:
            return Probe(ready=False, reason=f"{self._at} has no model {model}")
        return Probe(ready=True, reason=f"{self._at} has {model}")

    async def ask(self, question: Question) -> Reply:
        """See `Provider.ask`."""
        client = await self._open()
        async with failures(self._at, self._settings.timeout_s, _understood):
            tried = self._accepted.get(question.model, Concessions())
            while True:
                response = await client.post(
                    "chat/completions", json=_request(question, tried), headers=self._headers()
                )
                terms = tried.after(response.text) if response.status_code in REFUSED else None
                if terms is None:
                    break
                tried = terms
            reply = _reply(self._body(response), question, tried)
            self._accepted[question.model] = tried
            return reply

    async def close(self) -> None:
        """See `Provider.close`."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _open(self) -> "AsyncClient":
        async with self._opening:
            if self._client is None:
                transport = await asyncio.to_thread(import_module, "obra.shared.llm.transport")
                opened: AsyncClient = transport.client(
                    self._url,
                    timeout_s=self._settings.timeout_s,
                    connect_timeout_s=self._settings.probe_timeout_s,
                )
                self._client = opened
            return self._client

    def _headers(self) -> dict[str, str]:
        secret = key(self._settings)
        return {"authorization": f"Bearer {secret}"} if secret else {}

    def _body(self, response: "Response") -> Mapping[str, Any]:
        """Return the JSON object of *response*; `LlmFailed` with the server's own words for any other status."""
        status = response.status_code
        if status != OK:
            said = short(redact(_complaint(response).replace(key(self._settings) or "\0", "[key]")))
            raise LlmFailed(reason=f"{self._at} says (status {status}): {said}", transient=status in TRANSIENT)
        body = response.json()
        if not isinstance(body, dict):
            raise TypeError
        return body


def endpoint(settings: LlmSettings) -> str:
    """Return the base URL: the provider's own, else the common one; without a path it gets the usual `/v1`."""
    url = (settings.openai.base_url or settings.base_url).rstrip("/")
    return url if urlsplit(url).path else f"{url}/v1"


def key(settings: LlmSettings) -> str:
    """Return the key from the configured file or variable, empty where none is configured.

    It is read for every question, so that it can be renewed, and kept nowhere.
    """
    wanted = settings.openai
    try:
        if wanted.key_file:
            return _as_header(Path(wanted.key_file).expanduser().read_text()[:KEY_BYTES_MAX])
    except (OSError, UnicodeDecodeError) as error:
        raise LlmFailed(reason=f"llm.openai.key_file can't be read: {type(error).__name__}") from error
    if not wanted.key_env:
        return ""
    if wanted.key_env not in os.environ:
        raise LlmFailed(reason=f"llm.openai.key_env: there is no variable {wanted.key_env}")
    return _as_header(os.environ[wanted.key_env])


def _as_header(secret: str) -> str:
    secret = secret.strip()
    if not secret.isascii() or not secret.isprintable():
        raise LlmFailed(reason="the key of llm.openai holds characters that no key has")
    return secret


def _request(question: Question, terms: Concessions) -> dict[str, Any]:
    schema = {"name": "reply", "schema": dict(question.schema), "strict": terms.format == "strict"}
    forms: dict[str, Any] = {
        "strict": {"type": "json_schema", "json_schema": schema},
        "schema": {"type": "json_schema", "json_schema": schema},
        "object": {"type": "json_object"},
    }
    return (
        {
            "model": question.model, "stream": False, terms.limit: question.tokens_max,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
        }
        | ({"temperature": question.temperature} if terms.temperature else {})
        | ({"seed": question.seed} if terms.seed else {})
        | ({"response_format": forms[terms.format]} if terms.format in forms else {})
    )  # fmt: skip


def _reply(body: Mapping[str, Any], question: Question, terms: Concessions) -> Reply:
    choice = body["choices"][0]
    message, ended = choice["message"], choice.get("finish_reason")
    usage = body.get("usage") or {}
    text, refusal = message.get("content"), message.get("refusal")
    if not isinstance(text, str | None) or not isinstance(refusal, str | None):
        raise TypeError
    tokens = Tokens(input=counted(usage.get("prompt_tokens")), output=counted(usage.get("completion_tokens")))
    return Reply(
        text=text or "",
        tokens=tokens,
        truncated=ended == "length",
        crowded=tokens.input >= question.context_tokens,
        refusal=refusal or ("its server filtered the reply" if ended == "content_filter" else ""),
        conceded=terms.record(),
    )


def _entries(body: Mapping[str, Any]) -> set[str]:
    return {str(entry["id"]) for entry in body["data"]}


def _complaint(response: "Response") -> str:
    """Return what the server says is wrong: the shapes are OpenAI's, Ollama's, FastAPI's, or none at all."""
    try:
        body = response.json()
    except ValueError:
        return response.text
    error = body.get("error", body.get("detail")) if isinstance(body, dict) else None
    return str(error.get("message", error) if isinstance(error, dict) else error or response.text)


def _understood(at: str, error: Exception) -> LlmFailed | None:
    if isinstance(error, ValueError | TypeError | AttributeError | LookupError):
        return LlmFailed(reason=f"{at} sent something that is no reply of chat completions")
    return None
