"""Does the work still do what the base does? Where behaviour is to stay, the base knows the right answers.

The calls of the checks are made altered on the work and on the code of the base, there twice: what is not the same
both times depends on more than what it is given.
"""

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from obra.services.agent_runner.probe.alter import Trial
from obra.services.agent_runner.probe.calls import Call, Subject
from obra.services.agent_runner.probe.judge import Came
from obra.services.agent_runner.probe.run import Job, Outputs, Probed
from obra.services.agent_runner.probe.vary import variations

DIFFERING_MIN, REL_TOL = 2, 1e-9
MOST, PROGRAM_MOST = 90, 12
STAYS = re.compile(
    r"\bbehaviou?rs?\b[^.\n]{0,40}\b"
    r"(?:stays?|unchanged|the same|(?:not|never) change|as (?:it is|before)|kept|identical)\b"
    r"|\bno behaviou?rs?\b[^.\n]{0,20}\bchang"
    r"|\bwithout (?:any )?chang\w*[^.\n]{0,20}\b(?:behaviou?r|results?|outputs?)\b"
    r"|\b(?:same|identical) (?:results?|outputs?|behaviou?r)\b|\b(?:keep|preserv)\w* (?:\w+ ){0,2}behaviou?r",
    re.IGNORECASE,
)
"""Words of a task that say so."""

RESHAPES = re.compile(r"^\W*(?:refactor|performance|speed ?up|optimi[sz]e|annotate|add type)\w*\b", re.IGNORECASE)
BUT = re.compile(
    r"\b(?:except|but|apart from|other than|now|instead|fix\w*|bugs?|wrong|no longer|rais\w+|reject\w*)\b",
    re.IGNORECASE,
)
"""Words after which something may well behave otherwise."""

Find = Callable[[str], Sequence[str]]
"""The paths of Python files of the base that define a function of that name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the calls of one subject. ``differing`` are those that gave ``before`` at the base."""

    compared: int = 0
    differing: tuple[tuple[Came, str], ...] = ()

    @property
    def otherwise(self) -> bool:
        """Return whether the work does something else than the base, and not by an accident."""
        return len(self.differing) >= DIFFERING_MIN


def stays(text: str) -> bool:
    """Return whether a task wants what is there to behave as it does, in so many words or by its sense."""
    sentences = re.split(r"(?<=[.!?;])\s+|\n+", text)
    if any(STAYS.search(each) and not BUT.search(each) for each in sentences):
        return True
    return bool(RESHAPES.search(text)) and not BUT.search(text)


def at_base(seen: Probed, root: str, find: Find) -> Subject | None:
    """Return the same function or program as the base has it; None where that isn't known.

    *root* is the workspace, which holds the base's files then.
    """
    subject = seen.subject
    path = subject.file.removeprefix(f"{root}/")
    homes = find(subject.name if subject.kind == "python" else "")
    if path in homes:
        return subject
    if subject.kind != "python" or len(homes) != 1:
        return None
    modules = [_module(f"{root}/{homes[0]}", entry) for entry in subject.path]
    named = next(filter(None, modules), "")
    return replace(subject, file=f"{root}/{homes[0]}", module=named) if named else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The calls of one subject that are made on the work, and twice on the base."""

    subject: Subject
    before: Subject
    calls: tuple[Call, ...]
    varied: tuple[Trial, ...]

    @property
    def now(self) -> Job:
        """Return what to call as the work has it: what the checks called, and that altered."""
        return self.subject, (*self.calls, *(trial.call for trial in self.varied))

    @property
    def then(self) -> Job:
        """Return the same for the base."""
        return self.before, self.now[1]


def comparison(seen: Probed, root: str, find: Find, seed: str) -> Comparison | None:
    """Return what to compare of a subject, if the base has it and its answers depend on nothing but their input."""
    before = at_base(seen, root, find)
    if before is None or not seen.calls or seen.settled < len(seen.calls):
        return None
    most = PROGRAM_MOST if seen.subject.kind == "program" else MOST
    return Comparison(seen.subject, before, seen.calls, tuple(variations(seen.calls, seed, most)))


def _module(path: str, entry: str) -> str:
    """Return the name under which a file is imported from a place on Python's path; empty if it isn't there."""
    if not entry or not path.startswith(f"{entry.rstrip('/')}/"):
        return ""
    parts = PurePosixPath(path.removeprefix(f"{entry.rstrip('/')}/")).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def kept(of: Comparison, now: Outputs, once: Outputs, again: Outputs) -> Kept:
    """Compare what the work gives with what the base gives, both times.

    Where the checks' own calls come to something else at the base, the task changed behaviour after all.
    """
    known = {at: said for at, said in once.items() if said is not None and again.get(at) == said}
    if any(not same(known.get(at), call.output) for at, call in enumerate(of.calls)):
        return Kept()
    pairs = [
        (Came(trial, output), before)
        for at, trial in enumerate(of.varied, len(of.calls))
        if (output := now.get(at)) is not None and (before := known.get(at)) is not None
    ]
    return Kept(len(pairs), tuple((came, before) for came, before in pairs if not same(before, came.output)))


def same(one: str | None, other: str | None) -> bool:
    """Return whether two answers are the same but for the order of a dict and the last digits of a number."""
    if one is None or other is None or one == other:
        return one == other
    try:
        return _same(ast.literal_eval(one), ast.literal_eval(other))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False


def _same(one: object, other: object) -> bool:
    match one, other:
        case float() | int(), float() | int():
            return one == other or math.isclose(one, other, rel_tol=REL_TOL)
        case [*these], [*those] if type(one) is type(other):
            return len(these) == len(those) and all(_same(*pair) for pair in zip(these, those, strict=True))
        case dict(), dict():
            return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
        case _:
            return one == other
