"""The Ollama client, made so that nothing but our settings reaches it.

Importing this takes half a second (ollama and httpx); `providers.ollama` does it off the event loop, and only once
a server is there to talk to.
"""

from collections.abc import AsyncIterator

import httpx
from ollama import AsyncClient

from obra.shared.llm import REPLY_BYTES_MAX


class TooLarge(httpx.TransportError):
    """The server sent more than any reply may hold."""


class _Bounded(httpx.AsyncByteStream):
    """A response body that ends with an error once it is too large; httpx would gather all of it."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > REPLY_BYTES_MAX:
                raise TooLarge(f"the server sent more than {REPLY_BYTES_MAX} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        return response


def _without_credentials(request: httpx.Request) -> httpx.Request:
    """Take out what ollama-python adds from OLLAMA_API_KEY: that key is not meant for this server."""
    request.headers.pop("authorization", None)
    return request


def client(base_url: str, *, timeout_s: float, connect_timeout_s: float) -> AsyncClient:
    """Return a client for *base_url* that follows no redirect and ignores proxies and keys of the environment."""
    return AsyncClient(
        host=base_url,
        timeout=httpx.Timeout(timeout_s, connect=connect_timeout_s),
        follow_redirects=False,
        trust_env=False,
        transport=_BoundedTransport(trust_env=False),
        auth=_without_credentials,
    )
