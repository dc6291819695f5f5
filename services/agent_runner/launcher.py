"""Starts an agent where there is no sandbox, and leaves nothing of it behind.

Run as ``python -I -S launcher.py FD FILE_BYTES PROGRAM ARGUMENT…``; standard library only, since it must start in
milliseconds. FD is a socket to the parent. This process becomes the subreaper of everything the agent starts, so
that processes with sessions of their own can't get away: when the agent ends, when the parent asks or when the
parent is gone, whatever descends from here is killed until nothing is left.

From the parent: ``T`` sends SIGTERM to the agent, ``K`` or the end of the stream kills everything. To the parent:
``P<pid>`` when the agent runs, ``E<code>``, ``S<signal>`` or ``F<reason>`` (it could not be started) when it ended
and nothing is left of it, each on a line.

Only Linux has subreapers. Elsewhere the agent's process group is killed, which misses what left it.
"""

import contextlib
import errno
import os
import resource
import select
import signal
import sys
import time

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
KILL_WITHIN_S = 10.0
PAUSE_S = 0.002


def main(argv: list[str]) -> int:
    """Run the agent in *argv* to its end and return 0; how the agent ended is said on the socket."""
    channel, file_bytes_max, command = int(argv[1]), int(argv[2]), argv[3:]
    os.set_inheritable(channel, False)
    parent = os.getppid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake, waker = os.pipe()
    for end in (wake, waker):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(waker, b"!"))
    agent, problem = _start(command, file_bytes_max)
    if problem:
        _say(channel, f"F{problem}")
        return 0
    _say(channel, f"P{agent}")
    devnull = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(devnull, stream)
    status = _watch(agent, channel, wake, parent)
    kill_all(agent)
    if status is None:
        status = _reaped.get(agent, signal.SIGKILL)
    _say(channel, f"S{os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"E{os.waitstatus_to_exitcode(status)}")
    return 0


_reaped: dict[int, int] = {}


def _start(command: list[str], file_bytes_max: int) -> tuple[int, str]:
    """Fork and execute *command*; return its pid, and why it could not be started."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        with os.fdopen(reading) as answer:
            return pid, answer.read()
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.execvpe(command[0], command, os.environ)
    except OSError as error:
        os.write(writing, f"{command[0]}: {error.strerror}".encode())
    finally:
        os._exit(127)


def _watch(agent: int, channel: int, wake: int, parent: int) -> int | None:
    """Return the agent's wait status once it ended, or None as soon as everything is to be killed."""
    while True:
        _reap()
        if agent in _reaped:
            return _reaped[agent]
        if os.getppid() != parent:
            return None
        ready, _, _ = select.select([channel, wake], [], [])
        if wake in ready and b"!" in os.read(wake, 4096):
            return None
        if channel in ready:
            asked = _read(channel)
            if not asked or b"K" in asked:
                return None
            with contextlib.suppress(ProcessLookupError):
                os.kill(agent, signal.SIGTERM)


def _read(channel: int) -> bytes:
    try:
        return os.read(channel, 64)
    except ConnectionError:
        return b""


def _reap() -> bool:
    """Collect whoever ended; tell whether any child is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not pid:
            return True
        _reaped[pid] = status


def kill_all(agent: int) -> None:
    """Kill every descendant until none is left; stop them first, so that none can fork in the meantime."""
    until = time.monotonic() + KILL_WITHIN_S
    while _reap() and time.monotonic() < until:
        found = descendants(os.getpid()) if LINUX else []
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        if not LINUX:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(agent, signal.SIGKILL)
        time.sleep(PAUSE_S)


def descendants(root: int) -> list[int]:
    """Return the pids of all that descend from *root*, parents before children, read from /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ESRCH, errno.EACCES):
                    continue
                raise
            children.setdefault(int(fields[1]), []).append(int(name))
    found, at = list(children.get(root, [])), 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found


def _prctl(option: int, value: int) -> None:
    if LINUX:
        import ctypes  # noqa: PLC0415 - there is none of its uses elsewhere

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl failed")


def _say(channel: int, line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(channel, line.encode() + b"\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
