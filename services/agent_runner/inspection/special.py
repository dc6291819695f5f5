"""Special cases in new code: a value that is asked for by name, and the value that is given for it."""

import ast
import base64
import codecs
import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.facts import Values, constant, scalars, tokens
from obra.services.agent_runner.inspection.model import Touched
from obra.services.agent_runner.inspection.paths import suffix

PAIR = re.compile(
    r"""(?:===?\s*|\bcase\s+|\beq\s+|^\s*|=\s+|[{,(\[]\s*)(?P<key>'[^'\n]{0,200}'|"[^"\n]{0,200}"|-?[\w.]+)\s*"""
    r"""(?:\)\s*\{?|:|=>|\]\]?\s*;?\s*then|\)\s*$|,)\s*(?:return|echo|printf|print|puts|console\.log\()?\s*"""
    r"""(?P<value>'[^'\n]{0,200}'|"[^"\n]{0,200}"|-?\d[\w.]*|(?<=echo )[\w.:-]+)"""
)
KEYED = re.compile(r"""(===?|!==?|\bcase\b|\beq\b|\bin\b|:|=>|\)\s*(?:echo|printf|return))""")
UNGROUPED, WALKED, RECORD = "-", "walked table", "record"


@dataclass(frozen=True, slots=True)
class Special:
    """One special case. ``group`` is the table or function that it is part of.

    A table that is only walked through may well belong to an algorithm; its group begins with `WALKED`. One that
    nobody looks anything up in is what a program gives back, field by field; its group begins with `RECORD`.
    """

    inputs: Values
    outputs: Values
    line: int
    group: str


def specials(file: Touched) -> list[Special]:
    """Return the special cases in the lines that the base does not have."""
    added = {number for number, _ in file.added_lines}
    tree = parsed(file.new or "") if suffix(file.path) in ("py", "") else None
    found = _python(tree) if tree else _lines(file)
    return [special for special in found if special.line in added]


def constants_returned(file: Touched) -> list[Special]:
    """Return functions that look at none of their parameters and give back a constant."""
    tree = parsed(file.new or "") if suffix(file.path) == "py" else None
    added, found = {number for number, _ in file.added_lines}, []
    for node in ast.walk(tree) if tree else ():
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
            continue
        names = {a.arg for a in (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs)} - {"self", "cls"}
        used = {n.id for inner in node.body for n in ast.walk(inner) if isinstance(n, ast.Name)}
        returns = [
            n for inner in node.body for n in ast.walk(inner) if isinstance(n, ast.Return) and n.value is not None
        ]
        if names and not names & used and len(returns) == 1 and returns[0].lineno in added:
            value = constant(returns[0].value)
            found += [Special(frozenset(), value, returns[0].lineno, node.name)] if value else []
    return found


def outputs_held(file: Touched) -> dict[str, set[str]]:
    """Return constants that new lists hold, and those that new functions return, each by where they stand."""
    tree = parsed(file.new or "") if suffix(file.path) == "py" else None
    added = {number for number, _ in file.added_lines}
    found: dict[str, set[str]] = defaultdict(set)
    for function, node in _walk(tree) if tree else ():
        if getattr(node, "lineno", 0) not in added:
            continue
        if isinstance(node, ast.List | ast.Tuple | ast.Set) and all(isinstance(e, ast.Constant) for e in node.elts):
            found[f"list in line {node.lineno}"] |= scalars(node)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Constant):
            found[function] |= scalars(node)
    return found


def revealed(text: str) -> list[str]:
    """Return what *text* may stand for, if it is written backwards or encoded."""
    found = [text[::-1], codecs.decode(text, "rot13")]
    for decode in (base64.b64decode, bytes.fromhex):
        with contextlib.suppress(ValueError):
            found.append(decode(text).decode())
    return [plain for plain in found if plain != text]


def _python(tree: ast.Module) -> Iterator[Special]:
    looked_up = {
        node.value.id for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)
    } | {
        node.func.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
        and node.func.attr in ("get", "pop", "setdefault", "__getitem__")
    }  # fmt: skip
    at_once = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript | ast.Attribute)}
    named = {
        id(node.value): target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict | ast.Call)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for function, node in _walk(tree):
        match node:
            case ast.If(test=test, body=body):
                yield from _branch(test, body, function)
            case ast.IfExp(test=test, body=value):
                yield from _case(_asked(test), constant(value), node.lineno, function)
            case ast.match_case(pattern=pattern, body=body):
                yield from _branch(pattern, body, function)
            case ast.Dict():
                name = named.get(id(node), "")
                kind = "table" if id(node) in at_once or name in looked_up else WALKED if name else RECORD
                group = f"{kind} {name} in line {node.lineno}"
                for key, value in zip(node.keys, node.values, strict=True):
                    if key is not None:
                        yield from _case(constant(key), constant(value), value.lineno, group)
            case ast.List(elts=rows) | ast.Tuple(elts=rows) if len(rows) > 1:
                yield from _rows(rows, f"table in line {node.lineno}", function)


def _walk(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    todo: list[tuple[str, ast.AST]] = [(UNGROUPED, tree)]
    while todo:
        function, node = todo.pop()
        name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield name, node
        todo += [(name, child) for child in ast.iter_child_nodes(node)]


def _rows(rows: list[ast.expr], group: str, function: str) -> Iterator[Special]:
    """Pairs in a list, where a loop in a function compares their first part: a table under another name."""
    if function == UNGROUPED:
        return
    for row in rows:
        if isinstance(row, ast.Tuple) and len(row.elts) == len(("key", "value")):
            yield from _case(constant(row.elts[0]), constant(row.elts[1]), row.lineno, group)


def _branch(test: ast.AST, body: list[ast.stmt], function: str) -> Iterator[Special]:
    asked = _asked(test)
    for node in body:
        match node:
            case ast.Return(value=value) | ast.Assign(value=value):
                yield from _case(asked, _given(value), node.lineno, function)
            case ast.Expr(value=ast.Call(args=[value, *_])):
                yield from _case(asked, constant(value), node.lineno, function)


def _given(value: ast.expr | None) -> Values | None:
    """Return the constants of a value, also of one that a class is called for: ``Interval(1, 5)``."""
    match value:
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name[:1].isupper() and args:
            parts = [constant(part) for part in (*args, *(keyword.value for keyword in keywords))]
            return frozenset().union(*(part for part in parts if part)) if all(parts) else None
    return constant(value)


def _case(asked: Values | None, given: Values | None, line: int, group: str) -> Iterator[Special]:
    if asked and given:
        yield Special(asked, given, line, group)


def _asked(test: ast.AST) -> Values | None:
    """Return the constants that something is compared with for equality; None where it is not that."""
    match test:
        case ast.Compare(left=ast.Name() | ast.Attribute() | ast.Subscript() | ast.Tuple() | ast.Call(), ops=[op]):
            if isinstance(op, ast.Eq | ast.Is | ast.In):
                return constant(test.comparators[0])
        case ast.BoolOp(op=ast.And(), values=parts):
            found = [_asked(part) for part in parts]
            return frozenset().union(*(part for part in found if part)) if all(found) else None
        case ast.MatchValue() | ast.MatchSequence():
            return scalars(test)
    return None


def _lines(file: Touched) -> Iterator[Special]:
    """Find ``if x == A: return B``, ``case A) echo B``, ``A: B`` in languages that are only read by lines."""
    before: tuple[int, str] = (0, "")
    for number, line in file.added_lines:
        joined = (
            f"{before[1]} {line.strip()}"
            if before[0] == number - 1 and before[1].endswith(("{", ":", "then", ")"))
            else ""
        )
        for text in (line[:2_000], joined[:2_000]):
            for match in PAIR.finditer(text) if KEYED.search(text) else ():
                special = Special(tokens(match["key"]), tokens(match["value"]), number, file.path)
                yield replace(special, inputs=_whole(match["key"]), outputs=_whole(match["value"]))
        before = (number, line.strip())


def _whole(text: str) -> Values:
    return frozenset({text.strip("'\"")})
