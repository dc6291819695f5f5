"""Claude Code, headless: found, started with live control, its settings and telemetry off, credentials handed in.

The flags are those measured to work offline and repeatably. ``--setting-sources ""`` is for safety: without it, the
hooks and servers that a repository brings along would be executed.
"""

import importlib.util
import json
import os
import re
import shutil
from pathlib import Path

from obra.services.agent_runner.adapters.launch import AgentFound, Launch
from obra.services.agent_runner.job import Job
from obra.services.agent_runner.place import directory
from obra.services.agent_runner.sandbox import Sandbox
from obra.shared.config import AgentSettings, ClaudeSettings
from obra.shared.errors import EnvironmentLacks

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
SETTINGS, CREDENTIALS = ".claude", ".credentials.json"
VERSION = re.compile(r"\d+\.\d+\.\d+\S*")
QUIET = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_MAX_RETRIES": "3",
}


def environment(job: Job, sandbox: Sandbox, settings: AgentSettings) -> dict[str, str]:
    """Return all that an agent inherits: fixed values, the operator's, the task's; HOME and TMPDIR are private."""
    path = job.env.get("PATH") or settings.path or DEFAULT_PATH
    fixed = {
        "PATH": path,
        "HOME": str(job.home),
        "TMPDIR": "/tmp" if sandbox.kind == "bwrap" else str(job.home / "tmp"),
    }
    return {"LANG": "C.UTF-8", "TERM": "dumb", **settings.env, **job.env, **fixed}


def find(settings: ClaudeSettings, path: str) -> AgentFound:
    """Return the executable: the setting, else what is on *path*, else the one inside claude-agent-sdk."""
    if settings.path:
        chosen = os.path.expanduser(settings.path)
        if not (os.path.isfile(chosen) and os.access(chosen, os.X_OK)):
            raise EnvironmentLacks(problem=f"agent.claude.path: {chosen} is no executable file")
    else:
        chosen = shutil.which("claude", path=path) or _bundled()
    if not chosen:
        raise EnvironmentLacks(
            problem="Claude Code is not installed: `npm install -g @anthropic-ai/claude-code`, or name the executable "
            "in agent.claude.path (OBRA_AGENT__CLAUDE__PATH)"
        )
    return AgentFound(os.path.abspath(chosen), _version(os.path.realpath(chosen)))


def launch(job: Job, sandbox: Sandbox, settings: AgentSettings) -> Launch:
    """Return how to start Claude Code for *job*; raises `EnvironmentLacks` if it can't be."""
    claude = settings.claude
    env = {**QUIET, **environment(job, sandbox, settings)}
    found = find(claude, env["PATH"])
    argv = [
        found.executable, "-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
        "--setting-sources", "", "--permission-prompt-tool", "stdio", "--permission-mode", claude.permission_mode,
    ]  # fmt: skip
    if job.turns_max:
        argv += ["--max-turns", str(job.turns_max)]
    if job.budget_usd is not None:
        argv += ["--max-budget-usd", f"{max(job.budget_usd, 1e-6):.6f}"]
    if job.model:
        argv += ["--model", job.model]
    if job.resume:
        argv += ["--resume", job.resume]
    if claude.allowed_tools:
        argv += ["--allowedTools", ",".join(claude.allowed_tools)]
    if claude.disallowed_tools:
        argv += ["--disallowedTools", ",".join(claude.disallowed_tools)]
    return Launch((*argv, *claude.extra_args), env, secrets=_credentials(claude, job.home))


def _credentials(claude: ClaudeSettings, home: Path) -> tuple[str, ...]:
    """Copy the configured credentials into the private home; return the secrets in them.

    A copy that is newer than its source stays: the agent renewed its token there.
    """
    if not claude.credentials:
        return ()
    source = Path(claude.credentials).expanduser()
    try:
        target = directory(home / SETTINGS) / CREDENTIALS
        if target.is_symlink() or not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            target.unlink(missing_ok=True)
            with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(source.read_bytes())
        return tuple(_strings(json.loads(target.read_bytes())))
    except (OSError, ValueError, RecursionError) as error:
        raise EnvironmentLacks(problem=f"agent.claude.credentials: {source} can't be used: {error}") from error


def forget(home: Path) -> None:
    """Remove the credentials that were copied into the private home, if there are any. Raises `OSError`."""
    if not (home / SETTINGS).is_symlink():
        (home / SETTINGS / CREDENTIALS).unlink(missing_ok=True)


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [found for inner in value.values() for found in _strings(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in _strings(inner)]
    return [value] if isinstance(value, str) and len(value) >= 16 else []  # noqa: PLR2004 - tokens, not labels


def _bundled() -> str:
    spec = importlib.util.find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return ""
    path = Path(spec.origin).parent / "_bundled" / "claude"
    return str(path) if os.access(path, os.X_OK) else ""


def _version(executable: str) -> str:
    """Return the version from what lies around the executable, since asking it costs 200 ms; empty if unknown."""
    path = Path(executable)
    if VERSION.fullmatch(path.name):
        return path.name
    for folder in path.parents[:2]:
        try:
            described = json.loads((folder / "package.json").read_bytes())
        except (OSError, ValueError):
            continue
        version = described.get("version") if isinstance(described, dict) else None
        if isinstance(version, str) and "claude-code" in str(described.get("name")):
            return version
    return ""
