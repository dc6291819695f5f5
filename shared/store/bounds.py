"""Which queries can be stopped: how much DuckDB may have to do in one go, in the process that writes the store.

DuckDB hears an interrupt between 2,048 rows, and never within one call of a function: what makes something large of
little, or takes the square of a text's length, would go on long after its time, or fill the machine's memory. Such
calls are known by their form. A query with one of them is asked in a process of its own (`apart.py`), which costs a
copy of the store. What takes time in proportion to what it is given is none of them.
"""

import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from obra.shared.store.tree import nodes

SIZE_MAX = 10_000
"""Elements of a list, characters of a text: 2,048 of them are made at once."""
SIZED = {"range": 0, "generate_series": 0, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1}
"""Functions that make something of a stated size in one go, and from which argument on it is stated."""

GROWING = {
    "replace": 2, "regexp_replace": 2, "array_to_string": 1, "string_agg": 1, "group_concat": 1, "listagg": 1,
    "list_string_agg": 1, "list_aggregate": 2, "list_aggr": 2, "array_aggregate": 2, "array_aggr": 2, "aggregate": 2,
}  # fmt: skip
"""Functions that put a text in many places, and which argument it is; DuckDB counts none of the memory that takes."""
GROWTH_CHARS_MAX = 64
GROWTH_MAX = 64
"""How many times as long all replacing together may make a text: one may be put into another."""

DOUBLING = frozenset({"||", "concat", "concat_ws", "list_concat", "list_cat", "array_concat", "array_cat", *GROWING})
"""Functions that can make twice as much of what they made the time before."""
REDUCING = frozenset({"list_reduce", "array_reduce", "reduce"})

HEAVY = frozenset({
    "json_contains", "json_pretty", "levenshtein", "editdist3", "damerau_levenshtein", "bitstring", "bitstring_agg",
    "json_merge_patch", "json_deep_merge", "json_merge_patch_diff", "list_histogram",
    "parse_path", "parse_dirpath", "parse_dirname", "parse_filename",
})  # fmt: skip
"""Functions that take the square of a text's length, or on which DuckDB crashes where it is long."""

HOARDING = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg", "histogram", "map"})
"""Functions that gather all rows anew for each row, as window functions."""
BY_NAME = frozenset({"list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate"})
"""Functions whose second argument names the one that they apply to a list."""

LIKES = {"~~": "LIKE", "~~*": "ILIKE", "~~~": "GLOB", "like_escape": "LIKE", "ilike_escape": "ILIKE"}
PATTERN_CHARS_MAX, WILDCARDS_MAX = 256, 8
"""Matching takes a text's length times its pattern's; each wildcard may try all over again."""

PADDING = frozenset({"format", "printf"})
_WIDTH = re.compile(r"\d{5}")


def excess(tree: Any, streamed: Set[int]) -> str:
    """Return why the query with this syntax *tree* may not be stoppable, or nothing.

    *streamed* are the calls, by `id`, that yield rows: they can be stopped between them.
    """
    growth = 1.0
    for node in nodes(tree):
        name = _name(node)
        if reason := _in_node(node, name, streams=id(node) in streamed):
            return reason
        growth *= _growth(name, _arguments(node))
    return "" if growth <= GROWTH_MAX else f"its replacing may make a text {growth:,.0f} times as long"


def _in_node(node: Mapping[str, Any], name: str, *, streams: bool) -> str:
    """Return what is too much in one *node*, a call of *name*, or nothing."""
    match node.get("class"):
        case "WINDOW" if name in HOARDING:
            return f"{name} as a window function gathers all rows for each row"
        case "CAST" if any(_kind(kind) in ("bignum", "varint") for kind in nodes(node.get("type_expr"))):
            return "a cast to BIGNUM takes the square of the text's length"
        case "LAMBDA":
            return _in_lambda(node)
        case "FUNCTION" if name in REDUCING and any(_name(inner) in DOUBLING for inner in nodes(_arguments(node))):
            return f"{name} may double a text or a list with each element"
        case "FUNCTION":
            return "" if streams else _in_call(name, _arguments(node))
        case _ if node.get("type") == "RECURSIVE_CTE_NODE":
            doubles = any(_name(inner) in DOUBLING for inner in nodes(node.get("right")))
            return "a recursive query may double a text or a list with each step" if doubles else ""
        case _:
            return ""


def _growth(name: str, arguments: Sequence[Mapping[str, Any]]) -> float:
    """Return how many times as long a call of *name* may make a text."""
    if name not in ("replace", "regexp_replace"):
        return 1.0
    sought, put = _text(arguments[1:2]), _text(arguments[2:3])
    least = max(1, len(sought or "")) if name == "replace" else 1
    return max(1.0, len(put or "") / least)


def _in_call(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    if name in HEAVY:
        return f"{name} takes the square of a text's length"
    if name == "repeat":
        return _too_often(arguments)
    if name in SIZED:
        return _too_large(name, arguments)
    if name in BY_NAME and "histogram" in (_text(arguments[1:2]) or "histogram").casefold():
        return f"{name} may call a function that takes the square of its list"
    if name in GROWING:
        return _too_long(name, arguments)
    if name in PADDING and ((form := _text(arguments[:1])) is None or _WIDTH.search(form)):
        return f"{name} takes a form with widths above 9,999, or one that isn't written out"
    like = name.removeprefix("!").removeprefix("not_")
    return _too_wild(LIKES[like], arguments[1:2]) if like in LIKES else ""


def _too_often(arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return what is too much about a repeated text."""
    text, times = _text(arguments[:1]), _text(arguments[1:2])
    if text is None or times is None or not times.isdigit() or len(text) * int(times) > SIZE_MAX:
        return f"repeat makes more than {SIZE_MAX:,} characters, or a number of them that isn't written out"
    return ""


def _too_large(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return what is too much about a call that makes something of a stated size."""
    for argument in arguments[SIZED[name] :][: 1 if name in ("lpad", "rpad", "list_resize", "array_resize") else None]:
        number = _text([argument]) or ""
        if not number.lstrip("-").isdigit() or abs(int(number)) > SIZE_MAX:
            return f"{name} makes more than {SIZE_MAX:,} elements or characters, or a number that isn't written out"
    return ""


def _too_long(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return what is too much about a call that puts one text in many places."""
    put = arguments[GROWING[name] : GROWING[name] + 1]
    text = _text(put)
    if put and (text is None or len(text) > GROWTH_CHARS_MAX):
        return f"{name} puts in more than {GROWTH_CHARS_MAX} characters, or a text that isn't written out"
    return ""


def _too_wild(name: str, pattern: Sequence[Mapping[str, Any]]) -> str:
    """Return what is too much about matching a text with a *pattern*."""
    text = _text(pattern)
    if text is None or len(text) > PATTERN_CHARS_MAX or len(re.findall(r"[%*]+", text)) > WILDCARDS_MAX:
        return f"{name} takes a pattern of more than {WILDCARDS_MAX} wildcards, or one that isn't written out"
    return ""


def _in_lambda(node: Mapping[str, Any]) -> str:
    """Return what is too much within a lambda, which is called for each element of each row's list."""
    for inner in nodes(node.get("expr")):
        name = _name(inner)
        if inner.get("class") == "LAMBDA" or name in SIZED or name == "repeat":
            return "a lambda makes lists, or calls another lambda"
    return ""


def _text(arguments: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the text of the first of *arguments*, if it is written out."""
    literal = arguments[0].get("expression", {}).get("literal", {}) if arguments else {}
    return str(literal["text"]) if "kind" in literal and "text" in literal else None


def _name(node: Mapping[str, Any]) -> str:
    return str(node.get("function_name", "")).casefold()


def _kind(node: Mapping[str, Any]) -> str:
    return str(node.get("type_name", "")).casefold()


def _arguments(call: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = call.get("arguments", [])
    return found
