"""New code that no check has run: whether it does what it should, nothing shows.

What only gives up is left out (errors raised, handlers, a bare return): much good work guards against what its tests
don't try. So are modules' own lines, which run as they are imported, or as an example.
"""

import ast
from collections.abc import Collection, Iterable, Iterator

from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.model import Suspicion, Touched

KIND = "unseen"
SHOWN_MAX = 3
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def unseen(file: Touched, ran: Collection[int]) -> Suspicion | None:
    """Return what of a changed Python file was not run, if anything was that is worth it. *ran* are lines."""
    tree = parsed(file.new or "")
    if tree is None:
        return None
    lines = (file.new or "").splitlines()
    added = {number for number, _ in file.added_lines}
    missed = [
        node.lineno
        for node in _working(tree)
        if node.lineno in added and not any(at in ran for at in range(node.lineno, (node.end_lineno or 0) + 1))
    ]
    missed = sorted(set(missed))
    if not missed:
        return None
    shown = "; ".join(f"line {number}: `{lines[number - 1].strip()[:80]}`" for number in missed[:SHOWN_MAX])
    count = f"{len(missed)} new lines" if len(missed) > 1 else "a new line"
    return Suspicion(KIND, f"no check runs {count} of the work: {shown}", file.path, "shown")


def _working(tree: ast.Module) -> Iterator[ast.stmt]:
    """Return the statements in functions that do some work."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            yield from _statements(node.body)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        if not _gives_up(node):
            yield node
        for name in ("body", "orelse", "finalbody"):  # a handler's body is none of them
            yield from _statements(getattr(node, name, ()))
        for case in getattr(node, "cases", ()):
            yield from _statements(case.body)


def _gives_up(node: ast.stmt) -> bool:
    """Return whether a statement ends something, or is none that runs."""
    match node:
        case ast.Raise() | ast.Pass() | ast.Continue() | ast.Break() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Return(value=None | ast.Constant()) | ast.Expr(value=ast.Constant()) | ast.AnnAssign(value=None):
            return True
        case ast.Global() | ast.Nonlocal() | ast.Try() | ast.TryStar():
            return True
        case ast.Expr(value=ast.Call(func=function)):
            return ast.unparse(function) in ("sys.exit", "exit", "quit", "parser.error", "os._exit")
        case _:
            return False
