"""The Ollama client, made so that nothing but our settings reaches it.

Importing this takes half a second (ollama and httpx); `shared.llm.ollama` does it off the event loop, and only once
a server is there to talk to.
"""

import httpx
from ollama import AsyncClient

from obra.shared.llm.transport import BoundedTransport


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
        transport=BoundedTransport(trust_env=False),
        auth=_without_credentials,
    )
