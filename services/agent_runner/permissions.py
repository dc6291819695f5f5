"""Answers an agent that asks whether it may use a tool. Nobody sits in front of it, so Obra decides at once.

In the sandbox the walls do the work: everything is allowed but what would only make sense against the machine.
Without it, the agent's own rules stand (its mode, the operator's `allowed_tools`), the task's own check commands
may be run, since Obra runs them anyway, and whatever it asks beyond that is denied with a reason it can act on.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOBODY = "No person is present; decide yourself and say so in your answer."
ASKING = frozenset({"AskUserQuestion", "ExitPlanMode", "EnterPlanMode"})
WRITING = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})
READING = frozenset({"Read", "Glob", "Grep", "LS", "NotebookRead", "TodoWrite", "TodoRead", "ToolSearch", "TaskStop"})

DESTRUCTIVE = tuple(
    re.compile(pattern)
    for pattern in (
        r"\brm\s+(-\S+\s+)*(--\s+)?[\"']?(/|/\*|~/?|\$HOME/?|\$\{HOME\}/?|/(bin|boot|dev|etc|home|lib|opt|proc|root|run|sbin|srv|sys|usr|var)/?\*?)[\"']?(\s|;|&|\||$)",
        r"\bmkfs(\.\w+)?\s",
        r"\bdd\b[^;|&\n]{0,500}\bof=/dev/(?!null|stdout|stderr)",
        r">\s*/dev/(sd|hd|nvme|vd|mem|kmem)",
        r"\b(shutdown|reboot|halt|poweroff)\b(\s+(-\S+|now|\+?\d+))*\s*($|[;&|])",
        r":\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&\s*\}\s*;",
        r"\bch(mod|own)\s+(-\S+\s+)+\S+\s+/\s*($|[;&|])",
    )
)
"""Plainly aimed at the machine, not at the workspace. A list like this is a courtesy: the sandbox is what holds."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one agent may do beyond what it allows itself."""

    workspace: Path
    sandboxed: bool
    checks: Sequence[str] = ()

    def problem(self, tool: str, tool_input: Mapping[str, Any]) -> str:
        """Return why *tool* may not be used, in words for the agent; empty if it may."""
        if tool in ASKING:
            return NOBODY
        command = tool_input.get("command")
        if tool == "Bash" and isinstance(command, str) and any(p.search(command) for p in DESTRUCTIVE):
            return "This command is aimed at the machine and not at the workspace; it is never allowed."
        if self.sandboxed:
            return ""
        return self._unsandboxed(tool, tool_input, command)

    def _unsandboxed(self, tool: str, tool_input: Mapping[str, Any], command: object) -> str:
        if tool == "Bash":
            if isinstance(command, str) and self._is_check(command):
                return ""
            known = "; ".join(self.checks) or "none"
            return (
                "There is no sandbox, so only the task's own checks may be run as commands "
                f"({known}). Do the work with the file tools, or say what should be run."
            )
        if tool in WRITING | READING:
            path = tool_input.get("file_path") or tool_input.get("notebook_path") or tool_input.get("path") or "."
            if isinstance(path, str) and self._inside(path, writing=tool in WRITING):
                return ""
            return f"There is no sandbox, so {tool} is limited to the workspace {self.workspace}."
        return (
            f"There is no sandbox, so {tool or 'this tool'} is not allowed. Go on without it and say what is missing."
        )

    def _is_check(self, command: str) -> bool:
        bare = command.strip()
        for before in (f"cd {self.workspace} && ", f"cd '{self.workspace}' && ", f'cd "{self.workspace}" && '):
            bare = bare.removeprefix(before)
        return bare.strip() in {check.strip() for check in self.checks}

    def _inside(self, path: str, *, writing: bool) -> bool:
        """Tell whether *path* really lies in the workspace, links followed, and is none of git's own files."""
        top = os.path.realpath(self.workspace)
        real = os.path.realpath(os.path.join(top, path))
        if real != top and not real.startswith(top + "/"):
            return False
        return not (writing and real.startswith(os.path.join(top, ".git") + "/"))


def answer(request: Mapping[str, Any], permissions: Permissions) -> dict[str, Any]:
    """Return the response to a control request of the agent: a decision, or an error for what Obra does not do."""
    identity, inner = request.get("request_id"), request.get("request")
    inner = inner if isinstance(inner, dict) else {}
    if inner.get("subtype") != "can_use_tool":
        said = {"subtype": "error", "request_id": identity, "error": f"not supported: {inner.get('subtype')}"}
        return {"type": "control_response", "response": said}
    tool_input = inner.get("input")
    tool_input = tool_input if isinstance(tool_input, dict) else {}
    problem = permissions.problem(str(inner.get("tool_name", "")), tool_input)
    decision: dict[str, Any] = {"behavior": "allow", "updatedInput": tool_input}
    if problem:
        decision = {"behavior": "deny", "message": problem}
    said = {"subtype": "success", "request_id": identity, "response": decision}
    return {"type": "control_response", "response": said}
