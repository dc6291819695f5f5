"""Which pieces of context a prompt tells, where there is not room for all: pure, and the same for the same pieces.

A piece is worth ``importance * (0.5 + 0.25 * recency + 0.25 * relevance)``, all between 0 and 1:

- *importance* is fixed by what it is (why the last attempt failed: 1; what the agent said: 0.3);
- *recency* is ``2 ** -age``, so that each step back in time halves it;
- *relevance* is the share of the task's own words, of four letters and more, that occur in it.

Its *score* divides that by ``1 + tokens / budget``: of two pieces of equal worth the smaller one goes first, and one
as large as the whole budget counts half. Pieces are taken by falling score. One that does not fit any more is cut to
the room that is left, if it may be and at least `CUT_TOKENS_MIN` are left, else left out; smaller ones after it still
get their chance. So the sum never exceeds the budget, and the piece of the highest score is always told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from obra.events import LeftOut
from obra.shared.tokens import count

CUT_TOKENS_MIN = 64
CUT_ROUNDS = 8
SCANNED_CHARS = 20_000
WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Something a prompt may tell.

    ``head`` and ``tail`` are Obra's own words around ``body``, which programs or people wrote, ``age`` how many steps
    back it is from. ``cuts``: the middle of ``body`` may be taken out.
    """

    name: str
    head: str
    body: str = ""
    tail: str = ""
    importance: float = 0.5
    age: int = 0
    cuts: bool = False
    cut: bool = False

    @property
    def tokens(self) -> int:
        """Return about how many tokens it takes."""
        return count(self.head) + count(self.body) + count(self.tail)


@dataclass(frozen=True, slots=True)
class Composed:
    """What is told, by falling score, and what is not. ``tokens`` is the sum of what is told."""

    told: tuple[Piece, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tokens: int = 0


def words_of(text: str) -> frozenset[str]:
    """Return the words of *text* that relevance is measured by."""
    return frozenset(word.lower() for word in WORD.findall(text[:SCANNED_CHARS]))


def worth(piece: Piece, asked: frozenset[str]) -> float:
    """Return the worth of *piece* for a task whose words are *asked*, before its size counts."""
    relevance = len(asked & words_of(piece.body)) / len(asked) if asked else 0.0
    return piece.importance * (0.5 + 0.25 * 2.0**-piece.age + 0.25 * relevance)


def score(worth: float, tokens: int, budget: int) -> float:
    """Return what pieces are ordered by."""
    return worth / (1 + tokens / max(budget, 1))


def compose(pieces: Sequence[Piece], task: str, budget: int) -> Composed:
    """Return which of *pieces* are told within *budget* tokens, for a task that is worded *task*."""
    asked = words_of(task)
    sized = [(piece, piece.tokens) for piece in pieces]
    ordered = sorted(sized, key=lambda one: (-score(worth(one[0], asked), one[1], budget), one[1], one[0].name))
    told, left_out, left = list[Piece](), list[LeftOut](), budget
    for piece, tokens in ordered:
        shorter, took = (piece, tokens) if tokens <= left else _cut(piece, tokens, left)
        if shorter is not piece:
            reason = f"cut to {took} tokens, all that was left" if shorter else f"{left} tokens were left of {budget}"
            left_out.append(LeftOut(piece=piece.name, reason=reason, tokens=tokens - took))
        if shorter:
            told.append(shorter)
            left -= took
    return Composed(tuple(told), tuple(left_out), budget - left)


def _cut(piece: Piece, tokens: int, room: int) -> tuple[Piece | None, int]:
    """Return *piece* without the middle of its body, within *room* tokens, and what it takes; None if it can't be."""
    if not piece.cuts or room < CUT_TOKENS_MIN:
        return None, 0
    chars = len(piece.body) * room // tokens
    for _ in range(CUT_ROUNDS):
        shorter = replace(piece, body=clip(piece.body, chars), cut=True)
        if (took := shorter.tokens) <= room:
            return shorter, took
        chars = chars * 3 // 4
    return None, 0


def clip(text: str, chars: int) -> str:
    """Return the beginning and the end of *text*, *chars* in all; a line between them says what is missing."""
    if len(text) <= chars:
        return text
    head = chars // 2
    tail = chars - head
    gap = f"\n[… {len(text) - chars:,} of {len(text):,} characters left out …]\n"
    return f"{text[:head]}{gap}{text[len(text) - tail :] if tail else ''}"
