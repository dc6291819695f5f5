"""Runs the checks under observation, then whatever altered calls it is told to make. Run as ``python -I -S driver.py``.

Requests come on standard input, a line of JSON each, and each is answered by lines of JSON and an empty line on
standard output. What runs here has neither of both. Nothing is written but below ``home``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

KIT = os.path.dirname(os.path.abspath(__file__))
LINE_CHARS_MAX, LINES_MAX = 100_000, 4_000
SHIM = """#!/bin/sh
n=0
for word in "$@"; do
  case $word in -c|-m|-e|-p|--eval|--print|--test|-) break ;; -*) n=$((n + 1)); continue ;; esac
  if [ -z "$OBRAINSIDE" ] && [ -f "$word" ]; then
    full=$(realpath -- "$word" 2> /dev/null)
    case "$OBRAWATCHED" in *"|$full|"*) exec {snap} {real} $n "$@" ;; esac
  fi
  break
done
{more}exec {real} "$@"
"""
SNAP = shlex.join([sys.executable, "-I", "-S", os.path.join(KIT, "snap.py")])
MORE = 'PYTHONPATH={home}"${{PYTHONPATH:+:$PYTHONPATH}}"; export PYTHONPATH\n'


def main() -> None:
    """Answer each request: the first is to watch, the others to call."""
    first = json.loads(sys.stdin.readline())
    home = os.path.join(os.environ["HOME"], "probe")
    os.makedirs(home, exist_ok=True)
    answer(watch(first, home))
    for line in sys.stdin:
        request = json.loads(line)
        until = time.monotonic() + request["until_s"]
        answer(said for at, job in enumerate(request["jobs"]) for said in replay(job, at, home, until))


def answer(lines: Iterable[str]) -> None:
    """Say *lines* as far as they are of any size that somebody wants to read."""
    for number, line in enumerate(lines):
        if number >= LINES_MAX:
            break
        if len(line) <= LINE_CHARS_MAX:
            sys.stdout.write(line.strip() + "\n")
    sys.stdout.write("\n")
    sys.stdout.flush()


def watch(request: dict[str, Any], home: str) -> Iterator[str]:
    """Run the checks, and yield what they called."""
    shutil.copy(os.path.join(KIT, "observe.py"), os.path.join(home, "sitecustomize.py"))
    shutil.copy(os.path.join(KIT, "observe.cjs"), home)
    shutil.copy(os.path.join(KIT, "lines.py"), os.path.join(home, "obraprobelines.py"))  # no name that others import
    with open(os.path.join(home, "changed"), "w", encoding="utf-8") as file:
        file.write("\0".join(request["changed"]))
    shims(home, request["interpreters"])
    watched = "|".join(request["changed"])
    env = {
        **os.environ, "OBRAPROBE": home, "OBRAWATCHED": f"|{watched}|", "PYTHONPATH": home,
        "PATH": os.path.join(home, "bin") + os.pathsep + os.environ["PATH"],
        "NODE_OPTIONS": '--require="{}"'.format(os.path.join(home, "observe.cjs")),
    }  # fmt: skip
    until = time.monotonic() + request["until_s"]
    for command in request["checks"]:
        if not run([request["shell"], "-c", command], env, request["cwd"], until):
            return
    yield from ran(home)
    for name in sorted(os.listdir(home)):
        if name.startswith(("calls-", "runs-")):
            with open(os.path.join(home, name), encoding="utf-8", errors="replace") as file:
                yield from file


def ran(home: str) -> Iterator[str]:
    """Yield which lines of each file were run, by whatever process; a file whose program nobody saw is not named."""
    lines: dict[str, set[int]] = {}
    for name in os.listdir(home):
        if name.startswith("lines-"):
            with open(os.path.join(home, name), encoding="utf-8", errors="replace") as file:
                for said in file:
                    number, _, path = said.rstrip("\n").partition(" ")
                    if path and number.lstrip("-").isdigit():
                        lines.setdefault(path, set()).add(int(number))
    for path in sorted(lines):
        yield json.dumps({"ran": path, "lines": sorted(lines[path])})


def shims(home: str, interpreters: Mapping[str, str]) -> None:
    """Lay out what stands before each interpreter on PATH, to see which programs are started."""
    folder = os.path.join(home, "bin")
    os.makedirs(folder, exist_ok=True)
    for name, real in interpreters.items():
        more = MORE.format(home=shlex.quote(home)) if "python" in name else ""
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(SHIM.format(snap=SNAP, real=shlex.quote(real), more=more))
        os.chmod(path, 0o700)


def replay(job: dict[str, Any], at: int, home: str, until: float) -> Iterator[str]:
    """Make the calls of one job, and yield what came of them."""
    begin, said = os.path.join(home, f"job-{at}.json"), os.path.join(home, f"said-{at}")
    with contextlib.suppress(FileNotFoundError):
        os.remove(said)
    with open(begin, "w", encoding="utf-8") as file:
        json.dump(job, file)
    env = {**os.environ, "OBRAREPLAY": "1"}
    if job["kind"] == "python":
        shutil.copy(os.path.join(KIT, "replay.py"), home)
        argv = [job["interpreter"], os.path.join(home, "replay.py"), "functions", begin, said]
    elif job["kind"] == "node":
        shutil.copy(os.path.join(KIT, "replay.cjs"), home)
        argv = [job["interpreter"], os.path.join(home, "replay.cjs"), begin, said]
    else:
        argv = [sys.executable, "-I", "-S", os.path.join(KIT, "replay.py"), "programs", begin, said]
    run(argv, env, job["cwd"], until)
    with contextlib.suppress(OSError), open(said, encoding="utf-8", errors="replace") as file:
        for line in file:
            yield f'{{"job": {at}, "said": {line.strip()}}}'


def run(argv: list[str], env: Mapping[str, str], cwd: str, until: float) -> bool:
    """Run *argv* to its end, or until it is late; say whether it came to its end."""
    if not os.path.isdir(cwd) or time.monotonic() >= until:
        return False
    none = subprocess.DEVNULL
    process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=none, stdout=none, stderr=none, start_new_session=True)
    try:
        process.wait(timeout=max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return True


if __name__ == "__main__":
    main()
