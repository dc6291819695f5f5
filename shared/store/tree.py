"""Walks the trees that DuckDB tells of a query as JSON."""

from collections.abc import Iterator, Mapping
from typing import Any


def nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object of a JSON document, however deep."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def depth(tree: Any) -> int:
    """Return how many lists and objects of a JSON document lie within one another at most."""
    level, deep = [tree], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        deep += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return deep
