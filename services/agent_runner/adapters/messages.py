"""Understands what an agent says in Claude Code's line protocol, and keeps what matters of it.

Everything here is untrusted: a value of an unexpected type counts as absent, an unknown message as nothing. A
result counts only if it is a message of the stream itself, after an init message and of the same session; what the
agent's *text* says about results is text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from obra.events import Denial, Output, Tokens
from obra.services.agent_runner.adapters.steps import Steps

TEXT_MAX = 4_000
HEARD_MAX = 2 * TEXT_MAX
"""More is taken than is shown, so that no secret is cut in half before it is redacted."""
DENIALS_MAX = 200
ERRORS_MAX = 20
TOOLS_MAX = 100
RUNNING_MAX = 1_000
COMMANDS_MAX = 200
QUESTIONS_MAX = 10
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")


@dataclass(frozen=True, slots=True)
class Result:
    """The last word of the agent about one of its turns."""

    subtype: str
    is_error: bool
    text: str | None = None
    api_status: int | None = None
    terminal_reason: str = ""
    stop_reason: str = ""
    turns: int = 0
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class Observed:
    """What was heard from an agent so far."""

    session: str = ""
    model: str = ""
    version: str = ""
    result: Result | None = None
    tokens: Tokens = field(default_factory=Tokens)
    context_tokens: int = 0
    context_window: int = 0
    cost_usd: float = 0.0
    denials: dict[str, Denial] = field(default_factory=dict)
    tools: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    turns: int = 0
    stop_reason: str = ""
    api_error: str = ""
    retry_at: str = ""
    running: dict[str, str] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)
    _message_id: str = ""
    _spent: dict[str, Tokens] = field(default_factory=dict)
    _tool_input: dict[str, Denial] = field(default_factory=dict)

    def take(self, message: Mapping[str, Any]) -> list[Output]:
        """Take in one message and return what a person would want to see of it."""
        kind = message.get("type")
        if kind == "system":
            return self._system(message)
        if kind == "assistant":
            return self._assistant(message)
        if kind == "user":
            return self._user(message)
        if kind == "result":
            return self._result(message)
        if kind == "rate_limit_event":
            self._rate_limit(_dict(message.get("rate_limit_info")))
        return []

    def spent(self) -> Tokens:
        """Return the tokens of this run: as the result states them, else a lower bound from the messages."""
        if self.result is not None:
            return self.tokens
        return sum(self._spent.values(), Tokens())

    def _system(self, message: Mapping[str, Any]) -> list[Output]:
        match message.get("subtype"):
            case "init":
                self.session = self.session or _name(message.get("session_id"))
                self.model = _text(message.get("model")) or self.model
                self.version = _text(message.get("claude_code_version")) or self.version
            case "permission_denied":
                tool = _text(message.get("tool_name"))
                self._deny(_text(message.get("tool_use_id")), tool, None)
                said = _text(message.get("message"))
                return [Output(kind="error", text=f"denied: {said}"[:HEARD_MAX], tool=tool)]
            case "api_retry":
                status, attempt = message.get("error_status"), _int(message.get("attempt"))
                what = f"{_text(message.get('error')) or 'unknown'}{f' ({status})' if status else ''}"
                self._error(f"request failed: {what}")
                return [Output(kind="notice", text=f"the provider failed: {what}; retry {attempt}")]
        return []

    def _assistant(self, message: Mapping[str, Any]) -> list[Output]:
        inner = _dict(message.get("message"))
        identity, usage = _text(inner.get("id")), _tokens(_dict(inner.get("usage")))
        if not message.get("parent_tool_use_id"):
            if identity != self._message_id:
                self.running.clear()
                self.turns += 1
            self._message_id = identity
            self.stop_reason = _text(inner.get("stop_reason")) or self.stop_reason
            self.context_tokens = usage.input + usage.cache_read + usage.cache_write + usage.output or (
                self.context_tokens
            )
        self.api_error = error = _text(message.get("error"))
        if len(self._spent) < RUNNING_MAX or identity in self._spent:
            self._spent[identity] = usage
        seen: list[Output] = []
        thread = _text(message.get("parent_tool_use_id"))
        for block in map(_dict, _list(inner.get("content"))):
            if block.get("type") == "text" and (said := _text(block.get("text")).strip()):
                self.steps.says(thread, said)
                seen.append(Output(kind="error" if error else "text", text=said[:HEARD_MAX]))
            elif block.get("type") == "tool_use":
                seen.append(self._tool_use(block, thread))
        return seen

    def _tool_use(self, block: Mapping[str, Any], thread: str) -> Output:
        tool, identity = _text(block.get("name"))[:200], _text(block.get("id"))
        if tool in self.tools or len(self.tools) < TOOLS_MAX:
            self.tools[tool] = self.tools.get(tool, 0) + 1
        target = target_of(_dict(block.get("input")))
        self._note(tool, target, _dict(block.get("input")))
        self.steps.call(thread, identity, tool, target, _dict(block.get("input")))
        if len(self._tool_input) >= RUNNING_MAX:
            self._tool_input.clear()
        if len(self.running) < RUNNING_MAX:
            self.running[identity] = tool
            self._tool_input[identity] = Denial(tool=tool, target=target)
        return Output(kind="tool", text=target[:HEARD_MAX], tool=tool)

    def _note(self, tool: str, target: str, tool_input: Mapping[str, Any]) -> None:
        """Keep what a decision may turn on: commands of the shell, and questions to a person."""
        if tool == "Bash" and target and len(self.commands) < COMMANDS_MAX:
            self.commands.append(target)
        if tool == "AskUserQuestion":
            self.questions += questions_of(tool_input)[: QUESTIONS_MAX - len(self.questions)]

    def _user(self, message: Mapping[str, Any]) -> list[Output]:
        seen: list[Output] = []
        for block in map(_dict, _list(_dict(message.get("message")).get("content"))):
            if block.get("type") == "tool_result":
                identity = _text(block.get("tool_use_id"))
                self.running.pop(identity, None)
                known = self._tool_input.pop(identity, None)
                wrong = block.get("is_error") is True
                said = _flat(block.get("content"))
                self.steps.result(identity, said, wrong=wrong)
                tool = known.tool if known else ""
                seen.append(Output(kind="error" if wrong else "result", text=said[:HEARD_MAX], tool=tool))
        return seen

    def _result(self, message: Mapping[str, Any]) -> list[Output]:
        subtype, session = message.get("subtype"), message.get("session_id")
        if not self.session or session != self.session or not isinstance(subtype, str):
            return [Output(kind="notice", text="a line that claims to be the result is not of this session; ignored")]
        text = message.get("result")
        self.result = Result(
            subtype=subtype,
            is_error=message.get("is_error") is not False,
            text=text if isinstance(text, str) else None,
            api_status=_int(message.get("api_error_status")) or None,
            terminal_reason=_text(message.get("terminal_reason")),
            stop_reason=_text(message.get("stop_reason")),
            turns=_int(message.get("num_turns")),
            errors=tuple(map(_text, _list(message.get("errors"))[:ERRORS_MAX])),
        )
        self.running.clear()
        for error in self.result.errors:
            self._error(error)
        self._account(message)
        for denial in map(_dict, _list(message.get("permission_denials"))):
            target = target_of(_dict(denial.get("tool_input")))
            self._deny(_text(denial.get("tool_use_id")), _text(denial.get("tool_name")), target)
        return []

    def _account(self, message: Mapping[str, Any]) -> None:
        """Add up what a result says was spent since the one before it."""
        models = _dict(message.get("modelUsage"))
        windows = {name: _int(_dict(usage).get("contextWindow")) for name, usage in models.items()}
        self.context_window = windows.get(self.model) or max(windows.values(), default=0) or self.context_window
        by_model = message.get("model_usage_since_last_result")
        if isinstance(by_model, dict):
            for usage in map(_dict, by_model.values()):
                self.tokens += Tokens(
                    input=_int(usage.get("inputTokens")),
                    output=_int(usage.get("outputTokens")),
                    cache_read=_int(usage.get("cacheReadInputTokens")),
                    cache_write=_int(usage.get("cacheCreationInputTokens")),
                )
                self.cost_usd += _float(usage.get("costUSD"))
            return
        self.tokens = _tokens(_dict(message.get("usage")))
        self.cost_usd = _float(message.get("total_cost_usd"))

    def _rate_limit(self, info: Mapping[str, Any]) -> None:
        resets = _int(info.get("resetsAt"))
        if info.get("status") == "rejected" and 0 < resets < 2**33:
            self.retry_at = datetime.fromtimestamp(resets, UTC).isoformat()

    def _deny(self, identity: str, tool: str, target: str | None) -> None:
        known = self._tool_input.get(identity) or self.denials.get(identity)
        if target is None:
            target = known.target if known else ""
        if len(self.denials) < DENIALS_MAX or identity in self.denials:
            self.denials[identity or f"#{len(self.denials)}"] = Denial(tool=tool[:200], target=target[:HEARD_MAX])

    def _error(self, text: str) -> None:
        if text and text not in self.errors and len(self.errors) < ERRORS_MAX:
            self.errors.append(text[:HEARD_MAX])


def target_of(tool_input: Mapping[str, Any]) -> str:
    """Return what a tool call is aimed at: a file, a command, an address, a pattern, a question, or nothing known."""
    for key in ("file_path", "command", "notebook_path", "url", "pattern", "query", "path", "description"):
        if value := _text(tool_input.get(key)):
            return value[:HEARD_MAX]
    return "; ".join(questions_of(tool_input))[:HEARD_MAX]


def questions_of(tool_input: Mapping[str, Any]) -> list[str]:
    """Return what a call of AskUserQuestion asks, each question with its choices on one line."""
    asked = []
    for each in map(_dict, _list(tool_input.get("questions"))):
        labels = [_text(_dict(option).get("label")) for option in _list(each.get("options"))]
        choices = f" ({' / '.join(filter(None, labels))})" if any(labels) else ""
        if question := _text(each.get("question")).strip():
            asked.append(f"{question}{choices}"[:TEXT_MAX])
    return asked


def _tokens(usage: Mapping[str, Any]) -> Tokens:
    return Tokens(
        input=_int(usage.get("input_tokens")),
        output=_int(usage.get("output_tokens")),
        cache_read=_int(usage.get("cache_read_input_tokens")),
        cache_write=_int(usage.get("cache_creation_input_tokens")),
    )


def _flat(content: Any) -> str:
    """Return the text of a tool's result, which is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(_text(_dict(block).get("text")) for block in _list(content))


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(value: Any) -> str:
    """Return what may stand as an argument when the session is gone on with; else nothing."""
    text = _text(value)
    return text if NAME.fullmatch(text) else ""


def _int(value: Any) -> int:
    """Return a count; what no run can come to is none, and a million of them together are still a number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40 else 0


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value < 1e9 else 0.0  # noqa: PLR2004 - beyond it, it is nonsense
