"""Another word or number in place of one that the output repeats: of the same kind, the same length, seeded."""

import json
import random
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from obra.services.agent_runner.probe.calls import PIECE, Call, Tree, leaves, pieces, plain, stands

TRIALS_MAX, PIECES_MAX, VARIANTS = 90, 6, 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One altered call: ``old`` gave way to ``new`` everywhere in ``part`` of the call numbered ``of``.

    ``repeated`` tells whether the output had ``old``, so that it should follow. Where ``old`` is empty, the part has a
    line, a word or an element less or more.
    """

    of: int
    part: str
    old: str
    new: str
    call: Call
    repeated: bool = True


def trials(calls: Sequence[Call], seed: str, most: int = TRIALS_MAX) -> list[Trial]:
    """Return altered calls, those of each call by turns, so that a bound cuts off none of them whole."""
    taken = pieces(text for call in calls for text in (*_all(call), call.output or ""))
    each = [list(_of(number, call, seed, taken)) for number, call in enumerate(calls)]
    turns = [row[at] for at in range(max(map(len, each), default=0)) for row in each if at < len(row)]
    return turns[:most]


def repeated(call: Call, part: str) -> list[str]:
    """Return the pieces that the output has from *part*, and from nowhere else; the longest first."""
    others = pieces(text for name, tree in call.parts.items() if name != part for text in leaves(tree))
    own = (piece for piece in pieces(leaves(call.parts[part])) - others if stands(piece, call.output or ""))
    return sorted(own, key=lambda piece: (-len(piece), piece))


def _of(number: int, call: Call, seed: str, taken: set[str]) -> Iterator[Trial]:
    kept = {part: repeated(call, part) for part in call.parts if part not in call.fixed}
    rest = {part: sorted(pieces(leaves(call.parts[part])) - set(kept[part])) for part in kept if kept[part]}
    plan = [(part, old, at) for at in range(VARIANTS) for part in kept for old in kept[part][:PIECES_MAX]]
    plan += [(part, old, 0) for part in rest for old in rest[part][:PIECES_MAX]]
    for part in rest:
        for tree in (resized(call.parts[part], more=False), resized(call.parts[part], more=True)):
            if tree != call.parts[part]:
                yield Trial(number, part, "", "", replace(call, parts={**call.parts, part: tree}), repeated=False)
    for part, old, variant in plan:
        new = other(old, variant, random.Random(f"{seed}:{number}:{part}:{old}:{variant}"), taken)
        if new != old:
            altered = {**call.parts, part: exchanged(call.parts[part], old, new)}
            yield Trial(number, part, old, new, replace(call, parts=altered), old in kept[part])


def exchanged(tree: Tree, old: str, new: str) -> Tree:
    """Return *tree* with *new* in place of *old*, in the case of what stood there."""
    match tree:
        case str():
            return PIECE.sub(lambda found: _cased(found[0], new) if plain(found[0]) == old else found[0], tree)
        case bool() | None:
            return tree
        case int() | float():
            return type(tree)(float(new)) if plain(repr(abs(tree))) == old else tree
        case {"file": inner, "name": name}:
            return {"file": exchanged(inner, old, new), "name": name}
        case dict():
            return {tag: exchanged(inner, old, new) for tag, inner in tree.items()}
        case list():
            return [exchanged(inner, old, new) for inner in tree]
        case _:
            return tree


def resized(tree: Tree, *, more: bool) -> Tree:
    """Return *tree* without its last line, word or element, or with that twice; as it is, where it has only one."""
    match tree:
        case str():
            return _text_resized(tree, more=more)
        case {"file": inner, "name": name}:
            return {"file": resized(inner, more=more), "name": name}
        case {"l": list(inner)} | {"d": list(inner)} if "l" in tree or not more:
            return {next(iter(tree)): _resized(inner, more=more)}
        case _:
            return tree


def _text_resized(text: str, *, more: bool) -> str:
    try:
        inner = json.loads(text) if text.lstrip()[:1] in ("[", "{") else None
    except (ValueError, RecursionError):
        inner = None
    match inner:
        case [_, _, *_]:
            return json.dumps(_resized([*inner], more=more))
        case dict() if len(inner) > 1:
            return text if more else json.dumps(dict([*inner.items()][:-1]))
        case _:
            parts = text.splitlines(keepends=True) if "\n" in text.strip() else re.findall(r"\S+\s*", text)
            return "".join(_resized(parts, more=more)) if len(parts) > 1 else text


def _resized(parts: list[Any], *, more: bool) -> list[Any]:
    return parts if len(parts) < 2 else [*parts, parts[-1]] if more else parts[:-1]  # noqa: PLR2004 - it has one


def _cased(old: str, new: str) -> str:
    if old[0].isdigit():
        whole, dot, rest = old.partition(".")
        return f"{float(new):.{len(rest)}f}" if dot else new.zfill(len(whole)) if old[0] == "0" else new
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() else new


def other(old: str, variant: int, chance: random.Random, taken: set[str]) -> str:
    """Return another piece of the same kind and length that is none of *taken*; the same, if there is none."""
    for _ in range(20):
        new = _number(old, variant, chance) if old[0].isdigit() else _word(old, variant, chance)
        if plain(new) not in taken:
            return new
    return old


def _word(old: str, variant: int, chance: random.Random) -> str:
    """Return another word: the first and second time of other letters throughout, then of another last letter."""
    places = range(len(old)) if variant != 1 else range(len(old) - 1, len(old))
    letters = list(old)
    for at in places:
        if letters[at] in string.ascii_lowercase:
            letters[at] = chance.choice(string.ascii_lowercase.replace(letters[at], ""))
    return "".join(letters)


def _number(old: str, variant: int, chance: random.Random) -> str:
    """Return another number of as many digits: of another last digit, another first, or other ones throughout."""
    if "e" in old:
        return old
    digits = [at for at, letter in enumerate(old) if letter.isdigit()]
    places = {0: digits[-1:], 1: digits[:1]}.get(variant, digits)
    letters = list(old)
    for at in places:
        others = string.digits.replace(letters[at], "")
        letters[at] = chance.choice(others.replace("0", "") or others)
    return "".join(letters)


def _all(call: Call) -> Iterator[str]:
    return (text for tree in call.parts.values() for text in leaves(tree))


def shown(call: Call, chars_max: int = 120) -> str:
    """Return what a call is given, for people."""
    texts = [re.sub(r"\s+", " ", text) for text in _all(call)]
    return ", ".join(repr(text) if len(text) <= chars_max else repr(text[:chars_max] + "…") for text in texts)
