"""Whether a reply has lost the thread. Small models do: they write the same again and again, or what they were told."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel

Item = TypeVar("Item")

WORD = re.compile(r"\w+")
ECHO_WORDS = 7
"""So many words in a row that the request itself has are not the reply's own."""

SHOWN_CHARS = 120
REPEATED_MIN = 4
"""A list of fewer entries may well have two alike."""


def lost(value: BaseModel, told: str) -> str:
    """Return why *value* is no answer to a request of which *told* are the words, or nothing.

    It lists the same thing over and over (fewer than half of four or more entries differ), or repeats the request.
    """
    said = value.model_dump(mode="json")
    for entry in filter(None, map(_repeated, _lists(said))):
        return f"the reply repeats itself: {entry[:SHOWN_CHARS]}"
    for text in _texts(said):
        if echo := _echo(text, told):
            return f"the reply repeats what it was told: {echo}"
    return ""


def distinct(items: Iterable[Item], words: Callable[[Item], str]) -> list[Item]:
    """Return *items* without those whose *words* an earlier one has, white space and case apart."""
    first: dict[str, Item] = {}
    for item in items:
        first.setdefault(" ".join(words(item).lower().split()), item)
    return list(first.values())


def _repeated(entries: Sequence[Any]) -> str:
    """Return the entry that most of *entries* are, or nothing."""
    if len(entries) < REPEATED_MIN:
        return ""
    counts = Counter(msgspec.json.encode(entry) for entry in entries)
    most = msgspec.json.decode(counts.most_common(1)[0][0])
    return next((text for text in _texts(most) if text), str(most)) if 2 * len(counts) < len(entries) else ""


def _echo(text: str, told: str) -> str:
    """Return the first words of *text* that stand in *told* just so, or nothing."""
    words, request = WORD.findall(text.lower()), f" {' '.join(WORD.findall(told.lower()))} "
    runs = (" ".join(words[at : at + ECHO_WORDS]) for at in range(len(words) - ECHO_WORDS + 1))
    return next((run for run in runs if f" {run} " in request), "")


def _lists(node: Any) -> Iterator[list[Any]]:
    if isinstance(node, list):
        yield node
    for child in _children(node):
        yield from _lists(child)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for child in _children(node):
        yield from _texts(child)


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
