"""Which words tell which event: each file of words registers its own here."""

from collections.abc import Callable, Iterable
from typing import Any

from obra.events import Event
from obra.services.console.render.line import Line

Words = Callable[[Any], Iterable[Line]]

WORDS: dict[type[Event], Words] = {}


def of(kind: type[Event]) -> Callable[[Words], Words]:
    """Return what registers a function as the words for *kind*."""

    def register(words: Words) -> Words:
        WORDS[kind] = words
        return words

    return register
