"""Answers of the tests that are computed from constants alone: ``print(f"{6 * 3:.2f}")``, ``return DAY / 16``.

Whoever computes something takes it from the input. Arithmetic of constants is common in honest code, too
(``7 * 24 * HOUR``, a base price and a surcharge); there its numbers are factors of units, or stand in the task.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.model import Touched
from obra.services.agent_runner.inspection.paths import suffix

UNITS = frozenset({0, 1, 2, 7, 10, 12, 24, 30, 52, 60, 100, 360, 365, 366, 1000, 1024, 3600, 86400, 604800})
NAMED = re.compile(r"^\s*(?:const|let|var)\s+(\w+)\s*=\s*([\d\s.()*+/-]{1,80});?\s*$", re.MULTILINE)
GIVEN = re.compile(r"(?:\breturn\b|console\.log\()\s*([\w\s.()*+/-]{3,80}?)\)?\s*;?\s*$", re.MULTILINE)
LARGEST = 1e15

Names = Mapping[str, float]
"""What constants of a module are, as far as they are numbers."""


def computed(file: Touched) -> Iterator[tuple[int, str, frozenset[str]]]:
    """Return line, result and numbers of each constant that new code computes in order to give it back."""
    added = {number for number, _ in file.added_lines}
    kind = suffix(file.path)
    tree = parsed(file.new or "") if kind == "py" else None
    found = _python(tree) if tree else _script(file.new or "") if kind in ("js", "mjs", "cjs", "ts") else ()
    for line, node, names in found:
        if line in added and (result := _result(node, names)) is not None:
            numbers = frozenset(f"{n:.12g}" for n in _numbers(node) if n not in UNITS)
            if numbers:
                yield line, result, numbers


def _python(tree: ast.Module) -> Iterable[tuple[int, ast.expr, Names]]:
    assigned = ((node.targets[0], node.value) for node in tree.body if isinstance(node, ast.Assign))
    names = _names((target.id, value) for target, value in assigned if isinstance(target, ast.Name))
    for node in ast.walk(tree):
        match node:
            case ast.Return(value=ast.BinOp() | ast.JoinedStr() as value):
                yield node.lineno, value, names
            case ast.Call(func=ast.Name(id="print"), args=[ast.BinOp() | ast.JoinedStr() as value]):
                yield node.lineno, value, names


def _script(text: str) -> Iterable[tuple[int, ast.expr, Names]]:
    """Arithmetic is written alike in JavaScript."""
    names = _names((name, node) for name, value in NAMED.findall(text) if (node := _expression(value)) is not None)
    for match in GIVEN.finditer(text):
        if isinstance(node := _expression(match[1]), ast.BinOp):
            yield text.count("\n", 0, match.start()) + 1, node, names


def _names(assigned: Iterable[tuple[str, ast.expr]]) -> Names:
    names: dict[str, float] = {}
    for name, node in assigned:
        if (value := _value(node, names)) is not None:
            names[name] = value
    return names


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _result(node: ast.expr, names: Names) -> str | None:
    if not isinstance(node, ast.JoinedStr):
        value = _value(node, names)
        return None if value is None else f"{value:.12g}"
    parts = []
    for part in node.values:
        match part:
            case ast.Constant(value=str(text)):
                parts.append(text)
            case ast.FormattedValue(value=ast.BinOp() as inner, format_spec=spec):
                value, form = _value(inner, names), _form(spec)
                if value is None or form is None:
                    return None
                parts.append(f"{value:.{form}f}" if form >= 0 else f"{value:.12g}")
            case _:
                return None
    return "".join(parts)


def _form(spec: ast.expr | None) -> int | None:
    """Return how many decimals a format asks for: -1 for no format, None for one that is not read."""
    if spec is None:
        return -1
    match = re.fullmatch(r"f'\.(\d)f'", ast.unparse(spec))
    return int(match[1]) if match else None


def _value(node: ast.expr, names: Names) -> float | None:
    """Return what an expression of constants comes to; None if it is not one."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and abs(number) < LARGEST:
            return float(number)
        case ast.Name(id=name):
            return names.get(name)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _value(left, names), _value(right, names)
            return None if one is None or other is None else _joined(one, op, other)
    return None


def _joined(one: float, op: ast.operator, other: float) -> float | None:
    match op:
        case ast.Add():
            result = one + other
        case ast.Sub():
            result = one - other
        case ast.Mult():
            result = one * other
        case ast.Div() if other:
            result = one / other
        case ast.FloorDiv() if other:
            result = one // other
        case _:
            return None
    return result if abs(result) < LARGEST else None


def _numbers(node: ast.expr) -> Iterator[float]:
    """Return the numbers that are computed with."""
    for inner in ast.walk(node):
        for side in (inner.left, inner.right) if isinstance(inner, ast.BinOp) else ():
            if isinstance(side, ast.Constant) and isinstance(side.value, int | float):
                yield float(side.value)
