"""The wording of prompts: templates that ship with the package, and their hashes."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from string import Template as Wording

BLOCK = re.compile(r"^%% (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Template:
    """A file of named blocks, each begun by a line ``%% name``; ``sha256`` is that of the whole file."""

    name: str
    sha256: str
    blocks: dict[str, Wording]

    def fill(self, block: str, **values: object) -> str:
        """Return the block with *values* put in. What they contain is not looked at again."""
        return self.blocks[block].substitute({name: str(value) for name, value in values.items()})


def load(name: str) -> Template:
    """Return the template of that file name in this package."""
    text = files(__name__).joinpath(name).read_text("utf-8")
    _, *parts = BLOCK.split(text)
    blocks = {block: Wording(body.rstrip("\n")) for block, body in zip(parts[::2], parts[1::2], strict=True)}
    return Template(name=name, sha256=hashlib.sha256(text.encode()).hexdigest(), blocks=blocks)


ATTEMPT = load("attempt.md")
