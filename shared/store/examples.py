"""Questions worth asking of the store, each with its query: `obra sql --examples`."""

from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Example:
    """A question in words, and the query that answers it."""

    question: str
    sql: str


def examples() -> list[Example]:
    """Return them all, in the order of the file."""
    text = resources.files("obra.shared.store").joinpath("examples.sql").read_text()
    blocks = (block.strip().partition("\n") for block in text.split("\n\n"))
    return [Example(head.removeprefix("-- "), sql) for head, _, sql in blocks]
