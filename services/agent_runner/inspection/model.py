"""What an inspection works on, and what it says."""

from dataclasses import dataclass, field
from typing import Literal

from obra.events import Finding
from obra.services.agent_runner.survey import readable

Weight = Literal["blocks", "tests", "shown"]
"""*blocks*: the work can't be accepted with it. *tests*: so it is unless the base's own tests pass. *shown*: a person
may want to know."""

DETAIL_CHARS_MAX = 300


@dataclass(frozen=True, slots=True)
class Touched:
    """One changed file with its text on both sides; None: not there, not a text, or too large to look at.

    ``path`` is where it is now, or was if it is deleted; ``origin`` where it was at the base, empty if it is new.
    """

    path: str
    origin: str = ""
    old: str | None = None
    new: str | None = None
    deleted: bool = False
    unread: bool = False

    @property
    def added_lines(self) -> list[tuple[int, str]]:
        """Return number and text of each line that the base does not have in this file."""
        known = set((self.old or "").splitlines())
        return [(n, line) for n, line in enumerate((self.new or "").splitlines(), 1) if line not in known]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something seen, before it is known how much it weighs."""

    kind: str
    detail: str
    path: str = ""
    weight: Weight = "blocks"

    def finding(self, *, blocks: bool) -> Finding:
        """Return it as it is told."""
        detail = readable(self.detail)[:DETAIL_CHARS_MAX]
        return Finding(kind=self.kind, detail=detail, path=readable(self.path), blocks=blocks)


@dataclass(frozen=True, slots=True)
class Licence:
    """How far the task itself asks for changed tests: not at all, by its sense, or in so many words."""

    level: Literal["none", "sense", "words"] = "none"


@dataclass(frozen=True, slots=True)
class Look:
    """What reading has shown, and what of the base must be put back to run its own tests.

    ``restore`` are paths as they were at the base, ``remove`` such as were added and can change how checks end;
    ``extra`` are added tests, which may depend on those. ``licence`` says whether the task asks for what was done
    to the tests.
    """

    suspicions: tuple[Suspicion, ...] = ()
    restore: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    licence: Licence = field(default_factory=Licence)

    @property
    def protects(self) -> bool:
        """Return whether the checks depend on files that the agent has touched."""
        return bool(self.restore or self.remove)
