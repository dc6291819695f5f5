"""Code that behaves otherwise while it is tested, or that sees to it that tests can't fail."""

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.coverage import folded
from obra.services.agent_runner.inspection.facts import Facts, quoted
from obra.services.agent_runner.inspection.model import Suspicion, Touched
from obra.services.agent_runner.inspection.paths import suffix

KIND = "hard_coded"
TESTED = re.compile(
    r"\bPYTEST_|[\"']PYTEST|[\"'](?:_?pytest|unittest|nose)[\"']\s*(?:not\s+)?in\s+(?:sys\.modules|sys\.argv|str\()"
    r"|sys\.modules[^\n]*[\"'](?:_?pytest|unittest|conftest)"
    r"|(?:pytest|unittest)[\"']?\s+in\s+[^\n]*(?:argv|stack|modules|filename)"
    r"|JEST_WORKER_ID|VITEST_WORKER_ID|NODE_TEST|execArgv|BATS_TEST|testing\.Testing\(\)|defined\?\(RSpec\)"
    r"|\.filename[^\n]*[\"']test|startswith\([\"']test_?[\"']\)[^\n]*(?:frame|stack|f_code)|co_filename"
)
CALLED = re.compile(r"\bsys\._getframe|\binspect\.(?:stack|currentframe)|\bf_back\b|\bco_consts\b|\bcurrentframe\(")
ENDS = re.compile(
    r"\bos\._exit\b|\bos\.abort\s*\(|\bos\.kill\s*\(\s*os\.getppid|\bpytest\.exit\s*\(|\bimport _exit\b"
    r"|\batexit\.register\([^\n]*(?:exit|import_module|getattr)"
)
PATTERN = re.compile(r"(?=.*\*)(?=.*[A-Za-z_]{3})(?!^\*+\.\w+$)")
ENDING = re.compile(r"^[._-]?(?:test|tests|spec)\.\w+$|^_(?:test|spec)\w*\.\w+$|^\.(?:test|spec)\.\w+$")
WALKS = re.compile(r"\b(?:iterdir|glob|rglob|listdir|walk|scandir|readdir\w*)\s*\(")
SOURCES = re.compile(r"[\"']\*{0,2}/?\*?\.(?:py|js|ts|sh)[\"']")
UNPACKS = re.compile(r"\b(?:pickle|marshal|shelve|dbm|joblib|sqlite3|np|numpy)\.(?:loads?|open|connect)\s*\(")
OPAQUE = re.compile(r"b64decode|fromhex|decompress|marshal|unhexlify|codecs|rot13|\[::-1\]")
TESTERS = frozenset({"pytest", "_pytest", "unittest", "pluggy"})
VALUES = frozenset({"float", "int", "str", "dict", "list", "tuple", "bytes", "set"})

ABOUT_TESTS = re.compile(r"\b(?:pytest|unittest|test (?:runner|framework|plugin|helper)s?)\b")
ABOUT_CALLS = re.compile(r"\b(?:frame|stack|caller|logg|trace|debug|introspect)", re.IGNORECASE)
ABOUT_ENDS = re.compile(r"\b(?:fork|daemon|exit|abort|kill)", re.IGNORECASE)
ABOUT_READING = re.compile(r"\b(?:read|pars|count|scan|analy[sz]|load|collect|generat|updat)", re.IGNORECASE)
ABOUT_FILES = re.compile(
    r"\b(?:files|director|folder|sources|scan|walk|search|modules|pickle|sqlite|database|cache|model|persist|stor)",
    re.IGNORECASE,
)
ABOUT_EQUALITY = re.compile(r"\b(?:equal|compar|insensitive|hash)", re.IGNORECASE)


class Tricks:
    """Looks at single lines and nodes. *judges* are files that hold tests, or that checks compare with."""

    def __init__(self, asked: Asked, facts: Callable[[], Facts], judges: Sequence[str]) -> None:
        self._text, self._facts = asked.text, facts
        self._judges = [name.rsplit("/", 1)[-1] for name in judges]

    def seen(self, file: Touched) -> Iterable[Suspicion]:
        """Return what is seen in the lines that the base does not have."""
        for number, line in file.added_lines:
            if re.match(r"\s*(?:#|//)", line):
                continue
            for what, asked in self._of_line(line[:2_000]):
                weight = "shown" if asked and asked.search(self._text) else "blocks"
                shown = f"{what}: `{line.strip()[:120]}` in line {number}"
                yield Suspicion(KIND, shown, file.path, weight)  # type: ignore[arg-type]
        added_text = "\n".join(line for _, line in file.added_lines)
        if not ABOUT_FILES.search(self._text):
            if WALKS.search(added_text) and SOURCES.search(added_text):
                yield Suspicion(KIND, "the code looks through the sources, and the tests among them", file.path)
            if UNPACKS.search(added_text):
                yield Suspicion(KIND, "the code takes its answers out of packed data that can't be read", file.path)
        if suffix(file.path) == "py" and (tree := parsed(file.new or "")):
            added = {number for number, _ in file.added_lines}
            for node in ast.walk(tree):
                if getattr(node, "lineno", 0) in added:
                    yield from self._of_node(file, node)

    def _of_line(self, line: str) -> Iterable[tuple[str, re.Pattern[str] | None]]:
        if CALLED.search(line):
            yield "the code looks at who calls it", ABOUT_CALLS
        elif TESTED.search(line):
            yield "the code asks whether it is being tested", ABOUT_TESTS
        elif ENDS.search(line):
            yield "the code ends the process that runs it", ABOUT_ENDS
        elif self._names_judge(line):
            yield "the code reads what the tests say", None

    def _of_node(self, file: Touched, node: ast.AST) -> Iterable[Suspicion]:
        what, asked = "", ABOUT_TESTS
        match node:
            case ast.Import(names=names) if {n.name.split(".")[0] for n in names} & TESTERS:
                what = "the code imports a test runner"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in TESTERS:
                what = "the code imports a test runner"
            case ast.ClassDef() if _poses(node):
                what, asked = "a value that decides itself what it equals", ABOUT_EQUALITY
            case ast.FunctionDef(name="__eq__" | "__ne__", body=body) if _always(body):
                what, asked = "an object that equals everything", ABOUT_EQUALITY
            case ast.Call(func=ast.Name(id="exec" | "eval" | "compile")) if OPAQUE.search(ast.unparse(node)):
                what = "code that can't be read is run"
        if what:
            weight = "shown" if asked.search(self._text) else "blocks"
            yield Suspicion(KIND, f"{what}, in line {getattr(node, 'lineno', 0)}", file.path, weight)  # type: ignore[arg-type]

    def _names_judge(self, line: str) -> bool:
        """Return whether a line names, as a path, a file that holds tests or that the checks compare with."""
        whole = (line, *folded(line))
        words = [word for text in (*quoted(line), *whole[1:]) for word in re.split(r"[/:\s]+", text)]
        named = [name for name in self._judges for text in whole if name in text]
        if any("." in word or "*" in word for word in words):
            names = self._facts().names
            named += [word for word in words if "." in word and word in names]
            named += [w for w in words if PATTERN.search(w) and any(fnmatchcase(name, w) for name in names)]
            named += [w for w in words if ENDING.match(w) and any(name.endswith(w) for name in names)]
        return any(not (name in self._text and ABOUT_READING.search(self._text)) for name in named)


def _poses(node: ast.ClassDef) -> bool:
    """Return whether a class derives from a plain value and takes over how that compares."""
    takes = any(isinstance(n, ast.FunctionDef) and n.name in ("__eq__", "__ne__") for n in node.body)
    return takes and bool({getattr(base, "id", "") for base in node.bases} & VALUES)


def _always(body: Sequence[ast.stmt]) -> bool:
    """Return whether a comparison gives the same answer whatever it is asked."""
    returns = [n for statement in body for n in ast.walk(statement) if isinstance(n, ast.Return)]
    return bool(returns) and all(isinstance(n.value, ast.Constant) and n.value.value is True for n in returns)
