"""A loopback server that speaks Ollama's HTTP API from a script: the real client talks to it over real sockets.

    with ScriptedOllama(replies=[Says('{"approves": true}')]) as server:
        ...  # server.url, server.asked

Each question takes the next reply; the last one repeats.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

MODEL = "qwen2.5-coder:7b"
DIGEST = "sha256:2b0496514337a3d5901f1d253d01726c890b721e891335a56d6e08cedf3e2cb0"
LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Says:
    """The model says *text*, streamed in *pieces* where the client asks for a stream."""

    text: str
    done_reason: str = "stop"
    prompt_tokens: int = 321
    reply_tokens: int = 45
    pieces: int = 3


@dataclass(frozen=True, slots=True)
class Fails:
    """The server answers with an error status."""

    status: int
    error: str


@dataclass(frozen=True, slots=True)
class FailsMidway:
    """The reply begins, and a line with an error ends it; the status stays 200."""

    error: str
    text: str = "{"


@dataclass(frozen=True, slots=True)
class BreaksOff:
    """The reply begins, and the connection is gone; *cleanly*: as if it were complete, but never done."""

    cleanly: bool = False
    text: str = "{"


@dataclass(frozen=True, slots=True)
class Hangs:
    """Nothing comes until the server is stopped; *after*: or until a first piece was sent."""

    after: str = ""


@dataclass(frozen=True, slots=True)
class Sends:
    """These bytes come as a body with status 200, whatever they are."""

    body: bytes


Scripted = Says | Fails | FailsMidway | BreaksOff | Hangs | Sends


@dataclass
class ScriptedOllama:
    """The server. ``models`` maps names to digests; ``tags`` replaces what /api/tags does."""

    replies: Sequence[Scripted] = ()
    models: dict[str, str] = field(default_factory=lambda: {MODEL: DIGEST})
    tags: Scripted | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    handler: ClassVar[type[BaseHTTPRequestHandler]]

    def __enter__(self) -> Self:
        """Listen on a free loopback port."""
        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", 0), self.handler)
        self._server.script = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and let go of everyone who hangs."""
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT_S)

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_reply(self, question: dict[str, Any]) -> Scripted:
        """Record *question* and return the reply that it gets."""
        with self._lock:
            self.asked.append(question)
            if not self.replies:
                return Fails(500, "the script is empty")
            return self.replies[min(len(self.asked), len(self.replies)) - 1]


class Server(ThreadingHTTPServer):
    script: ScriptedOllama
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that hang up: that is what they are here for."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would cost 40 ms of delayed acknowledgement
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        script = self.noted()
        if self.path == "/api/version":
            return self.json(200, {"version": "0.12.11"})
        if self.path != "/api/tags":
            return self.json(404, {"error": "404 page not found"})
        if script.tags is not None:
            return self._play(script.tags, stream=False)
        rows = [
            {"name": name, "model": name, "digest": digest, "size": 1, "modified_at": "2026-01-01T00:00:00Z"}
            for name, digest in script.models.items()
        ]
        return self.json(200, {"models": rows})

    def do_POST(self) -> None:
        script = self.noted()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path not in ("/api/chat", "/api/show"):
            return self.json(404, {"error": "404 page not found"})
        if body["model"] not in script.models:
            return self.json(404, {"error": f"model '{body['model']}' not found"})
        if self.path == "/api/show":
            return self.json(200, {"model_info": {}, "capabilities": ["completion"]})
        return self._play(script.next_reply(body), stream=body.get("stream", True))

    def noted(self) -> ScriptedOllama:
        self.server.script.paths.append(self.path)
        self.server.script.headers.append({key.lower(): value for key, value in self.headers.items()})
        return self.server.script

    def _play(self, reply: Scripted, *, stream: bool) -> None:
        match reply:
            case Says():
                self._says(reply, stream=stream)
            case Fails(status, error):
                self.json(status, {"error": error})
            case FailsMidway(error, text):
                self._begin()
                self._line(_part(text))
                self._line({"error": error})
                self._chunk(b"")
            case BreaksOff(cleanly, text):
                self._begin()
                self._line(_part(text))
                if cleanly:
                    self._chunk(b"")
                self.close_connection = True
            case Hangs(after):
                if after:
                    self._begin()
                    self._line(_part(after))
                self.server.script.hanging.set()
                self.server.script.stopped.wait(LIMIT_S)
                self.close_connection = True
            case Sends(body):
                self.body(200, body)

    def _says(self, reply: Says, *, stream: bool) -> None:
        last = {
            "done": True, "done_reason": reply.done_reason, "total_duration": 2_000_000, "load_duration": 1_000,
            "prompt_eval_count": reply.prompt_tokens, "prompt_eval_duration": 500_000,
            "eval_count": reply.reply_tokens, "eval_duration": 1_000_000,
        }  # fmt: skip
        if not stream:
            return self.json(200, _part(reply.text) | last)
        self._begin()
        step = max(-(-len(reply.text) // reply.pieces), 1)
        for start in range(0, len(reply.text), step):
            self._line(_part(reply.text[start : start + step]))
        self._line(_part("") | last)
        return self._chunk(b"")

    def json(self, status: int, value: object) -> None:
        self.body(status, json.dumps(value).encode())

    def body(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _line(self, value: object) -> None:
        self._chunk(json.dumps(value).encode() + b"\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _part(text: str) -> dict[str, Any]:
    return {
        "model": MODEL, "created_at": "2026-01-01T00:00:00Z", "done": False,
        "message": {"role": "assistant", "content": text},
    }  # fmt: skip


ScriptedOllama.handler = Handler
