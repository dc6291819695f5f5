"""Every way in which a server of models can fail, as `LlmFailed`; and the cheap question whether it is there."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from obra.shared.llm import LlmFailed

TRANSIENT = frozenset({-1, 408, 429, 500, 502, 503, 504})
"""Statuses after which the same question may be answered; -1 is an error in the middle of a reply."""

ERROR_CHARS_MAX = 300
DEFAULT_PORTS = {"http": 80, "https": 443}

Understand = Callable[[str, Exception], LlmFailed | None]


async def knock(base_url: str) -> None:
    """Connect and hang up: much cheaper than importing a client, where nothing listens."""
    at = urlsplit(base_url)
    port = at.port or DEFAULT_PORTS.get(at.scheme, 80)
    _, writer = await asyncio.open_connection(at.hostname or "127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def failures(at: str, timeout_s: float, own: Understand) -> AsyncIterator[None]:
    """Bound the block by *timeout_s*, and say everything that may go wrong in it as `LlmFailed`.

    *at* names the server; *own* says what errors of the client's own library mean, None for no idea.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except LlmFailed:
        raise
    except TimeoutError as error:
        raise LlmFailed(reason=f"{at} did not answer within {timeout_s:g} s") from error
    except OSError as error:
        reason = f"{at} can't be reached: {_plain(error)}"
        raise LlmFailed(reason=short(reason), transient=True) from error
    except Exception as error:
        understood = own(at, error) or _of_http(at, error)
        if understood is None:
            raise
        raise understood from error


def _of_http(at: str, error: Exception) -> LlmFailed | None:
    import httpx  # noqa: PLC0415 - loaded long ago, with the client that raised

    from obra.shared.llm.transport import TooLarge  # noqa: PLC0415

    match error:
        case TooLarge():
            return LlmFailed(reason=f"{at}: {error}")
        case httpx.TimeoutException():
            return LlmFailed(reason=f"{at} fell silent")
        case httpx.ConnectError():
            return LlmFailed(reason=short(f"{at} can't be reached: {_plain(error)}"), transient=True)
        case httpx.HTTPError():
            return LlmFailed(reason=short(f"{at} broke off: {error or type(error).__name__}"), transient=True)
    return None


def _plain(error: BaseException) -> str:
    """Return what the system says of *error*, or of the first of its causes that the system has a word for."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.errno:
            return (os.strerror(at.errno) if at.errno > 0 else str(at.strerror)).lower()
        at = at.__cause__ or at.__context__
    return str(error)


def short(text: str) -> str:
    """Return *text* on one line that a person can take in."""
    line = " ".join(text.split())
    return line if len(line) <= ERROR_CHARS_MAX else f"{line[: ERROR_CHARS_MAX - 1]}…"
