"""What an adapter hands back: everything needed to start one agent and talk to it."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Launch:
    """A command not yet wrapped, its environment, and further paths it must be able to read."""

    argv: tuple[str, ...]
    env: dict[str, str]
    read_only: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentFound:
    """An agent that can be started. ``version`` is empty where asking would cost a start: the run will say it."""

    executable: str
    version: str = ""


def line(message: dict[str, Any]) -> bytes:
    """Return *message* as the agent reads it from its standard input."""
    return json.dumps(message).encode() + b"\n"


def opening(prompt: str) -> bytes:
    """Return the first lines to an agent: the handshake of live control, and the prompt as a person's message."""
    hello = {"type": "control_request", "request_id": "obra-0", "request": {"subtype": "initialize", "hooks": {}}}
    content = [{"type": "text", "text": prompt}]
    message = {"role": "user", "content": content}
    asked = {"type": "user", "message": message, "parent_tool_use_id": None, "session_id": ""}
    return line(hello) + line(asked)


def interrupt() -> bytes:
    """Return the request to stop at once and say a last word."""
    return line({"type": "control_request", "request_id": "obra-stop", "request": {"subtype": "interrupt"}})
