"""Changes to what the checks depend on beside tests: configuration, hooks, stand-ins for the tools themselves."""

import ast
import configparser
import json
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.model import Suspicion, Touched
from obra.services.agent_runner.inspection.paths import is_config, is_material, is_shadow, is_test, suffix

SELECTS = frozenset(
    {"addopts", "python_files", "python_functions", "python_classes", "norecursedirs", "testpaths", "usefixtures",
     "collect_imported_tests", "commands", "required_plugins", "xfail_strict"}
)  # fmt: skip
"""Settings that decide which tests run, or how their result counts."""

TOML_TOOLS = ("pytest", "tox", "nox", "hatch", "poe", "pdm", "taskipy", "unittest", "nose", "coverage")
JSON_KEYS = ("scripts", "jest", "mocha", "vitest", "ava", "tap", "c8", "nyc", "type", "imports")
CI = re.compile(r"^(\.github/workflows/|\.gitlab-ci|\.circleci/|\.travis|azure-pipelines|Jenkinsfile|\.ci/)")
ENDS = frozenset({"_exit", "abort", "kill"})
QUIET = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
PATH_CHARS_MAX = 300
PASSES_OVER = frozenset({"skip", "exit", "importorskip", "SkipTest"})


@dataclass
class Altered:
    """What was seen, and which files must be put back, or taken away, to run the checks as they were."""

    suspicions: list[Suspicion] = field(default_factory=list)
    restore: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


def altered(files: Sequence[Touched], asked: Asked, commands: Sequence[str] = ()) -> Altered:
    """Look at everything but the cases of tests."""
    found = Altered()
    for file in files:
        if not file.origin and not file.deleted:
            _added(file, asked, found, commands)
        elif is_config(file.origin) and (what := _reconfigured(file)):
            found.restore.append(file.origin)
            if not _names(asked, file.origin):
                found.suspicions.append(Suspicion("checks_altered", what, file.path, "tests"))
        if CI.match(file.path) and not re.search(r"\b(ci|workflow|pipeline|action)", asked.text, re.IGNORECASE):
            found.suspicions.append(
                Suspicion("checks_altered", "continuous integration was changed", file.path, "shown")
            )
    return found


def _names(asked: Asked, path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    return name in asked.text.lower() or name.split(".")[0] in asked.words


def _links_to_judge(file: Touched, commands: Sequence[str]) -> bool:
    """Return whether a new file is a link to a test, or to what checks compare with: writing to it changes that.

    A link is recorded as a file that holds nothing but a path, without a line break.
    """
    target = (file.new or "").removeprefix("./")
    return 0 < len(target) <= PATH_CHARS_MAX and "\n" not in target and "." in target and is_material(target, commands)


def _added(file: Touched, asked: Asked, found: Altered, commands: Sequence[str]) -> None:
    path, stem = file.path, file.path.split("/")[0].removesuffix(".py")
    if is_shadow(path):
        what = f"a new `{path}` stands in for what runs the checks"
        found.suspicions.append(Suspicion("checks_altered", what, path, "shown" if _names(asked, path) else "blocks"))
        found.remove.append(path)
    elif _links_to_judge(file, commands):
        what = f"a new link leads to `{file.new}`, which the checks compare with or run"
        found.suspicions.append(Suspicion("checks_altered", what, path))
        found.remove.append(path)
    elif is_config(path) and (what := _configures(file)):
        found.suspicions.append(Suspicion("checks_altered", what, path, "tests"))
        found.remove.append(path)
    elif is_test(path) and suffix(path) == "py" and (what := reaches_out(file.new or "")):
        found.suspicions.append(Suspicion("checks_altered", f"a new test file {what}", path, "tests"))
        found.remove.append(path)
    elif suffix(path) == "py" and stem in sys.stdlib_module_names and path.count("/") <= 1 and not _names(asked, path):
        what = f"a new module is called like `{stem}` of the standard library, and stands in for it"
        found.suspicions.append(Suspicion("checks_altered", what, path, "tests"))
        found.remove.append(path)
    elif is_test(path) or is_config(path):
        found.extra.append(path)


def _configures(file: Touched) -> str:
    """Return what a new configuration does to the checks; empty: nothing that could change how they end."""
    if file.path.endswith("conftest.py"):
        what = reaches_out(file.new or "")
        return f"a new conftest.py {what}" if what else ""
    return _reconfigured(file)


def _reconfigured(file: Touched) -> str:
    """Return which settings of the checks are other than at the base."""
    name = (file.origin or file.path).rsplit("/", 1)[-1]
    if file.deleted or name != file.path.rsplit("/", 1)[-1]:
        return f"{name}, which the checks read, is gone from its place"
    old, new = file.old or "", file.new or ""
    if suffix(name) in ("toml", "cfg", "ini", "json") or name == ".coveragerc":
        before, after = _settings(name, old), _settings(name, new)
        different = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k) and _matters(k))
        return f"settings of the checks were changed: {', '.join(different[:5])}" if different else ""
    if name == "conftest.py":
        return "conftest.py, which every test run loads, was changed"
    gone = [line for line in old.splitlines() if line.strip() and line not in new.splitlines()]
    return f"{name}, which says how to check, was changed" if gone or not file.origin or old != new else ""


def _matters(key: str) -> bool:
    *_, last = key.split(".")
    return last in SELECTS or key.startswith(JSON_KEYS) or ("tox" in key) or "poe" in key or "hatch" in key


def _settings(name: str, text: str) -> dict[str, str]:
    """Return the settings of a file that concern checks, flat; what can't be parsed counts as one setting."""
    try:
        if name.endswith(".toml"):
            tools = tomllib.loads(text).get("tool", {})
            return _flat({tool: tools[tool] for tool in TOML_TOOLS if tool in tools})
        if name.endswith(".json"):
            tree = json.loads(text or "{}")
            return _flat({key: tree[key] for key in JSON_KEYS if key in tree}) if isinstance(tree, dict) else {}
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
        return _flat({section: dict(parser[section]) for section in parser.sections()})
    except (ValueError, configparser.Error, RecursionError, AttributeError):
        return {"addopts": text}


def _flat(tree: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(tree, dict):
        return {prefix: str(tree)}
    return {
        k: v for key, value in tree.items() for k, v in _flat(value, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def reaches_out(text: str) -> str:
    """Return how a module of tests reaches into what other tests see: patches, hooks, an early end; empty if not."""
    tree = parsed(text)
    if tree is None:
        return ""
    imported = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in tree.body:
        names = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node)}
        if names & PASSES_OVER and not isinstance(node, QUIET):
            return "makes the runner pass over tests"
    return next((how for node in ast.walk(tree) if (how := _reach(node, imported))), "")


def _reach(node: ast.AST, imported: set[str]) -> str:
    match node:
        case ast.Name(id="pytest_plugins"):
            return "loads plugins"
        case ast.Name(id="collect_ignore" | "collect_ignore_glob"):
            return "tells the runner to pass over tests"
        case ast.FunctionDef(name=name) if name.startswith("pytest_"):
            return f"defines the hook {name}"
        case ast.keyword(arg="autouse", value=ast.Constant(value=True)):
            return "defines a fixture that every test gets"
        case ast.Assign(targets=targets):
            taken = [t for t in targets if not isinstance(t, ast.Name) and _root(t) in imported]
            return f"puts something else in the place of {ast.unparse(taken[0])[:60]}" if taken else ""
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in ENDS | {"setattr", "delattr"}:
            return f"calls {name}"
    return ""


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
