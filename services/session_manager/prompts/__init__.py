"""The wording of prompts: versioned templates that ship with the package, and their hashes.

A template that is changed becomes a new file with the next number, so that its name and its hash always agree.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template as Wording

BLOCK = re.compile(r"^%% (\w+)\n", re.MULTILINE)
PIECES = "pieces-1"
NEWEST = {"hybrid": "hybrid-1", "plain": "plain-1"}
"""The templates that can be asked for, each with its newest version."""

DEFAULT = "hybrid"


@dataclass(frozen=True, slots=True)
class Template:
    """Named blocks, each begun by a line ``%% name``: those of its own file, and of the pieces that all share.

    ``sha256`` is that of both files.
    """

    name: str
    sha256: str
    blocks: dict[str, Wording]

    def fill(self, block: str, **values: object) -> str:
        """Return the block with *values* put in. What they contain is not looked at again."""
        return self.blocks[block].substitute({name: str(value) for name, value in values.items()})

    @property
    def structured(self) -> bool:
        """Return whether it states facts as JSON between tags, and its text between others."""
        return "METADATA" in self.blocks["prompt"].template


@cache
def load(wanted: str) -> Template:
    """Return the template called *wanted*, in its newest version or the one named; KeyError if there is none."""
    name = NEWEST.get(wanted, wanted)
    if name not in NEWEST.values():
        raise KeyError(wanted)
    own, pieces = (files(__name__).joinpath(f"{each}.md").read_text("utf-8") for each in (name, PIECES))
    return Template(name, hashlib.sha256((own + pieces).encode()).hexdigest(), {**_blocks(pieces), **_blocks(own)})


def pick(task: str, policy: str) -> Template:
    """Return the template that the *task* asks for, else the *policy*; the default where that is none that exists."""
    known = next((name for name in (task, policy) if name in NEWEST or name in NEWEST.values()), DEFAULT)
    return load(known)


def _blocks(text: str) -> dict[str, Wording]:
    _, *parts = BLOCK.split(text)
    return {block: Wording(body.rstrip("\n")) for block, body in zip(parts[::2], parts[1::2], strict=True)}
