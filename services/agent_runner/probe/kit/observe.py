"""Writes down the calls that others make into changed modules. Loaded as ``sitecustomize`` by every Python of a check.

``OBRAPROBE`` names a directory: in its ``changed`` stand the files to watch, to its ``calls-PID.jsonl`` the calls go.
Only functions of modules, of plain arguments and results; calls among changed code are not written down. Python 3.8.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import inspect
import json
import os
import sys
import threading
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

HOME = os.environ.get("OBRAPROBE", "")
CALLS_MAX, CHARS_MAX, DEPTH_MAX = 40, 16_384, 12
PLAIN = (str, int, float, bool, type(None))

_inside = threading.local()


def packed(value: Any, depth: int = 0) -> Any:
    """Return *value* as JSON holds it, lists, tuples and dicts told apart; raises `TypeError` if it is not plain."""
    kind = type(value)
    if depth > DEPTH_MAX:
        raise TypeError("nested too deep")
    if kind in PLAIN:
        return value
    if kind in (list, tuple):
        return {"l" if kind is list else "t": [packed(each, depth + 1) for each in value]}
    if kind is dict:
        return {"d": [[packed(key, depth + 1), packed(each, depth + 1)] for key, each in value.items()]}
    raise TypeError(kind.__name__)


def shown(value: Any) -> str:
    """Return a result as text; raises `TypeError` for one whose text says nothing certain."""
    if isinstance(value, str):
        return str.__str__(value)[:CHARS_MAX]
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr)
    if type(value).__module__ not in ("decimal", "datetime", "fractions", "uuid", "pathlib"):
        packed(value)
    return repr(value)[:CHARS_MAX]


def watched(function: Callable[..., Any], where: str, module: str) -> Callable[..., Any]:
    """Return *function* so that it writes down how it is called from outside."""
    seen: set[str] = set()

    def note(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        if len(seen) >= CALLS_MAX or getattr(_inside, "deep", False):
            return None
        try:
            text = json.dumps({"args": [packed(a) for a in args], "kwargs": {k: packed(v) for k, v in kwargs.items()}})
        except (TypeError, ValueError):
            return None
        if len(text) > CHARS_MAX or text in seen:
            return None
        seen.add(text)
        noted: dict[str, Any] = json.loads(text)
        return noted

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        noted, before = note(args, kwargs), getattr(_inside, "deep", False)
        _inside.deep = True
        try:
            result = function(*args, **kwargs)
        finally:
            _inside.deep = before
        if noted is not None:
            try:
                noted["output"] = shown(result)
            except TypeError:
                return result
            noted.update(
                kind="python",
                file=where,
                module=module,
                name=function.__name__,
                path=list(sys.path),
                interpreter=sys.executable,
                cwd=os.getcwd(),
            )
            line = json.dumps(noted) + "\n"
            with open(os.path.join(HOME, f"calls-{os.getpid()}.jsonl"), "a", encoding="utf-8") as file:
                file.write(line)
        return result

    return call


class Loader(importlib.abc.Loader):
    """Loads as another loader does, and watches the functions of the module then."""

    def __init__(self, inner: Any, where: str) -> None:
        self._inner, self._where = inner, where

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        """Return what the inner loader makes."""
        return self._inner.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Load it, and put watched functions in place of its own public ones."""
        self._inner.exec_module(module)
        for name, value in list(vars(module).items()):
            own = isinstance(value, types.FunctionType) and value.__module__ == module.__name__
            plain = own and not inspect.iscoroutinefunction(value) and not inspect.isgeneratorfunction(value)
            if plain and name == value.__name__ and not name.startswith("_"):
                setattr(module, name, watched(value, self._where, module.__name__))


class Finder(importlib.abc.MetaPathFinder):
    """Finds modules as they would be found without it, and has changed ones watched."""

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self._busy = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that another finder has, if its file is a changed one."""
        if getattr(self._busy, "on", False):
            return None
        self._busy.on = True
        try:
            others = (f for f in list(sys.meta_path) if f is not self and hasattr(f, "find_spec"))
            spec = next(filter(None, (other.find_spec(fullname, path, target) for other in others)), None)
        finally:
            self._busy.on = False
        if spec is None or spec.loader is None or not spec.origin:
            return None
        where = os.path.realpath(spec.origin)
        if where not in self._files or not hasattr(spec.loader, "exec_module"):
            return None
        spec.loader = Loader(spec.loader, where)
        return spec


def begin() -> None:
    """Watch what is imported from here on, if there is anything to watch."""
    try:
        with open(os.path.join(HOME, "changed"), encoding="utf-8") as file:
            files = frozenset(line for line in file.read().split("\0") if line.endswith(".py"))
    except OSError:
        return
    if files:
        sys.meta_path.insert(0, Finder(files))
        lines = importlib.util.spec_from_file_location("obraprobelines", os.path.join(HOME, "obraprobelines.py"))
        if lines is not None and lines.loader is not None:
            module = importlib.util.module_from_spec(lines)
            lines.loader.exec_module(module)
            module.begin(files, HOME)


if HOME and __name__ == "sitecustomize":
    begin()
