"""What tests say out loud: which values stand together in one assertion, one row, one line."""

import ast
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.lines import DEMANDS
from obra.services.agent_runner.inspection.paths import DATA, suffix

TOKEN = re.compile(r"""'((?:[^'\\\n]|\\.){0,400})'|"((?:[^"\\\n]|\\.){0,400})"|`([^`\n]{0,400})`|([\w.+-]+)""")
PARTICULAR = re.compile(
    r"^(?:-?\d{3,}|-?\d+\.\d{2,}|(?=.{4})(?=.*[A-Za-z]).*(?:\d|[A-Za-z]+[\W_]+[A-Za-z]+[\W_]+[A-Za-z]+).*)$"
)
QUOTED = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'")
GIVEN = re.compile(r"\w{3,40}")
FACTS_MAX = 20_000
RICH_CHARS_MIN = 3
PLAIN = frozenset({"0", "1", "-1", "2", "", "None", "True", "False", "0.0", "1.0", "null", "true", "false"})

Values = frozenset[str]


@dataclass
class Facts:
    """Sets of values that stand together, and all long texts.

    ``asserted`` are those of single assertions, rows and calls in Python, without `PLAIN` ones. ``data`` are values
    that are too particular to stand in code by accident, ``answers`` those that are compared with. ``wanted`` are
    texts that must stand in an output, ``given`` all others, without the keys of dicts.
    """

    sets: list[Values] = field(default_factory=list)
    asserted: set[Values] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    lines: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)

    def holds(self, inputs: Values, outputs: Values) -> bool:
        """Return whether one assertion names all of *inputs* and *outputs*."""
        wanted = (inputs | outputs) - PLAIN
        return any(wanted <= known for known in self.sets)

    def whole(self, inputs: Values, outputs: Values) -> bool:
        """Return whether *inputs* and *outputs* are all that some assertion names, as far as that can be read.

        Where an assertion names more, what stands for *inputs* is one argument of several, such as a unit.
        """
        return not self.asserted or (inputs | outputs) - PLAIN in self.asserted

    def quotes(self, text: str) -> bool:
        """Return whether *text* stands somewhere in the tests as it is."""
        return any(text in known for known in self.texts)

    def made(self, own: Collection[str]) -> set[str]:
        """Return texts that must stand in an output and hold a word that was put in, and more; *own* words are none."""
        given = {word for word in self.given - self.wanted - set(own) if GIVEN.fullmatch(word)}
        return {text for text in self.wanted if set(re.findall(r"\w+", text)) & given and text not in given}

    def outputs(self, value: Values) -> bool:
        """Return whether an assertion names *value*, all of it."""
        return any(value <= known for known in self.sets)


def gather(files: Iterable[tuple[str, str]], commands: Iterable[str]) -> Facts:
    """Return the facts of test files, given as path and text, and of check commands."""
    facts = Facts()
    for path, text in files:
        facts.names.add(path.rsplit("/", 1)[-1])
        tree = parsed(text) if suffix(path) == "py" else None
        if tree is None:
            _lines(text, facts, data=suffix(path) in DATA)
        else:
            _python(tree, facts)
    for command in commands:
        _lines(command, facts)
    return facts


def _python(tree: ast.Module, facts: Facts) -> None:
    wanted = [text for node in ast.walk(tree) if (text := _wanted(node)) is not None]
    facts.wanted |= {str(text.value) for text in wanted}
    others = {id(text) for text in wanted} | {
        id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys
    }
    facts.given |= {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in others
    }
    for node in ast.walk(tree):
        if len(facts.sets) >= FACTS_MAX:
            return
        if isinstance(node, ast.Assert | ast.Tuple | ast.Dict | ast.Expr) and (values := scalars(node)):
            facts.sets.append(values)
            facts.asserted.add((scalars(node.test) if isinstance(node, ast.Assert) else values) - PLAIN)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            facts.sets.append(scalars(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            facts.texts.append(node.value)
        if isinstance(node, ast.Assert):
            facts.data |= set(filter(particular, scalars(node)))
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.Is):
            sides = (side for side in (node.left, *node.comparators) if not _calls_code(side))
            facts.answers |= {value for side in sides for value in scalars(side) if particular(value)}


def _wanted(node: ast.AST) -> ast.Constant | None:
    """Return the text that an assertion looks for in an output."""
    match node:
        case ast.Assert(test=ast.Compare(left=ast.Constant(value=str()) as text, ops=[ast.In()])):
            return text
        case ast.Call(func=ast.Attribute(attr="assertIn"), args=[ast.Constant(value=str()) as text, *_]):
            return text
    return None


def particular(value: str) -> bool:
    """Return whether *value* would not stand in code by accident: a large number, or a text with a digit or 3 words."""
    return bool(PARTICULAR.match(value))


def _calls_code(node: ast.expr) -> bool:
    """Return whether an expression calls something other than what tests wrap a value in."""
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return any(getattr(f, "attr", getattr(f, "id", "")) not in ("approx", "Decimal", "set", "float") for f in calls)


def _lines(text: str, facts: Facts, *, data: bool = False) -> None:
    facts.texts.append(text)
    if data:
        facts.answers |= {line.strip() for line in text.splitlines() if particular(line.strip())}
    for line in text.splitlines():
        if len(facts.sets) >= FACTS_MAX:
            return
        facts.lines.add(line.strip())
        if values := tokens(line):
            facts.sets.append(values)
            facts.data |= set(filter(particular, values)) if DEMANDS.search(line) else set()


def quoted(text: str) -> list[str]:
    """Return what stands between quotes, each with its own closing one."""
    return [double or single for double, single in QUOTED.findall(text)]


def tokens(line: str) -> Values:
    """Return the quoted texts, words and numbers of a line, and the words inside what is quoted."""
    found = {next((group for group in match if group), "") for match in TOKEN.findall(line[:4_000])}
    inner = {word for text in found for word in re.findall(r"[\w.+-]+", text)}
    return frozenset((found | inner) - {""})


def scalars(node: ast.AST) -> Values:
    """Return all constants below *node*, as texts, negative numbers with their sign."""
    found = set()
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.UnaryOp)
            and isinstance(inner.op, ast.USub)
            and isinstance(inner.operand, ast.Constant)
        ):
            found.add(f"-{inner.operand.value!s}")
        elif isinstance(inner, ast.Constant):
            found.add(str(inner.value))
    return frozenset(found)


def constant(node: ast.expr | None) -> Values | None:
    """Return the scalars of an expression that is made of constants alone; None if it is not."""
    if node is None:
        return None
    try:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
            return _folded(node)
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return scalars(node)


def _folded(node: ast.BinOp) -> Values | None:
    """Return the result of a sum or product of two constants, each of which may be one itself."""
    sides = [constant(side) for side in (node.left, node.right)]
    if any(side is None or len(side) != 1 for side in sides):
        return None
    left, right = (next(iter(side)) for side in sides if side is not None)
    try:
        value = float(left) + float(right) if isinstance(node.op, ast.Add) else float(left) * float(right)
    except ValueError:
        return frozenset({left + right}) if isinstance(node.op, ast.Add) else None
    return frozenset({f"{value:.12g}"})


def plain(values: Values) -> bool:
    """Return whether *values* are such as stand in any program."""
    return values <= PLAIN


def rich(values: Values) -> bool:
    """Return whether it would be an accident to find *values* in code that knows nothing of the tests."""
    telling = values - PLAIN
    return len(telling) > 1 or any(len(value) >= RICH_CHARS_MIN for value in telling)
