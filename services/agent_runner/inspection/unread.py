"""What was declared and never read: an option that no program asks for, a parameter that its function passes over.

Agents that run out of turns leave such fronts: ``--json`` stands in the help and in the README, and changes nothing.
Said only of what the task itself names, and not where it speaks of things that are accepted and ignored.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.model import Suspicion, Touched
from obra.services.agent_runner.inspection.paths import is_test

KIND = "incomplete"
SIGNATURE = re.compile(r"`(?:[\w.]+\.)?(\w+)\(([^`()]{1,300})\)`")
PASSED_ON = re.compile(r"\bvars\(|\bgetattr\(|__dict__|_get_kwargs|asdict\(|\blocals\(|parse_known_args|\*\*")
"""Ways for all options to be read at once."""

IGNORED = re.compile(r"\b(?:ignor|unused|compatib|deprecat|no-?op|reserved|stub|placeholder|for now)", re.IGNORECASE)
ACTIONS = frozenset({"help", "version"})

Elsewhere = Callable[[str, str], bool]
"""Whether a Python file of the work reads an attribute of that name, other than the one at that path."""


def unread(files: Sequence[Touched], asked: Asked, elsewhere: Elsewhere) -> list[Suspicion]:
    """Return options and parameters that the task names, that new code declares, and that nothing reads."""
    if IGNORED.search(asked.text):
        return []
    found = []
    for file in files:
        tree = parsed(file.new or "") if file.path.endswith(".py") and not is_test(file.path) else None
        if tree is not None:
            added = {number for number, _ in file.added_lines}
            found += [*_options(file, tree, added, asked, elsewhere), *_parameters(file, tree, added, asked)]
    return found


def _options(
    file: Touched, tree: ast.Module, added: set[int], asked: Asked, elsewhere: Elsewhere
) -> Iterator[Suspicion]:
    if PASSED_ON.search(file.new or ""):
        return
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="add_argument"), args=words, keywords=keywords) if words:
                names = [w.value for w in words if isinstance(w, ast.Constant) and isinstance(w.value, str)]
                given = {k.arg: k.value.value for k in keywords if isinstance(k.value, ast.Constant)}
            case _:
                continue
        option = next((name for name in names if name.startswith("--")), "")
        dest = str(given.get("dest") or option.removeprefix("--").replace("-", "_"))
        named = option.lower() in asked.marks and node.lineno in added and given.get("action") not in ACTIONS
        if named and dest not in read and not elsewhere(dest, file.path):
            what = f"the option `{option}` is declared in line {node.lineno}, and nothing reads it"
            yield Suspicion(KIND, what, file.path)


def _parameters(file: Touched, tree: ast.Module, added: set[int], asked: Asked) -> Iterator[Suspicion]:
    wanted = {name: set(re.findall(r"(?:^|,)\s*\**(\w+)", inner)) for name, inner in SIGNATURE.findall(asked.text)}
    for node in ast.walk(tree) if wanted else ():
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name not in wanted:
            continue
        if node.lineno not in added or node.decorator_list or _is_abstract(node.body):
            continue
        body = [inner for statement in node.body for inner in ast.walk(statement)]
        used = {inner.id for inner in body if isinstance(inner, ast.Name)}
        names = {each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
        for name in sorted((names & wanted[node.name]) - used if "locals" not in used else ()):
            what = f"the task gives `{node.name}` the parameter `{name}`, and nothing reads it (line {node.lineno})"
            yield Suspicion(KIND, what, file.path)


def _is_abstract(body: Iterable[ast.stmt]) -> bool:
    """Return whether a function only says that others do its work."""
    return all(isinstance(node, ast.Raise | ast.Pass | ast.Expr) for node in body)
