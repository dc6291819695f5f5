"""Tells somebody outside that something waits for a person: by a webhook, by a command, or both.

It is the runner's work since the runner is what acts on the world: it has a durable place in the stream, retries,
and runs programs (`docs/decisions`). Delivery is at least once, named by the id of the event that began the wait.
What can't be delivered is said, and holds up nothing.
"""

import asyncio
import contextlib
import hashlib
import hmac
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec

from obra.events import GoalSubmitted, ProjectPaused, QuestionAsked, ServiceDegraded, TaskSubmitted
from obra.services.agent_runner.state import NAME
from obra.shared.config import NotifySettings
from obra.shared.envelope import Recorded
from obra.shared.redact import redact
from obra.shared.service import Call
from obra.shared.waiting import Item, stopped, waiting

SEVERITIES = ("notice", "warning", "critical")
TEXT_CHARS_MAX = 4_000
PAUSE_S_MAX = 30.0
AGAIN = frozenset({408, 425, 429})
SERVER_ERROR = 500
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


class _Failed(Exception):
    """One try failed; *final*: another would fail too."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


async def notify(call: Call, settings: NotifySettings) -> None:
    """Tell about the event of *call*, unless it does not wait any more, is not severe enough, or nobody is to know."""
    event = call.recorded.event
    if not (settings.webhook or settings.command) or (isinstance(event, QuestionAsked) and event.to != "person"):
        return
    past = (await call.past()).events
    items = stopped(past) if isinstance(event, ProjectPaused) else waiting(past)
    item = next((each for each in items if each.position == call.recorded.position), None)
    if item is None or SEVERITIES.index(item.severity) < SEVERITIES.index(settings.severity):
        return
    body = redact(msgspec.json.encode(_told(call, item, past)).decode()).encode()
    for way, tell in (("webhook", _post), ("command", _run)):
        if getattr(settings, way) and (problem := await _tried(settings, partial(tell, settings, item, body))):
            await call.append(ServiceDegraded(
                service=NAME, lacking="notification", reason=f"{way}: {redact(problem)}",
                effect=f"the {way} was not told; `obra inbox` lists what waits",
            ))  # fmt: skip


def _told(call: Call, item: Item, past: tuple[Recorded, ...]) -> dict[str, object]:
    text = next((r.event.text for r in past if isinstance(r.event, TaskSubmitted | GoalSubmitted)), "")
    return {
        "id": item.id, "project": call.scope.project, "task": call.scope.task, "kind": item.kind, "name": item.name,
        "severity": item.severity, "since": item.since.isoformat(), "text": text[:TEXT_CHARS_MAX],
        "reasons": [reason[:TEXT_CHARS_MAX] for reason in item.reasons], "question": item.question[:TEXT_CHARS_MAX],
        "attempt": item.attempt, "answer_with": f"obra {_how(call, item)}",
    }  # fmt: skip


def _how(call: Call, item: Item) -> str:
    """Return what to say to `obra` so that it goes on."""
    if item.kind == "pause":
        return f"project resume {call.scope.project}"
    return f"{'answer' if item.kind == 'question' else 'approve|reject|retry|take-over'} {item.id[:8]}"


async def _tried(settings: NotifySettings, tell: Callable[[], Awaitable[None]]) -> str:
    """Try up to ``tries_max`` times, later each time; return why it failed, or nothing."""
    reason = ""
    for number in range(settings.tries_max):
        if number:
            await asyncio.sleep(min(2.0 ** (number - 1), PAUSE_S_MAX) * settings.pause_s * random.uniform(0.5, 1.0))
        try:
            async with asyncio.timeout(settings.timeout_s):
                await tell()
            return ""
        except TimeoutError:
            reason = f"no end within {settings.timeout_s:g} s"
        except _Failed as error:
            reason = str(error)
            if error.final:
                break
    return reason


async def _post(settings: NotifySettings, item: Item, body: bytes) -> None:
    import httpx  # noqa: PLC0415 - only where something is to be told

    headers = {"Content-Type": "application/json", "Obra-Event-Id": item.id, **_signature(settings, body)}
    try:
        async with (
            httpx.AsyncClient(timeout=settings.timeout_s, trust_env=False, follow_redirects=False) as client,
            client.stream("POST", settings.webhook, content=body, headers=headers) as reply,
        ):
            status = reply.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise _Failed(f"{type(error).__name__}: {error}") from error
    if not reply.is_success:
        raise _Failed(f"it answered {status}", final=status < SERVER_ERROR and status not in AGAIN)


def _signature(settings: NotifySettings, body: bytes) -> dict[str, str]:
    """Return the header that shows who sent *body* and when, where there is a secret."""
    if not settings.secret_file:
        return {}
    try:
        secret = Path(settings.secret_file).expanduser().read_bytes().strip()
    except OSError as error:
        raise _Failed(f"notify.secret_file can't be read: {error.strerror}", final=True) from error
    at = str(int(time.time()))
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Obra-Signature": f"t={at},v1={digest}"}


async def _run(settings: NotifySettings, item: Item, body: bytes) -> None:
    env = {"PATH": os.environ.get("PATH", DEFAULT_PATH), **settings.env}
    try:
        process = await asyncio.create_subprocess_exec(
            *settings.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, env=env, cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise _Failed(f"{settings.command[0]} can't be started: {error.strerror}", final=True) from error
    try:
        await process.communicate(body)
    finally:
        if process.returncode is None:
            _kill(process)
            await process.wait()
    if process.returncode:
        raise _Failed(f"{settings.command[0]} exited {process.returncode}")


def _kill(process: asyncio.subprocess.Process) -> None:
    """End the command and what it started, which is a group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
