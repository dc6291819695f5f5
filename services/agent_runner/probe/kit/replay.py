"""Makes altered calls and says what came of each, a line each, so that a call which never ends costs no other.

Run as ``python replay.py functions CASES OUTPUT`` by the Python of the workspace, or ``programs`` by any.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # subscripts that Python 3.8 has not
    Say = Callable[[dict[str, Any]], None]

CHARS_MAX, CALL_S, PROGRAM_S, LATE_MAX = 16_384, 0.5, 2.0, 4


class Late(BaseException):
    """A call that takes too long."""


def unpacked(value: Any) -> Any:
    """Return what `observe.packed` was given."""
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "d":
        return {unpacked(key): unpacked(each) for key, each in inner}
    return [unpacked(each) for each in inner] if kind == "l" else tuple(unpacked(each) for each in inner)


def functions(job: dict[str, Any], say: Say, shown: Callable[[Any], str]) -> None:
    """Call one function with all arguments that *job* lists."""
    sys.path[:] = job["path"]
    function = getattr(importlib.import_module(job["module"]), job["name"])

    def late(number: int, frame: object) -> None:
        raise Late

    signal.signal(signal.SIGALRM, late)
    tardy = 0
    for number, call in enumerate(job["calls"]):
        signal.setitimer(signal.ITIMER_REAL, CALL_S)
        try:
            kwargs = {name: unpacked(value) for name, value in call["kwargs"].items()}
            said = {"output": shown(function(*[unpacked(value) for value in call["args"]], **kwargs))}
        except (Exception, SystemExit, Late) as error:
            said = {"error": type(error).__name__}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        say({"number": number, **said})
        tardy += said.get("error") == Late.__name__
        if tardy >= LATE_MAX:
            return


def programs(job: dict[str, Any], say: Say) -> None:
    """Start one program with all arguments, files and inputs that *job* lists."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OBRA", "NODE_OPTIONS", "PYTHONPATH"))}
    tardy = 0
    for number, call in enumerate(job["calls"]):
        place = tempfile.mkdtemp()
        try:
            args = [lay(os.path.join(place, str(at)), part) for at, part in enumerate(call["args"])]
            ran = subprocess.run(
                [job["interpreter"], *job["options"], job["file"], *args],
                cwd=job["cwd"],
                env=env,
                check=False,
                input=(call["stdin"] or "").encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=PROGRAM_S,
            )
            text = ran.stdout[:CHARS_MAX].decode(errors="replace").replace(place, "@")
            said = {"error": str(ran.returncode)} if ran.returncode else {"output": text}
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            said = {"error": type(error).__name__}
        finally:
            shutil.rmtree(place, ignore_errors=True)
        say({"number": number, **said})
        tardy += said.get("error") == subprocess.TimeoutExpired.__name__
        if tardy >= LATE_MAX:
            return


def lay(place: str, part: dict[str, Any]) -> str:
    """Return the word of one argument: itself, or the path of the file or directory that it stands for."""
    if "word" in part:
        return str(part["word"])
    place = os.path.join(place, part["name"]) if part["name"] else place
    if isinstance(part["content"], str):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8", newline="") as file:
            file.write(part["content"])
        return place
    os.makedirs(place, exist_ok=True)
    for name, text in part["content"].items():
        with open(os.path.join(place, name), "w", encoding="utf-8", newline="") as file:
            file.write(text)
    return place


def main(argv: list[str]) -> None:
    """Read what to do and do it."""
    with open(argv[2], encoding="utf-8") as file:
        job = json.load(file)
    out = os.open(argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(line: dict[str, Any]) -> None:
        os.write(out, (json.dumps(line) + "\n").encode())

    if argv[1] == "programs":
        programs(job, say)
        return
    functions(job, say, observer().shown)


def observer() -> Any:
    """Return the module that lies beside this one, whatever else has its name."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sitecustomize.py")
    spec = importlib.util.spec_from_file_location("_observer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv)
