"""Test cases in other languages, by conservative patterns over lines."""

import re
from dataclasses import dataclass, replace

NAMED = re.compile(
    r"""\b(?:it|test|specify|scenario|Deno\.test|bench)(?:\.\w+)*\s*\(\s*[`'"](?P<js>[^`'"\n]{1,200})"""
    r"""|\bfunc\s+(?P<go>Test\w+)|\bfn\s+(?P<rust>\w+)|^\s*@test\s+["'](?P<bats>[^"']+)|^\s*it\s+["'](?P<ruby>[^"']+)"""
    r"""|\bvoid\s+(?P<java>test\w*|\w*Test\w*)\s*\(|^(?:function\s+)?(?P<shell>test_?\w*)\s*\(\)"""
)
DEMANDS = re.compile(
    r"\b(?:assert\w*|expect\w*|should\w*|require\.\w+|verify\w*)\b|t\.(?:Error|Fatal|Fail)\w*\(|\bt\.(?:is|deepEqual|equal|like)\("
    r"|^\s*(?:\[\[? |test |diff |cmp |grep )|\|\|\s*(?:exit|fail|return) ?1?|\bexit 1\b",
    re.IGNORECASE,
)
SKIPS = re.compile(
    r"\b(?:it|test|describe|context|suite)\.(?:skip|only|todo|fails|failing)\b|\bx(?:it|describe|test|context)\s*\("
    r"|\bf(?:it|describe|context)\s*\(|t\.Skip\w*\(|#\[ignore|@(?:Disabled|Ignore)\b|^\s*skip(?:\s|$)|\bskip:\s*true|\bt\.skip\("
    r"|\btodo:\s*true|\{\s*skip\b"
)
TRIVIAL = re.compile(
    r"\|\|\s*(?:true|:)\s*$|^\s*exit 0\s*$|^\s*set \+e"
    r"|assert(?:\.ok|\.equal|\.strictEqual)?\(\s*(?:true|1)\s*(?:,\s*(?:true|1)\s*)?[,)]"
    r"|expect\(\s*(?:true|1)\s*\)|assert!\(\s*true\b|^\s*true\s*(?:#.*)?$"
    r"|^\s*trap\b.*\bexit 0\b|^\s*return 0\s*$|^\s*return;?\s*$"
)
LINE_CHARS_MAX = 2_000
COMMENT = re.compile(r"^\s*(?:#(?!\[)|//|/\*|\*|--)")


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file of tests demands, counted line by line; comments count for nothing."""

    names: frozenset[str] = frozenset()
    demands: int = 0
    skips: int = 0
    trivial: int = 0


def outline(text: str) -> Outline:
    """Return the outline of a file of tests."""
    names, found = set(), Outline()
    for line in (line[:LINE_CHARS_MAX] for line in text.splitlines()):
        if COMMENT.match(line):
            continue
        for match in NAMED.finditer(line):
            names.add(next(filter(None, match.groups())))
        trivial = bool(TRIVIAL.search(line))
        found = replace(
            found, demands=found.demands + (bool(DEMANDS.search(line)) and not trivial),
            skips=found.skips + bool(SKIPS.search(line)), trivial=found.trivial + trivial,
        )  # fmt: skip
    return replace(found, names=frozenset(names))


def weaker(old: Outline, new: Outline) -> str:
    """Return in what way the file demands less than before; empty if it does not, as far as counting can tell."""
    if new.skips > old.skips:
        return "marks tests to be skipped, or to be the only ones"
    if new.trivial > old.trivial:
        return "passes whatever the code does"
    if new.demands < old.demands:
        return f"demands less: {old.demands} lines that can fail before, {new.demands} now"
    return ""
