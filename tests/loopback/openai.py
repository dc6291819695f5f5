"""A loopback server that speaks OpenAI's chat completions from a script, with the quirks of the servers that do.

with ScriptedOpenAI(replies=[Says("{}")], refuses=("response_format",)) as server:
    ...  # server.url, server.asked, server.headers
"""

import json
from dataclasses import dataclass
from typing import Any

from tests.loopback.ollama import (
    LIMIT_S,
    MODEL,
    BreaksOff,
    Fails,
    FailsMidway,
    Handler,
    Hangs,
    Says,
    Scripted,
    ScriptedOllama,
    Sends,
)


@dataclass(frozen=True, slots=True)
class Refuses:
    """The model declines: OpenAI puts its words beside the content, which is null then."""

    words: str


@dataclass
class ScriptedOpenAI(ScriptedOllama):
    """The server. *refuses*: what it answers 400 to, by name: `max_tokens`, `seed`, `json_schema`, `strict`, …

    *key*: what it wants as a bearer token. *unlisted*: it has no list of models.
    """

    refuses: tuple[str, ...] = ()
    key: str = ""
    unlisted: bool = False
    refused: int = 0


class OpenAIHandler(Handler):
    def do_GET(self) -> None:
        script = self.noted()
        if self.path != "/v1/models" or script.unlisted:
            return self.json(404, {"detail": "Not Found"})
        if script.tags is not None:
            return self._act(script.tags)
        if not self._let_in(script):
            return None
        return self.json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in script.models]})

    def do_POST(self) -> None:
        script = self.noted()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            return self.json(404, {"detail": "Not Found"})
        if not self._let_in(script):
            return None
        for name in script.refuses:
            if name in _named(body):
                script.refused += 1
                return self._error(400, f"Unsupported parameter: '{name}' is not supported with this model.")
        if body["model"] not in script.models:
            return self._error(404, f"The model `{body['model']}` does not exist")
        return self._act(script.next_reply(body))

    def noted(self) -> "ScriptedOpenAI":
        script = super().noted()
        assert isinstance(script, ScriptedOpenAI)
        return script

    def _let_in(self, script: ScriptedOpenAI) -> bool:
        given = self.headers.get("Authorization", "")
        if script.key and given != f"Bearer {script.key}":
            self._error(401, f"Incorrect API key provided: {given.removeprefix('Bearer ')}")
            return False
        return True

    def _error(self, status: int, message: str) -> None:
        self.json(status, {"error": {"message": message, "type": "invalid_request_error", "param": None}})

    def _act(self, reply: "Scripted | Refuses") -> None:
        match reply:
            case Says(text, done_reason, prompt_tokens, reply_tokens):
                usage = {"prompt_tokens": prompt_tokens, "completion_tokens": reply_tokens}
                self.json(200, _completion({"role": "assistant", "content": text}, done_reason, usage))
            case Refuses(words):
                self.json(200, _completion({"role": "assistant", "content": None, "refusal": words}, "stop", {}))
            case Fails(status, error):
                self._error(status, error)
            case FailsMidway(error):
                self._error(500, error)
            case BreaksOff(cleanly):
                self.send_response(200)
                if not cleanly:
                    self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"choices": [')
                self.close_connection = True
            case Hangs():
                self.server.script.hanging.set()
                self.server.script.stopped.wait(LIMIT_S)
                self.close_connection = True
            case Sends(body):
                self.body(200, body)


ScriptedOpenAI.handler = OpenAIHandler


def _named(body: dict[str, Any]) -> set[str]:
    """Return every name that a picky server might stumble over."""
    form = body.get("response_format", {})
    strict = {"strict"} if form.get("json_schema", {}).get("strict") else set()
    return {*body, form.get("type", ""), *strict}


def _completion(message: dict[str, Any], ended: str, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL, "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": ended}],
    }  # fmt: skip
