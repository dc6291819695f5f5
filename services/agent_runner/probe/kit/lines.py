"""Writes down which lines of changed files a Python of a check runs, each once, as it happens.

By `sys.monitoring` where there is one (Python 3.12), which costs nothing once a line was seen; by `sys.settrace`
before that. Where somebody else traces later, such as a tool that measures coverage, what was run is not known, and
so it is said: a mark stands for the whole file. Python 3.8.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # subscripts that Python 3.8 has not
    from collections.abc import Callable

    Seen = Callable[[str, int], None]

UNKNOWN, LINES_MAX, TOOL = -1, 20_000, 4


def begin(files: frozenset[str], home: str) -> None:
    """Write the lines of *files* that are run from here on to ``lines-PID`` in *home*."""
    names: dict[str, str] = {}
    said: set[tuple[str, int]] = set()

    def whole(name: str) -> str:
        if name not in names:
            path = os.path.realpath(name)
            names[name] = path if path in files else ""
        return names[name]

    def seen(path: str, line: int) -> None:
        if (path, line) in said or len(said) >= LINES_MAX:
            return
        said.add((path, line))
        out = os.open(os.path.join(home, f"lines-{os.getpid()}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(out, f"{line} {path}\n".encode())
        finally:
            os.close(out)

    if hasattr(sys, "monitoring"):
        monitor(files, whole, seen)
    else:
        trace(whole, seen)
        atexit.register(overtaken, files, seen, sys.gettrace())


def monitor(files: frozenset[str], whole: Callable[[str], str], seen: Seen) -> None:
    """See lines by events of the interpreter."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]

    def line(code: CodeType, number: int) -> Any:
        path = whole(code.co_filename)
        if path:
            seen(path, number)
        return monitoring.DISABLE

    if monitoring.get_tool(TOOL) is not None:
        for path in files:
            seen(path, UNKNOWN)
        return
    monitoring.use_tool_id(TOOL, "probe")
    monitoring.register_callback(TOOL, monitoring.events.LINE, line)
    monitoring.set_events(TOOL, monitoring.events.LINE)


def trace(whole: Callable[[str], str], seen: Seen) -> None:
    """See lines by a trace function, that of other files by none."""

    left: dict[CodeType, set[int]] = {}

    def within(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            code = frame.f_code
            seen(whole(code.co_filename), frame.f_lineno)
            left[code].discard(frame.f_lineno)
            frame.f_trace_lines = bool(left[code])  # a loop whose lines are all known goes on at its own speed
        return within

    def called(frame: FrameType, _: str, __: object) -> Any:
        code = frame.f_code
        if not whole(code.co_filename):
            return None
        if code not in left:
            left[code] = {at for _, _, at in code.co_lines() if at} if hasattr(code, "co_lines") else {0}
        return within if left[code] else None

    sys.settrace(called)
    threading.settrace(called)


def overtaken(files: frozenset[str], seen: Seen, own: object) -> None:
    """Say of all files that nothing is known if somebody else traces at the end."""
    if sys.gettrace() is not own:
        for path in files:
            seen(path, UNKNOWN)
