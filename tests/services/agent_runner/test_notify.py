"""Telling people outside: a real HTTP server, a real command, and what happens when neither listens."""

import asyncio
import hashlib
import hmac
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from obra.events import (
    BreakpointRaised,
    BreakpointResolved,
    Content,
    Event,
    ProjectPaused,
    ProjectResumed,
    QuestionAsked,
    ServiceDegraded,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.services.agent_runner.notify import notify
from obra.services.agent_runner.service import SAYS
from obra.services.agent_runner.state import NAME
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import NotifySettings
from obra.shared.envelope import Recorded, fresh
from obra.shared.service import Call

SCOPE = Scope("shop", "t1")
TASK = TaskSubmitted(text="add a flag", repo="/r")
RAISED = BreakpointRaised(name="no_checks", attempt=1, reasons=("look",))


@dataclass
class Hook:
    statuses: list[int]
    url: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook that answers with the statuses it is given, the last one again and again."""
    hook = Hook([200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.heard.append((dict(self.headers), body))
            self.send_response(hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0])
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}/obra"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    bus = MemoryBus()
    yield bus
    await bus.close()


async def told(
    bus: MemoryBus, settings: NotifySettings, *events: Event, after: tuple[Event, ...] = (), scope: Scope = SCOPE
) -> list[Event]:
    """Let *events* happen, hand the last one to the notifier, and return what it says."""
    for event in events:
        envelope = fresh(scope, event, "test")
        position = await bus.append([envelope])
    for event in after:
        await bus.append([fresh(scope, event, "test")])
    end = (await bus.past(scope)).position
    await notify(Call(bus, Recorded(position, envelope), 1, asyncio.Event(), NAME, SAYS), settings)
    return [recorded.event for recorded in (await bus.past(scope, end)).events]


async def test_a_webhook_gets_a_signed_object_once(bus: MemoryBus, hook: Hook, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    settings = NotifySettings(webhook=hook.url, secret_file=str(tmp_path / "secret"))
    assert await told(bus, settings, TASK, RAISED) == []
    ((headers, body),) = hook.heard
    said = json.loads(body)
    raised = (await bus.past(SCOPE)).events[-1].envelope
    assert said.pop("since") == raised.at.isoformat()
    assert said == {
        "id": str(raised.id), "project": "shop", "task": "t1", "kind": "breakpoint", "name": "no_checks",
        "severity": "warning", "text": "add a flag", "reasons": ["look"], "question": "", "attempt": 1,
        "answer_with": f"obra approve|reject|retry|take-over {str(raised.id)[:8]}",
    }  # fmt: skip
    assert headers["Obra-Event-Id"] == str(raised.id)
    at, signed = (part.partition("=")[2] for part in headers["Obra-Signature"].split(","))
    assert signed == hmac.new(b"s3cret", f"{at}.".encode() + body, hashlib.sha256).hexdigest()


async def test_a_project_that_was_paused_by_itself_is_told_and_one_that_somebody_paused_is_not(
    bus: MemoryBus, hook: Hook
) -> None:
    settings, project = NotifySettings(webhook=hook.url), Scope("shop", "-")
    pause = ProjectPaused(reason="3 tasks in a row failed", by="planner")
    await told(bus, settings, ProjectPaused(reason="lunch", by="me"), scope=project)
    await told(bus, settings, pause, after=(ProjectResumed(by="me"),), scope=project)
    assert hook.heard == []
    await told(bus, settings, pause, scope=project)
    ((_, body),) = hook.heard
    said = json.loads(body)
    assert {key: said[key] for key in ("task", "kind", "name", "severity", "reasons", "answer_with")} == {
        "task": "-", "kind": "pause", "name": "project_paused", "severity": "critical",
        "reasons": ["3 tasks in a row failed"], "answer_with": "obra project resume shop",
    }  # fmt: skip


@pytest.mark.parametrize(("statuses", "tries"), [([500, 429, 204], 3), ([404], 1)])
async def test_what_may_pass_is_tried_again_and_what_may_not_is_not(
    bus: MemoryBus, hook: Hook, statuses: list[int], tries: int
) -> None:
    hook.statuses = statuses
    said = await told(bus, NotifySettings(webhook=hook.url, pause_s=0.001), TASK, RAISED)
    assert len(hook.heard) == tries
    lacking = ServiceDegraded(
        service="agent-runner", lacking="notification", reason="webhook: it answered 404",
        effect="the webhook was not told; `obra inbox` lists what waits",
    )  # fmt: skip
    assert said == ([] if tries > 1 else [lacking])


async def test_where_nobody_listens_that_is_said_and_nothing_raises(bus: MemoryBus) -> None:
    settings = NotifySettings(webhook="http://127.0.0.1:9/", tries_max=2, pause_s=0.001)
    (said,) = await told(bus, settings, TASK, RAISED)
    assert isinstance(said, ServiceDegraded)
    assert said.reason.startswith("webhook: ConnectError")


async def test_a_command_gets_the_object_and_nothing_of_our_environment(
    bus: MemoryBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    script = "import json, os, sys; json.dump([dict(os.environ), json.load(sys.stdin)], open(sys.argv[1], 'w'))"
    out = tmp_path / "out.json"
    settings = NotifySettings(command=(sys.executable, "-I", "-c", script, str(out)), env={"CHANNEL": "ops"})
    question = QuestionAsked(question="q1", text=Content.of("Which DB?"))
    assert await told(bus, settings, TASK, question) == []
    environment, said = json.loads(out.read_text())
    assert set(environment) - {"LC_CTYPE"} == {"PATH", "CHANNEL"}
    assert (said["kind"], said["question"], said["answer_with"]) == (
        "question", "Which DB?", f"obra answer {said['id'][:8]}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/no/such/program",), "command: /no/such/program can't be started: No such file or directory"),
        (("/bin/sh", "-c", "exit 3"), "command: /bin/sh exited 3"),
        (("/bin/sh", "-c", "exec sleep 60"), "command: no end within 0.2 s"),
    ],
)
async def test_a_command_that_fails_is_said(bus: MemoryBus, command: tuple[str, ...], reason: str) -> None:
    settings = NotifySettings(command=command, tries_max=1, timeout_s=0.2)
    (said,) = await told(bus, settings, TASK, RAISED)
    assert isinstance(said, ServiceDegraded)
    assert said.reason == reason


@pytest.mark.parametrize(
    ("events", "after", "severity"),
    [
        ((TASK, RAISED), (BreakpointResolved(resolution="approve"),), "notice"),
        ((TASK, RAISED), (), "critical"),
        ((TASK, QuestionAsked(question="q1", text=Content.of("?"), to="llm")), (), "notice"),
    ],
    ids=["it was settled meanwhile", "it is not severe enough", "it is for the LLM"],
)
async def test_what_nobody_needs_to_know_is_not_told(
    bus: MemoryBus, hook: Hook, events: tuple[Event, ...], after: tuple[Event, ...], severity: Any
) -> None:
    assert await told(bus, NotifySettings(webhook=hook.url, severity=severity), *events, after=after) == []
    assert hook.heard == []
