"""Expressions of rules: comparisons and bounded arithmetic over named facts, evaluated without `eval`.

simpleeval walks the syntax tree. What it may walk is narrowed here to what a rule needs: no attribute, index,
comprehension, power, shift, keyword or text arithmetic, so that no expression can reach an object, or take more
time or memory than its own length asks for. The same expression over the same facts always has the same value.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, ClassVar

from obra.shared.errors import ObraError

Fact = bool | int | float | str | tuple[str, ...]

CHARS_MAX = 1_000
NODES_MAX = 200
DEPTH_MAX = 30
GLOB_CHARS_MAX = 256

NODES: tuple[type[ast.AST], ...] = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult,
    ast.Div, ast.FloorDiv, ast.Mod, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In,
    ast.NotIn, ast.IfExp, ast.Call, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple,
)  # fmt: skip


class BadExpression(ObraError):
    """{expression!r}: {problem}"""

    exit_code: ClassVar[int] = 2


def matches(text: str | Sequence[str], glob: str) -> bool:
    """Return whether *text*, or any of several, matches *glob* (`*`, `?`, `[abc]`; `*` also stands for slashes)."""
    if not isinstance(glob, str) or len(glob) > GLOB_CHARS_MAX:
        raise ValueError(f"a glob is a text of at most {GLOB_CHARS_MAX} characters")
    return any(fnmatchcase(one, glob) for one in ([text] if isinstance(text, str) else text))


def _numbers(calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(left: Any, right: Any) -> Any:
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise TypeError("only numbers can be calculated with")
        return calculate(left, right)

    return checked


FUNCTIONS: dict[str, Callable[..., Any]] = {"matches": matches, "len": len, "min": min, "max": max, "abs": abs}

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _numbers(operator.add), ast.Sub: _numbers(operator.sub), ast.Mult: _numbers(operator.mul),
    ast.Div: _numbers(operator.truediv), ast.FloorDiv: _numbers(operator.floordiv), ast.Mod: _numbers(operator.mod),
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Not: operator.not_, ast.USub: operator.neg,
    ast.In: lambda item, group: item in group, ast.NotIn: lambda item, group: item not in group,
}  # fmt: skip


def value(expression: str, facts: Mapping[str, Fact]) -> bool:
    """Return whether *expression* is true of *facts*; `BadExpression` says what is wrong with it.

    It is total: whatever goes wrong while it is evaluated (a text compared with a number, a division by zero) is
    that error, and nothing else.
    """
    parsed = _parsed(expression)
    _known(expression, facts)
    from simpleeval import EvalWithCompoundTypes  # type: ignore[import-untyped]  # noqa: PLC0415 - only with rules

    evaluator = EvalWithCompoundTypes(operators=OPERATORS, functions=dict(FUNCTIONS), names=dict(facts))
    evaluator.nodes = {kind: visit for kind, visit in (evaluator.nodes or {}).items() if kind in NODES}
    try:
        found = evaluator.eval(expression, previously_parsed=parsed)
    except Exception as error:  # noqa: BLE001,RUF100 - the library's errors and Python's alike: the rule can't be used
        raise BadExpression(expression=expression, problem=str(error) or type(error).__name__) from error
    if not isinstance(found, bool):
        raise BadExpression(expression=expression, problem=f"it is {found!r:.100}, and neither true nor false")
    return found


@lru_cache(maxsize=256)
def _parsed(expression: str) -> ast.expr:
    """Return the syntax tree of *expression*, within what is allowed and bounded."""

    def wrong(problem: str) -> BadExpression:
        return BadExpression(expression=expression[:CHARS_MAX], problem=problem)

    if len(expression) > CHARS_MAX:
        raise wrong(f"it is longer than {CHARS_MAX} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise wrong(f"it can't be understood: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise wrong("it can't be understood") from error
    for number, (node, depth) in enumerate(_walk(tree, 0)):
        if number >= NODES_MAX or depth > DEPTH_MAX:
            raise wrong("it is too large")
        if problem := _problem(node):
            raise wrong(problem)
    return tree.body


def _walk(node: ast.AST, depth: int) -> Iterator[tuple[ast.AST, int]]:
    """Yield every node with its depth, without going deeper than one level too deep."""
    yield node, depth
    if depth <= DEPTH_MAX:
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, depth + 1)


def _problem(node: ast.AST) -> str:
    if not isinstance(node, NODES):
        return f"{_names_of(node)} is not allowed in a rule"
    if isinstance(node, ast.Constant) and not isinstance(node.value, bool | int | float | str):
        return f"{node.value!r} is not allowed in a rule"
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else "that"
        if name not in FUNCTIONS or node.keywords:
            return f"{name!r} is no function of rules; there are {', '.join(FUNCTIONS)}"
    return ""


def _names_of(node: ast.AST) -> str:
    said = {ast.Attribute: "`.`", ast.Subscript: "`[…]`", ast.Pow: "`**`", ast.LShift: "`<<`", ast.Lambda: "`lambda`"}
    return said.get(type(node), type(node).__name__)


def _known(expression: str, facts: Mapping[str, Fact]) -> None:
    """Raise `BadExpression` for the first name that no fact has."""
    for name in _facts_in(expression):
        if name not in facts:
            close = get_close_matches(name, facts, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(facts))}"
            raise BadExpression(expression=expression, problem=f"there is no {name!r}; {hint}")


@lru_cache(maxsize=256)
def _facts_in(expression: str) -> tuple[str, ...]:
    """Return the names in *expression*, which can be parsed, other than those of functions that it calls."""
    nodes = [*ast.walk(_parsed(expression))]
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return tuple(node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called)
