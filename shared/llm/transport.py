"""What lies below both clients: HTTP that is bounded and that nothing but our settings reaches."""

from collections.abc import AsyncIterator

import httpx

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


class BoundedTransport(httpx.AsyncHTTPTransport):
    """The transport of httpx with a limit on the size of a response."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        return response


def client(base_url: str, *, timeout_s: float, connect_timeout_s: float) -> httpx.AsyncClient:
    """Return a plain client for *base_url* that follows no redirect and ignores proxies of the environment."""
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=httpx.Timeout(timeout_s, connect=connect_timeout_s),
        follow_redirects=False,
        trust_env=False,
        transport=BoundedTransport(trust_env=False),
    )
