"""Test cases in Python, compared by their syntax trees: nothing is imported, nothing is run."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SKIPS = frozenset({"skip", "skipif", "skipIf", "skipUnless", "xfail", "skipTest", "expectedFailure", "importorskip"})
STRICT = (ast.Eq, ast.Is)
DEPTH_MAX = 3
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Case:
    """One test case. The counts are of what makes it demand something."""

    name: str
    dump: str
    demands: int = 0
    strict: int = 0
    trivial: int = 0
    swallowed: int = 0
    skips: int = 0
    rows: int = 0
    writes: int = 0
    early: bool = False
    slack: float = 0.0
    literals: Counter[str] = field(default_factory=Counter)
    words: str = ""


def parsed(text: str) -> ast.Module | None:
    """Return the tree of a module; None if it is none, or nested beyond reason."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def cases(tree: ast.Module) -> dict[str, Case]:
    """Return a module's test cases by name; of several with one name the last, as Python and its runners have it."""
    marks = sum(_skips(node) for node in tree.body if isinstance(node, ast.Assign | ast.Expr | ast.If))
    found = {}
    for prefix, function in _functions(tree.body, ""):
        name = f"{prefix}{function.name}"
        found[name] = _case(name, function, marks)
    return found


def _functions(body: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, Function]]:
    for node in body:
        if isinstance(node, Function) and node.name.lower().startswith("test"):
            yield prefix, node
        elif isinstance(node, ast.ClassDef) and _collected(node) and prefix.count("::") < DEPTH_MAX:
            yield from _functions(node.body, f"{prefix}{node.name}::")
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _functions(node.body, prefix)


def _collected(node: ast.ClassDef) -> bool:
    """Return whether runners look for tests in a class: it is called Test…, or derives from a test case."""
    return node.name.startswith("Test") or any(re.search("Test|Case", ast.unparse(base)) for base in node.bases)


def _case(name: str, function: Function, marks: int) -> Case:
    demands = strict = trivial = swallowed = 0
    slack = 0.0
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            demands += 1
            trivial += _trivial(node.test)
            strict += sum(
                isinstance(op, STRICT) for c in ast.walk(node.test) if isinstance(c, ast.Compare) for op in c.ops
            )
        elif isinstance(node, ast.Call) and _is_demand(node):
            demands += 1
            trivial += _trivial_call(node)
            strict += _called(node) in ("assertEqual", "assertEquals", "assertIs", "assertDictEqual", "assertListEqual")
        elif isinstance(node, ast.Try) and _swallows(node):
            swallowed += 1
        if isinstance(node, ast.keyword) and node.arg in ("abs", "rel", "abs_tol", "rel_tol", "delta"):
            slack += _number(node.value)
    return Case(
        name=name, dump=ast.dump(ast.Module([*function.decorator_list, *function.body], [])),  # type: ignore[list-item]
        demands=demands - trivial, strict=strict, trivial=trivial, swallowed=swallowed,
        skips=marks + sum(map(_skips, [*function.decorator_list, *function.body])), rows=_rows(function),
        writes=sum(map(_writes, ast.walk(function))), early=_ends_early(function), slack=slack,
        literals=_literals(function), words=ast.unparse(function)[:20_000],
    )  # fmt: skip


def weaker(old: Case, new: Case) -> str:
    """Return in what way *new* demands less than *old*; empty if it does not, as far as counting can tell."""
    if new.skips > old.skips:
        return "is skipped, or expected to fail"
    if new.early and not old.early:
        return "ends before its assertions"
    if new.swallowed > old.swallowed:
        return "swallows its own failure"
    if new.writes > old.writes:
        return "writes what it compares with"
    if new.trivial > old.trivial:
        return "asserts what is always true"
    if new.demands < old.demands and sum(new.literals.values()) < sum(old.literals.values()):
        return f"demands less: {old.demands} assertions before, {new.demands} now"
    if new.rows < old.rows:
        return f"runs with fewer values: {old.rows} before, {new.rows} now"
    if new.slack > old.slack:
        return "allows a larger tolerance"
    if new.strict < old.strict:
        return "compares less strictly"
    return ""


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_demand(node: ast.Call) -> bool:
    name = _called(node)
    return name.startswith(("assert", "fail")) or name in ("raises", "warns", "expect", "check")


def _trivial(test: ast.expr) -> bool:
    """Return whether a condition holds whatever the code does."""
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.BoolOp(op=ast.Or(), values=values):
            return any(_trivial(value) for value in values)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is() | ast.LtE() | ast.GtE()], comparators=[right]):
            return ast.dump(left) == ast.dump(right)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Constant(value=value)):
            return not value
        case ast.Tuple(elts=elements):
            return bool(elements)
        case _:
            return False


def _trivial_call(node: ast.Call) -> bool:
    match _called(node), node.args:
        case "assertTrue", [first, *_]:
            return _trivial(first)
        case "assertEqual" | "assertIs", [first, second, *_]:
            return ast.dump(first) == ast.dump(second)
        case _:
            return False


def _writes(node: ast.AST) -> bool:
    """Return whether a call writes a file that is not a temporary one."""
    if not isinstance(node, ast.Call) or _called(node) not in (
        "write_text",
        "write_bytes",
        "writelines",
        "copy",
        "copyfile",
    ):
        return False
    return "tmp" not in ast.unparse(node).lower()


def _swallows(node: ast.Try) -> bool:
    """Return whether a handler takes an assertion's failure and goes on."""
    inside = ast.Module(node.body, [])
    demands = any(isinstance(n, ast.Assert) or (isinstance(n, ast.Call) and _is_demand(n)) for n in ast.walk(inside))
    catches = ("AssertionError", "Exception", "BaseException")
    for handler in node.handlers:
        names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else {"Exception"}
        raises = any(isinstance(n, ast.Raise | ast.Assert) for n in ast.walk(ast.Module(handler.body, [])))
        if demands and names & set(catches) and not raises:
            return True
    return False


def _skips(node: ast.AST) -> int:
    """Count what makes a runner pass over a test."""
    names = (
        getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node) if isinstance(n, ast.Attribute | ast.Name)
    )
    return sum(name in SKIPS or name in ("SkipTest", "__test__", "collect_ignore") for name in names)


def _rows(function: Function) -> int:
    """Count the values that a test is repeated with."""
    return sum(
        len(argument.elts)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and _called(decorator) == "parametrize"
        for argument in decorator.args[1:2]
        if isinstance(argument, ast.List | ast.Tuple)
    )


def _ends_early(function: Function) -> bool:
    """Return whether a bare end stands before something that is demanded."""
    for at, node in enumerate(function.body):
        ends = isinstance(node, ast.Return) or (isinstance(node, ast.If) and isinstance(node.body[0], ast.Return))
        if ends and any(
            isinstance(n, ast.Assert | ast.Call) for rest in function.body[at + 1 :] for n in ast.walk(rest)
        ):
            return True
    return False


def _number(node: ast.expr) -> float:
    return float(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else 0.0


def _literals(function: Function) -> Counter[str]:
    return Counter(str(n.value) for n in ast.walk(function) if isinstance(n, ast.Constant))
