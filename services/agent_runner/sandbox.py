"""The walls around an agent: bubblewrap where it works, else none, and the reason.

Inside, the system is read-only, the user's home and Obra's own are gone, and only the workspace and the agent's
private home can be written. Processes live in a namespace of their own, so that none outlives the run. Variables
travel in bubblewrap's own environment and never in an argument, where every user of the machine could read them.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from obra.services.agent_runner.place import directory
from obra.services.agent_runner.reachable import below, readable
from obra.shared.config import SandboxSettings, home_of
from obra.shared.errors import EnvironmentLacks

PROBE_TIMEOUT_S = 10.0
TMP_BYTES_MAX = 512 * 1024**2
HIDDEN = ("/home", "/root", "/run", "/tmp", "/var/tmp", "/dev/shm")
WRITABLE = ("/tmp", "/var/tmp", "/dev/shm")
SECRETS = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-")
LINKER = ("LD_", "GLIBC_TUNABLES")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What stands around an agent. ``reason`` says why it is none.

    ``network`` and ``read_only`` are the operator's settings; ``hide`` are directories that must not be seen.
    """

    kind: Literal["bwrap", "none"]
    reason: str = ""
    network: bool = True
    read_only: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()


async def choose(
    mode: Literal["auto", "bwrap", "none"], settings: SandboxSettings, hide: Sequence[Path] = ()
) -> Sandbox:
    """Return the sandbox for *mode*, with everything in *hide* (the Obra home) out of the agent's sight.

    `auto` takes bubblewrap if it is installed and a probe with the real flags works, which is tried once per
    process. Raises `EnvironmentLacks`, which says what to do, when `bwrap` is asked for and does not work.
    """
    hidden = tuple(str(path) for path in hide)
    if mode == "none":
        return Sandbox("none", "it was asked for", settings.network, settings.read_only, hidden)
    problem = await _problem(next((path for path in hide if path.is_dir()), None))
    if not problem:
        return Sandbox("bwrap", "", settings.network, settings.read_only, hidden)
    if mode == "bwrap":
        raise EnvironmentLacks(
            problem=f"the sandbox bubblewrap was asked for, but {problem}; or use --sandbox none, "
            "which leans on the agent's own permission system"
        )
    return Sandbox("none", problem, settings.network, settings.read_only, hidden)


def wrap(
    sandbox: Sandbox, argv: Sequence[str], *, workspace: Path, home: Path, env: Mapping[str, str],
    read_only: Sequence[Path | str] = (), network: bool = True, extra_writable: Sequence[Path | str] = (),
) -> list[str]:  # fmt: skip
    """Return the command that runs *argv* in *workspace* inside *sandbox*.

    *env* is what the process will be started with: its PATH says which tools must stay readable. The network is
    there if both the operator and *network* allow it. Makes ``home/tmp``, which stands as /tmp inside. Later
    mounts lie over earlier ones, so that a workspace below a hidden directory is seen alone in it.
    """
    if sandbox.kind == "none":
        return list(argv)
    workspace, home = workspace.resolve(), home.resolve()
    scratch = directory(home / "tmp")
    hidden = _hidden(sandbox, workspace, home)
    seen = readable(argv[0], env.get("PATH", ""), tuple(hidden), _user_home())
    asked = [os.path.realpath(path) for path in (*read_only, *sandbox.read_only) if os.path.exists(path)]
    flags = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    flags += _over(SECRETS)
    for path in hidden:
        flags += ["--bind", str(scratch), path] if path == "/tmp" else ["--size", str(TMP_BYTES_MAX), "--tmpfs", path]
    for path in sorted({*seen, *asked}):
        flags += ["--ro-bind", path, path]
    for place in sorted({str(workspace), str(home), *(os.path.realpath(path) for path in extra_writable)}):
        flags += ["--bind", place, place]
    for path in hidden:
        flags += [] if path in WRITABLE else ["--remount-ro", path]
    flags += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    flags += [] if sandbox.network and network else ["--unshare-net"]
    flags += ["--die-with-parent", "--new-session", "--chdir", str(workspace)]
    for name, value in env.items():
        flags += ["--setenv", name, value] if name.startswith(LINKER) else []
    return [_executable(), *flags, "--", *argv]


def outer(sandbox: Sandbox, env: Mapping[str, str]) -> dict[str, str]:
    """Return what bubblewrap itself is started with: *env*, less what would change its own linking."""
    if sandbox.kind == "none":
        return dict(env)
    return {name: value for name, value in env.items() if not name.startswith(LINKER)}


def _hidden(sandbox: Sandbox, workspace: Path, home: Path) -> list[str]:
    """Return the directories to cover, the outermost first; one below another still gets a cover of its own."""
    wanted = {*HIDDEN, _user_home(), str(home_of()), *sandbox.hide}
    wanted |= {str(home.parent)} if home.parent == workspace.parent else set()
    real = {os.path.realpath(path) for path in wanted if os.path.isdir(path)} - {"/"}
    return sorted(path for path in real if not any(path != top and below(path, top) for top in real))


def _over(files: Sequence[str]) -> list[str]:
    """Cover files that the outer root may read and the agent must not."""
    return [part for path in files if os.path.isfile(path) for part in ("--ro-bind", "/dev/null", path)]


def _user_home() -> str:
    return os.path.realpath(os.environ.get("HOME") or os.path.expanduser("~"))


@lru_cache(maxsize=1)
def _executable() -> str:
    from obra.shared.doctor import bwrap_path  # noqa: PLC0415 - its other probes need more than a runner has loaded

    return bwrap_path() or ""


_known: list[str] = []


async def _problem(home: Path | None) -> str:
    """Return why bubblewrap can't be used here, tried below *home* if that is there; empty if it can."""
    if not _known:
        _known.append(await _probe(home))
    return _known[0]


async def _probe(home: Path | None) -> str:
    if not _executable():
        return "it is not installed (`apt install bubblewrap`, `dnf install bubblewrap`)"
    with TemporaryDirectory(prefix="obra-probe-", dir=home) as place:
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        process = await asyncio.create_subprocess_exec(
            *_trial(Path(place), env), env=env, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                _, said = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"it did not start within {PROBE_TIMEOUT_S:.0f} s"
    if process.returncode == 0:
        return ""
    hint = "user namespaces may be disabled (`sysctl user.max_user_namespaces`, or AppArmor's restriction of them)"
    return f"it does not work here: {said.decode(errors='replace').strip()[:300]}; {hint}"


def _trial(place: Path, env: Mapping[str, str]) -> list[str]:
    """Return a command that writes what it may and fails if it could write what it must not."""
    workspace, home = place / "workspace", place / "home"
    workspace.mkdir()
    home.mkdir()
    script = ': > probe && : > "$0"/probe && ! (: > /etc/obra-probe) 2>/dev/null'
    argv = ["/bin/sh", "-c", script, str(home)]
    return wrap(Sandbox("bwrap"), argv, workspace=workspace, home=home, env=env)
