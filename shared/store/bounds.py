"""How much a query may have done in one go.

DuckDB hears an interrupt between 2,048 rows, and never within one call of a function: what makes something large of
little, or takes the square of a text's length, would go on long after its time. Such calls are known by their form, and
bounded where they stand in the query. What takes time in proportion to what it is given is none of them.
"""

import re
from collections.abc import Mapping, Sequence
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

HOARDING = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg", "histogram", "map"})
"""Functions that gather all rows anew for each row, as window functions."""
BY_NAME = frozenset({"list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate"})
"""Functions whose second argument names the one that they apply to a list."""

LIKES = {"~~": "LIKE", "~~*": "ILIKE", "~~~": "GLOB", "like_escape": "LIKE", "ilike_escape": "ILIKE"}
PATTERN_CHARS_MAX, WILDCARDS_MAX = 256, 8
"""Matching takes a text's length times its pattern's; each wildcard may try all over again."""

PADDING = frozenset({"format", "printf"})
_WIDTH = re.compile(r"\d{5}")


def excess(node: Mapping[str, Any], name: str, *, streams: bool) -> str:
    """Return what is too much in one *node*, a call of *name*, or nothing.

    *streams*: it yields rows, and can be stopped between them.
    """
    match node.get("class"):
        case "WINDOW" if name in HOARDING:
            return f"the function {name} is not allowed as a window function: it can't be interrupted"
        case "CAST" if any(_kind(kind) in ("bignum", "varint") for kind in nodes(node.get("type_expr"))):
            return "a cast to BIGNUM is not allowed: it can't be interrupted"
        case "LAMBDA":
            return _in_lambda(node)
        case "FUNCTION":
            return "" if streams else _in_call(name, _arguments(node))
        case _:
            return ""


def _in_call(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    if name == "repeat":
        return _too_often(arguments)
    if name in SIZED:
        return _too_large(name, arguments)
    if name in BY_NAME and "histogram" in (_text(arguments[1:2]) or "histogram").casefold():
        return f"{name} takes the name of a function that is written out, and is none of histogram"
    if name in GROWING:
        return _too_long(name, arguments)
    if name in PADDING and ((form := _text(arguments[:1])) is None or _WIDTH.search(form)):
        return f"{name} takes a form that is written out, with widths up to 9,999"
    like = name.removeprefix("!").removeprefix("not_")
    return _too_wild(LIKES[like], arguments[1:2]) if like in LIKES else ""


def _too_often(arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return why a repeated text is refused."""
    text, times = _text(arguments[:1]), _text(arguments[1:2])
    if text is None or times is None or not times.isdigit() or len(text) * int(times) > SIZE_MAX:
        return f"repeat takes a text and a number that are written out, for up to {SIZE_MAX:,} characters"
    return ""


def _too_large(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return why a call that makes something of a stated size is refused: DuckDB can't be interrupted in it."""
    for argument in arguments[SIZED[name] :][: 1 if name in ("lpad", "rpad", "list_resize", "array_resize") else None]:
        number = _text([argument]) or ""
        if not number.lstrip("-").isdigit() or abs(int(number)) > SIZE_MAX:
            return f"{name} takes plain numbers up to {SIZE_MAX:,} here; FROM range(…) has no such bound"
    return ""


def _too_long(name: str, arguments: Sequence[Mapping[str, Any]]) -> str:
    """Return why a call that puts one text in many places is refused: it fills the machine's memory."""
    put = arguments[GROWING[name] : GROWING[name] + 1]
    text = _text(put)
    if put and (text is None or len(text) > GROWTH_CHARS_MAX):
        return f"{name} puts in only a text that is written out, of up to {GROWTH_CHARS_MAX} characters"
    return ""


def _too_wild(name: str, pattern: Sequence[Mapping[str, Any]]) -> str:
    """Return why a text may not be matched with a *pattern*."""
    text = _text(pattern)
    if text is None or len(text) > PATTERN_CHARS_MAX or len(re.findall(r"[%*]+", text)) > WILDCARDS_MAX:
        return (
            f"{name} takes a pattern that is written out, of up to {PATTERN_CHARS_MAX} characters with up to"
            f" {WILDCARDS_MAX} wildcards; starts_with, ends_with and contains take any text"
        )
    return ""


def _in_lambda(node: Mapping[str, Any]) -> str:
    """Return what is too much within a lambda, which is called for each element of each row's list."""
    for inner in nodes(node.get("expr")):
        name = str(inner.get("function_name", "")).casefold()
        if inner.get("class") == "LAMBDA" or name in SIZED or name == "repeat":
            return "a lambda that makes lists, or calls another lambda, is not allowed: it can't be interrupted"
    return ""


def _text(arguments: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the text of the first of *arguments*, if it is written out."""
    literal = arguments[0].get("expression", {}).get("literal", {}) if arguments else {}
    return str(literal["text"]) if "kind" in literal and "text" in literal else None


def _kind(node: Mapping[str, Any]) -> str:
    return str(node.get("type_name", "")).casefold()


def _arguments(call: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = call.get("arguments", [])
    return found
