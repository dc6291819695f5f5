"""What of a file explains and does nothing: comments, docstrings, pages of documentation, a module's own example.

People document a function with the examples that its tests have, and so do agents. What no interpreter acts on can't
be an answer that was written down instead of computed, unless the program reads its own text: then all of it counts.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from obra.services.agent_runner.inspection.cases import parsed
from obra.services.agent_runner.inspection.model import Suspicion, Touched
from obra.services.agent_runner.inspection.paths import suffix
from obra.shared.rules.kind import kind_of

PAGES = frozenset({"md", "rst", "adoc"})
HASHES = frozenset({"sh", "bash", "zsh", "rb", "pl", "r", "jl", "ex", "exs", "awk"})
SLASHES = frozenset(
    {"js", "mjs", "cjs", "ts", "tsx", "jsx", "go", "rs", "java", "kt", "scala", "cs", "swift", "php", "c", "h", "cc",
     "cpp", "hpp", "m", "dart", "groovy"}
)  # fmt: skip
READS_ITSELF = re.compile(
    r"__doc__|getdoc|getsource|getcomments|\blinecache\b|\btokenize\b|\bdoctest\b|\brunpy\b|__file__|__filename|import\.meta"
    r"|\b(?:sed|grep|awk|cat|head|tail|source|read)\b[^\n]*\$\{?(?:0|BASH_SOURCE)|<\s*\"?\$\{?(?:0|BASH_SOURCE)"
    r"|\barguments\.callee\b|\bdocument\.currentScript\b|\$PROGRAM_NAME|\bDATA\.(?:read|each)"
)
"""Ways for a program to get at its own text."""

FUNCTION = re.compile(r"\bfunction\s+(\w+)|\b(?:const|let|var)\s+(\w+)\s*=\s*(?:async\s*)?(?:function\b|\(|\w+\s*=>)")
BEHAVIOUR = frozenset({"code", "debugging", "errors", "performance", "security"})
"""Kinds of work after which a program behaves otherwise than before."""

ABOUT_PROSE = re.compile(
    r"\b(?:comments?|docstrings?|javadoc|jsdoc|doc(?:s|ument\w*)?|header|licen[cs]e|copyright|spelling|typos?|wording|"
    r"help|description|annotat\w*|explain\w*|todos?|fixme|notes?|lint\w*|pragma|noqa|type[- ]?check\w*|"
    r"(?:re)?format\w*|style\w*|tidy|clean\w*)\b",
    re.IGNORECASE,
)
DIRECTIVE = re.compile(
    r"noqa|type:|pragma|coding[:=]|fmt:|mypy|pylint|pyright|ruff|eslint|prettier|@ts|@jsx|@type|@param|sourceMapping"
    r"|//\s*go:|\+build|nolint|nosec|istanbul|shellcheck|rubocop|frozen_string|SPDX|language="
)
"""Comments that tools go by."""

MANY_LINES = re.compile(r"<<|`|\"\"\"|'''|R\"")
"""Where a text may go over several lines, a line of it may look like a comment."""

Runs = Callable[[str], bool]


def effective(files: Sequence[Touched], runs: Runs) -> list[Touched]:
    """Return the files without what explains, on both sides and line for line.

    *runs* says whether checks run a file as a program.
    """
    texts = [file.new or "" for file in files if suffix(file.path) not in PAGES]
    if any(READS_ITSELF.search(text) or _prints_functions(text) for text in texts):
        return list(files)
    return [file if _named(file.path, texts) else _without(file, runs) for file in files]


def _prints_functions(text: str) -> bool:
    """Return whether a script turns one of its own functions into text, comments and all."""
    names = {one or other for one, other in FUNCTION.findall(text)}
    return any(re.search(rf"\b{name}\.toString\(|String\(\s*{name}\s*\)", text) for name in names)


def _named(path: str, texts: Iterable[str]) -> bool:
    """Return whether changed code names a file, and so may read it."""
    name = re.escape(path.rsplit("/", 1)[-1])
    return any(re.search(rf"[\"'`/]{name}[\"'`]", text) for text in texts)


def _without(file: Touched, runs: Runs) -> Touched:
    old, new = (text if text is None else _stripped(text, file.path, runs) for text in (file.old, file.new))
    return replace(file, old=old, new=new)


def _stripped(text: str, path: str, runs: Runs) -> str:
    kind = suffix(path)
    if kind in PAGES:
        return ""
    if kind == "py":
        return _python(text, lambda: not runs(path))
    if kind in SLASHES:
        return _commented(text, re.compile(r"\s*//"), "/*", "*/")
    return _commented(text, re.compile(r"\s*#(?!!)")) if kind in HASHES else text


def _python(text: str, is_example: Callable[[], bool]) -> str:
    """Blank out comments, texts that stand alone, and what happens only when a module is run, if nobody runs it."""
    tree, lines = parsed(text), text.splitlines()
    if tree is None:
        return text
    for node in ast.walk(tree):
        alone = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if alone or (node in tree.body and _is_main(node) and is_example()):
            assert isinstance(node, ast.stmt)
            _blank(lines, node)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            row, column = token.start
            if token.type == tokenize.COMMENT and lines[row - 1]:
                lines[row - 1] = lines[row - 1][:column].rstrip()
    except (tokenize.TokenError, SyntaxError):  # the tree was read, so only odd white space can be meant
        return text
    return "\n".join(lines)


def _blank(lines: list[str], node: ast.stmt) -> None:
    """Blank out a statement, unless another one shares its lines; its block may need one in its place."""
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    if lines[first][: node.col_offset].strip() or lines[last].encode()[node.end_col_offset :].strip():
        return
    lines[first : last + 1] = [f"{' ' * node.col_offset}pass", *[""] * (last - first)]


def _is_main(node: ast.AST) -> bool:
    """Return whether a statement is ``if __name__ == "__main__":`` without an else."""
    return isinstance(node, ast.If) and not node.orelse and "__name__ ==" in ast.unparse(node.test)


def _commented(text: str, line: re.Pattern[str], opens: str = "", closes: str = "") -> str:
    """Blank out lines that hold nothing but a comment."""
    inside, kept = False, []
    for each in text.splitlines():
        if not inside and opens and each.lstrip().startswith(opens):
            inside = True
        comment = inside or line.match(each) is not None
        if inside and closes in each:
            inside, comment = False, not each.partition(closes)[2].strip()
        kept.append("" if comment else each)
    return "\n".join(kept)


def idle(files: Sequence[Touched], text: str, kind: str) -> list[Suspicion]:
    """Return whether the task wants other behaviour, and all that differs is comments and docstrings of programs."""
    if kind_of(text, kind) not in BEHAVIOUR or ABOUT_PROSE.search(text):
        return []
    if not files or not all(_same(file) for file in files):
        return []
    what = "nothing that runs is changed: all that differs is comments and documentation in the code"
    return [Suspicion("incomplete", what, files[0].path)]


def _same(file: Touched) -> bool:
    """Return whether a program does what it did, as far as comparing can tell: in doubt it doesn't."""
    kind = suffix(file.path)
    if file.path != file.origin or file.old is None or file.new is None or file.old == file.new:
        return False
    if kind not in {"py"} | SLASHES | HASHES or DIRECTIVE.search("\n".join(line for _, line in file.added_lines)):
        return False
    if READS_ITSELF.search(file.new) or (parsed(file.new) is None if kind == "py" else MANY_LINES.search(file.new)):
        return False
    without = _without(file, lambda path: True)
    return _acts(without.old or "") == _acts(without.new or "")


def _acts(text: str) -> list[str]:
    """Return the lines that act; what stands in a docstring's place does not."""
    return [line.rstrip() for line in text.splitlines() if line.strip() not in ("", "pass")]
