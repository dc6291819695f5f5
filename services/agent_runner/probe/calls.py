"""What checks were seen to call: a function with its arguments, or a program with its words, files and input.

All of it comes from a place where untrusted code runs. So it is validated here, bounded, and believed nowhere: at
worst a probe of forged calls proves nothing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Tree = Any
"""Plain data as JSON holds it: texts, numbers, lists, and dicts of one tag ``l``, ``t`` or ``d``."""

PIECE = re.compile(r"\d+(?:\.\d+)?|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_A-Za-z]+")
NOTHING_SAID = frozenset({"true", "false", "none", "null", "undefined"})
SUBJECTS_MAX, CALLS_MAX, TREE_DEPTH_MAX = 20, 40, 40
WITHIN_CHARS_MIN = 4


class Seen(msgspec.Struct):
    """One call as it was written down."""

    kind: Literal["python", "node", "program"]
    file: str
    interpreter: str
    cwd: str
    module: str = ""
    name: str = ""
    path: list[str] = []
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    output: str | None = None
    options: list[str] = []
    files: dict[str, str | dict[str, str] | None] = {}
    stdin: str | None = None


class Ran(msgspec.Struct):
    """Which lines of a changed file the checks have run."""

    ran: str
    lines: list[int]


@dataclass(frozen=True, slots=True)
class Subject:
    """A function or a program that was changed, and how to reach it."""

    kind: str
    file: str
    name: str
    module: str
    interpreter: str
    cwd: str
    path: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """What a subject is given, part by part, by the names of its parts; ``fixed`` are parts that nobody alters."""

    parts: dict[str, Tree]
    fixed: frozenset[str] = frozenset()
    output: str | None = None


def read(lines: Iterable[bytes], changed: frozenset[str]) -> dict[Subject, list[Call]]:
    """Return the calls by subject, none twice; what is not well formed or of other files is passed over."""
    found: dict[Subject, list[Call]] = {}
    for line in lines:
        try:
            seen = msgspec.json.decode(line, type=Seen)
            call = _program(seen) if seen.kind == "program" else _function(seen)
        except (msgspec.DecodeError, RecursionError, ValueError):
            continue
        subject = Subject(
            seen.kind, seen.file, seen.name, seen.module, seen.interpreter, seen.cwd, tuple(seen.path),
            tuple(seen.options),
        )  # fmt: skip
        if call is None or seen.file not in changed or (subject not in found and len(found) >= SUBJECTS_MAX):
            continue
        calls = found.setdefault(subject, [])
        if call not in calls and len(calls) < CALLS_MAX:
            calls.append(call)
    return found


def lines_run(lines: Iterable[bytes], changed: frozenset[str]) -> dict[str, frozenset[int]]:
    """Return the lines that were run of each changed file of Python, of those of which it is known."""
    found = {}
    for line in lines:
        try:
            seen = msgspec.json.decode(line, type=Ran)
        except msgspec.DecodeError:
            continue
        if seen.ran in changed and min(seen.lines, default=-1) >= 0:
            found[seen.ran] = frozenset(seen.lines)
    return found


def _function(seen: Seen) -> Call | None:
    parts = {str(at): arg for at, arg in enumerate(seen.args)} | {f"{name}=": arg for name, arg in seen.kwargs.items()}
    for part in parts.values():
        _bounded(part, 0)
    return None if seen.output is None else Call(parts, output=seen.output)


def _program(seen: Seen) -> Call | None:
    parts: dict[str, Tree] = {}
    fixed = set()
    for at, word in enumerate(seen.args):
        if not isinstance(word, str):
            return None
        if str(at) not in seen.files:
            parts[str(at)] = word
            fixed |= {str(at)} if "/" in word or word.startswith("-") else set()
            continue
        content = seen.files[str(at)]
        if content is None:  # a file that can't be taken along can't be altered either
            return None
        name = word.rstrip("/").rsplit("/", 1)[-1]
        inner = content if isinstance(content, str) else {"d": [[n, text] for n, text in content.items()]}
        parts[str(at)] = {"file": inner, "name": name}
    if seen.stdin is not None:
        parts["stdin"] = seen.stdin
    return Call(parts, frozenset(fixed))


def _bounded(tree: Tree, depth: int) -> None:
    if depth > TREE_DEPTH_MAX:
        raise ValueError("nested too deep")
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        _bounded(inner, depth + 1)


def leaves(tree: Tree) -> Iterator[str]:
    """Return the texts and numbers in a part, all as texts; the name of a file is none of them."""
    match tree:
        case bool() | None:
            return
        case str():
            yield tree
        case int() | float():
            yield repr(tree)
        case {"file": inner}:
            yield from leaves(inner)
        case dict() | list():
            for each in tree.values() if isinstance(tree, dict) else tree:
                yield from leaves(each)


def plain(piece: str) -> str:
    """Return what two pieces share that mean the same: case and trailing zeros don't matter."""
    return f"{float(piece):.12g}" if piece[0].isdigit() else piece.casefold()


def stands(piece: str, output: str) -> bool:
    """Return whether *output* has a plain piece: as one of its own, or, if it is long enough to tell, within one."""
    return piece in pieces([output]) or (len(piece) >= WITHIN_CHARS_MIN and piece in output.casefold())


def pieces(texts: Iterable[str]) -> set[str]:
    """Return the words and numbers in *texts*, plain, without those that stand for nothing."""
    return {plain(piece) for text in texts for piece in PIECE.findall(text)} - NOTHING_SAID
