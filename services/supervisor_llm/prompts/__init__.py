"""What the LLM is told, as files: each prompt is named in the events by the hash of its text."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

REPAIR = "repair.md"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and what is said when the reply does not fit. ``sha256`` covers both."""

    name: str
    text: str
    repair_text: str
    sha256: str

    def system(self, mark: str) -> str:
        """Return the instructions, with the word that marks the fences."""
        return Template(self.text).substitute(mark=mark)

    def repair(self, problem: str) -> str:
        """Return what is added to the question after a reply that did not fit."""
        return Template(self.repair_text).substitute(problem=problem)


@cache
def load(name: str) -> Prompt:
    """Return the prompt called *name*."""
    text, repair = (files(__name__).joinpath(file).read_bytes() for file in (f"{name}.md", REPAIR))
    return Prompt(name, text.decode(), repair.decode(), hashlib.sha256(text + repair).hexdigest())
