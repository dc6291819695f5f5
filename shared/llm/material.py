"""Untrusted text on its way into a prompt: sized, cut visibly, and fenced."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

BYTES_PER_TOKEN = 3
"""An estimate on the safe side: code runs at 3 to 4 bytes a token, other scripts at about 3 bytes a character."""

FENCE_TOKENS = 40
GAP_BYTES_MAX = 64

Keep = Literal["head", "tail", "ends"]


@dataclass(frozen=True, slots=True)
class Section:
    """A named piece of material. ``share``: of what is left when its turn comes; ``keep``: if it must be cut."""

    name: str
    text: str
    share: float
    keep: Keep = "head"


def nonce(question: UUID, purpose: str) -> str:
    """Return the word that fences are marked with; who wrote the material could not know it."""
    return hashlib.sha256(f"{question}/{purpose}".encode()).hexdigest()[:16]


def estimate(text: str) -> int:
    """Return about how many tokens *text* is, rather too many than too few."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def fenced(sections: Sequence[Section], mark: str, tokens_max: int) -> str:
    """Return all *sections* within *tokens_max*, each between lines that bear *mark*.

    They take their share in order, and what one leaves is there for the next: so the last one, with share 1, gets
    all the room that remains.
    """
    left = tokens_max - FENCE_TOKENS * len(sections)
    blocks = []
    for section in sections:
        text = section.text.replace(mark, "[mark removed]")
        text = clip(text, max(int(left * section.share), 0) * BYTES_PER_TOKEN, section.keep)
        left -= estimate(text)
        blocks.append(f"<<<{section.name} {mark}\n{text}\n{mark} {section.name}>>>")
    return "\n\n".join(blocks)


def without(shown: str, names: Sequence[str]) -> str:
    """Return what `fenced` made, without the sections called *names*. No text inside of a fence can change that."""
    for name in names:
        shown = re.sub(rf"<<<{re.escape(name)} ([0-9a-z]+)\n.*?\n\1 {re.escape(name)}>>>", "", shown, flags=re.DOTALL)
    return shown


def clip(text: str, bytes_max: int, keep: Keep) -> str:
    """Return *text* within *bytes_max* bytes. Where it is cut, a line says how much is missing."""
    data = text.encode("utf-8", "replace")
    if len(data) <= bytes_max:
        return data.decode()
    room = max(bytes_max - GAP_BYTES_MAX, 0)
    gap = f"[… left out here: {len(data) - room:,} of {len(data):,} bytes …]"
    head, tail = {"head": (room, 0), "tail": (0, room), "ends": (room // 2, room - room // 2)}[keep]
    pieces = (
        data[:head].decode("utf-8", "ignore"),
        gap,
        data[len(data) - tail :].decode("utf-8", "ignore") if tail else "",
    )
    return "\n".join(piece for piece in pieces if piece)
