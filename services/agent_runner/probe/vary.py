"""Calls altered in any way that keeps their kind, for when the right answers are known: see `kept`.

Another word or number in place of each, in all parts at once, so that what agrees goes on to agree; an element or a
line less or more; the same in the opposite order. The words of a line keep their places: another order may be no
input at all, of which code may make what it likes.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from obra.services.agent_runner.probe.alter import Trial, exchanged, other, resized
from obra.services.agent_runner.probe.calls import Call, Tree, leaves, pieces

PIECES_MAX, WORD_VARIANTS, NUMBER_VARIANTS = 8, 4, 6


def variations(calls: Sequence[Call], seed: str, most: int) -> list[Trial]:
    """Return altered calls, those of each call by turns."""
    taken = pieces(text for call in calls for part in call.parts.values() for text in leaves(part))
    each = [list(_of(number, call, seed, taken)) for number, call in enumerate(calls)]
    turns = [row[at] for at in range(max(map(len, each), default=0)) for row in each if at < len(row)]
    return turns[:most]


def _of(number: int, call: Call, seed: str, taken: set[str]) -> Iterator[Trial]:
    free = [part for part in call.parts if part not in call.fixed]
    for part in free:
        tree = call.parts[part]
        for changed in (turned(tree), resized(tree, more=False), resized(tree, more=True)):
            if changed != tree and not _is_line(tree):
                yield Trial(number, part, "", "", replace(call, parts={**call.parts, part: changed}), repeated=False)
    found = sorted(
        pieces(text for part in free for text in leaves(call.parts[part])), key=lambda each: (-len(each), each)
    )
    for variant in range(NUMBER_VARIANTS):
        for old in found[:PIECES_MAX]:
            if variant >= WORD_VARIANTS and not old[0].isdigit():
                continue
            new = other(old, variant, random.Random(f"{seed}:{number}:{old}:{variant}"), taken)
            if new != old:
                parts = {part: exchanged(tree, old, new) if part in free else tree for part, tree in call.parts.items()}
                yield Trial(number, free[0], old, new, replace(call, parts=parts), repeated=False)


def _is_line(tree: Tree) -> bool:
    """Return whether a part is one line of text."""
    text = tree["file"] if isinstance(tree, dict) and "file" in tree else tree
    return isinstance(text, str) and "\n" not in text.strip()


def turned(tree: Tree) -> Tree:
    """Return *tree* with its lines or elements in the opposite order; as it is, where it has only one."""
    match tree:
        case str() if "\n" in tree.strip():
            return "\n".join(reversed(tree.splitlines())) + ("\n" if tree.endswith("\n") else "")
        case {"file": str(text), "name": name}:
            return {"file": turned(text), "name": name}
        case {"l": list(inner)} | {"t": list(inner)} | {"d": list(inner)} if len(inner) > 1:
            return {next(iter(tree)): inner[::-1]}
        case _:
            return tree
