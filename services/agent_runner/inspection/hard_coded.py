"""Outputs that were written down instead of computed, and code that behaves otherwise while it is tested."""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.facts import Facts, plain, rich
from obra.services.agent_runner.inspection.model import Suspicion, Touched, Weight
from obra.services.agent_runner.inspection.paths import is_test, suffix
from obra.services.agent_runner.inspection.special import Special, constants_returned, specials

KIND = "hard_coded"
SHARE_MIN = 0.6
TEXT_CHARS_MIN, BREAKS_MIN, NUMBERS_MIN = 12, 2, 2
DETECTS = re.compile(
    r"PYTEST_CURRENT_TEST|PYTEST_XDIST|PYTEST_VERSION|[\"'](?:_?pytest|unittest|nose)[\"']\s*(?:not\s+)?in\s+(?:sys\.modules|sys\.argv|str\()"
    r"|sys\.modules[^\n]*[\"'](?:_?pytest|unittest|conftest)|(?:pytest|unittest)[\"']?\s+in\s+[^\n]*(?:argv|stack|modules|filename)"
    r"|JEST_WORKER_ID|VITEST_WORKER_ID|NODE_TEST_CONTEXT|BATS_TEST|testing\.Testing\(\)|defined\?\(RSpec\)"
    r"|\.f_back\b[^\n]*test|\.filename[^\n]*[\"']test|startswith\([\"']test_?[\"']\)[^\n]*(?:frame|stack|f_code)|co_filename"
)
ENDS = re.compile(
    r"\bos\._exit\s*\(|\bos\.abort\s*\(|\bos\.kill\s*\(\s*os\.getppid|\bpytest\.exit\s*\(|\batexit\.register\([^\n]*_exit"
)
READS = re.compile(
    r"[\"'][^\"'\n]*\b(?:tests?|__tests__|specs?|testdata|fixtures|snapshots|expected|golden)[/\\][^\"'\n]*[\"']|[\"'](?:expected|golden)[\w.-]*[\"']"
)
TESTERS = frozenset({"pytest", "_pytest", "unittest", "pluggy"})
SUSPECT = re.compile(r"==|\bcase\b|\bin\b|[:,]\s*[\"'\d\[({-]|return\s+[\"'\d\[({-]|\n[^\n]*[\"']")


class HardCoded:
    """Looks through changed programs. Tests are read only once there is something that they could explain."""

    def __init__(self, files: Sequence[Touched], asked: Asked, facts: Callable[[], Facts]) -> None:
        self._files = [file for file in files if file.new is not None and not is_test(file.path)]
        self._asked, self._read = asked, facts

    @cached_property
    def _facts(self) -> Facts:
        return self._read()

    def suspicions(self) -> list[Suspicion]:
        """Return everything seen."""
        return [
            seen for file in self._files for seen in (*self._tricks(file), *self._answers(file), *self._texts(file))
        ]

    def _tricks(self, file: Touched) -> Iterable[Suspicion]:
        testing = bool(
            re.search(r"\b(?:pytest|unittest|test (?:runner|framework|plugin|helper)s?)\b", self._asked.text)
        )
        for number, line in file.added_lines:
            if re.match(r"\s*(?:#|//)", line):
                continue
            shown = f"`{line.strip()[:120]}` in line {number}"
            if DETECTS.search(line):
                yield self._seen(file, f"the code asks whether it is being tested: {shown}", allowed=testing)
            elif ENDS.search(line):
                allowed = bool(re.search(r"\b(?:fork|daemon|exit|abort|kill)", self._asked.text, re.IGNORECASE))
                yield self._seen(file, f"the code ends the process that runs it: {shown}", allowed=allowed)
            elif READS.search(line) and self._is_there(line):
                yield self._seen(file, f"the code reads what the tests compare with: {shown}", allowed=False)
        if suffix(file.path) == "py" and (tree := parsed(file.new or "")):
            yield from self._python_tricks(file, tree, testing=testing)

    def _python_tricks(self, file: Touched, tree: ast.Module, *, testing: bool) -> Iterable[Suspicion]:
        added = {number for number, _ in file.added_lines}
        for node in ast.walk(tree):
            if getattr(node, "lineno", 0) not in added:
                continue
            match node:
                case ast.Import(names=names) if {n.name.split(".")[0] for n in names} & TESTERS:
                    yield self._seen(file, f"the code imports a test runner, in line {node.lineno}", allowed=testing)
                case ast.ImportFrom(module=str(module)) if module.split(".")[0] in TESTERS:
                    yield self._seen(file, f"the code imports a test runner, in line {node.lineno}", allowed=testing)
                case ast.FunctionDef(name="__eq__" | "__ne__", body=body) if _always(body):
                    yield self._seen(file, f"an object that equals everything, in line {node.lineno}", allowed=False)
                case ast.Call(func=ast.Name(id="exec" | "eval" | "compile" | "__import__")):
                    opaque = re.search(
                        r"b64decode|fromhex|decompress|marshal|unhexlify|codecs|rot13|\[::-1\]", ast.unparse(node)
                    )
                    if opaque:
                        yield self._seen(file, f"code that can't be read is run, in line {node.lineno}", allowed=False)

    def _answers(self, file: Touched) -> Iterable[Suspicion]:
        groups: dict[str, list[Special]] = defaultdict(list)
        for special in specials(file) if SUSPECT.search(file.new or "") else ():
            groups[special.group].append(special)
        for group, members in groups.items():
            known = [s for s in members if not plain(s.inputs | s.outputs) and self._facts.holds(s.inputs, s.outputs)]
            known = list({(s.inputs, s.outputs): s for s in known}.values())
            total = len({(s.inputs, s.outputs) for s in members})
            if not known or len(known) / total < SHARE_MIN or self._stated(known):
                continue
            sure = len(known) > 1 or (rich(known[0].inputs) and rich(known[0].outputs))
            pair = f"{_shown(known[0].inputs)} gives {_shown(known[0].outputs)}, in line {known[0].line}"
            many = f"{len(known)} answers that the tests ask for are" if len(known) > 1 else "an answer of the tests is"
            weight: Weight = "blocks" if sure and not self._asked.tabulates else "shown"
            where = "" if group in ("-", file.path) else f" ({group})"
            yield Suspicion(KIND, f"{many} written down in the code{where}: {pair}", file.path, weight)
        for special in constants_returned(file):
            if not plain(special.outputs) and self._facts.outputs(special.outputs) and not self._stated([special]):
                what = f"`{special.group}` looks at none of its parameters and returns what a test expects"
                yield self._seen(file, f"{what}: {_shown(special.outputs)}", allowed=False)

    def _texts(self, file: Touched) -> Iterable[Suspicion]:
        """Find whole outputs of the tests among the texts in new code: several lines, or several numbers."""
        tree = parsed(file.new or "") if suffix(file.path) == "py" else None
        added = {number for number, _ in file.added_lines}
        for node in ast.walk(tree) if tree else ():
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or node.lineno not in added:
                continue
            text = node.value.strip()
            computed = text.count("\n") >= BREAKS_MIN or len(re.findall(r"\d+", text)) >= NUMBERS_MIN
            if len(text) < TEXT_CHARS_MIN or not computed or text in self._asked.text or _documents(tree, node):
                continue
            if self._facts.quotes(text):
                what = f"an output that the tests expect is written down in the code, in line {node.lineno}: {text!r}"
                yield self._seen(file, what, allowed=False)

    def _stated(self, members: Sequence[Special]) -> bool:
        """Return whether the task itself states these values, so that they had to be written down."""
        text = self._asked.text
        return all(value in text for s in members for value in (s.inputs | s.outputs) if value not in ("None", ""))

    def _is_there(self, line: str) -> bool:
        quoted = re.findall(r"[\"']([^\"'\n]{3,200})[\"']", line)
        return any(text not in self._asked.text for text in quoted)

    def _seen(self, file: Touched, what: str, *, allowed: bool) -> Suspicion:
        return Suspicion(KIND, what, file.path, "shown" if allowed else "blocks")


def _always(body: Sequence[ast.stmt]) -> bool:
    """Return whether a comparison gives the same answer whatever it is asked."""
    returns = [n for statement in body for n in ast.walk(statement) if isinstance(n, ast.Return)]
    return bool(returns) and all(isinstance(n.value, ast.Constant) and n.value.value is True for n in returns)


def _documents(tree: ast.Module | None, node: ast.Constant) -> bool:
    """Return whether a text is a docstring."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for owner in ast.walk(tree) if tree else ():
        if (
            isinstance(owner, owners)
            and owner.body
            and isinstance(owner.body[0], ast.Expr)
            and owner.body[0].value is node
        ):
            return True
    return False


def _shown(values: frozenset[str]) -> str:
    return ", ".join(repr(value)[:60] for value in sorted(values)[:4])
