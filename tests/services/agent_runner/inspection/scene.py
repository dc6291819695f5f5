"""A change as the inspection sees it, without a repository."""

from collections.abc import Mapping

from obra.events import Finding
from obra.services.agent_runner.inspection import facts
from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.hard_coded import HardCoded
from obra.services.agent_runner.inspection.look import changed
from obra.services.agent_runner.inspection.model import Look, Touched
from obra.services.agent_runner.inspection.paths import words_of
from obra.services.agent_runner.inspection.protect import settled

TASK = "Write `total(lines)` in `invoice.py`."


def touched(old: Mapping[str, str], new: Mapping[str, str], moved: Mapping[str, str] | None = None) -> list[Touched]:
    """Return the files that differ; *moved* maps new paths to old ones."""
    moves = dict(moved or {})
    paths = (old.keys() | new.keys()) - set(moves.values())
    found = []
    for path in sorted(paths):
        origin = moves.get(path, path if path in old else "")
        if (before := old.get(origin)) != (after := new.get(path)) or origin != path:
            found.append(Touched(path, origin, before, after, deleted=after is None))
    return found


def looked(
    old: Mapping[str, str], new: Mapping[str, str], text: str = TASK, moved: Mapping[str, str] | None = None,
    checks: tuple[str, ...] = ("pytest -q",),
) -> Look:  # fmt: skip
    """Return what reading shows about tests and configuration."""
    return changed(touched(old, new, moved), [], Asked(text), checks)


def kinds(look: Look) -> list[tuple[str, str]]:
    """Return kind and weight of each suspicion."""
    return [(suspicion.kind, suspicion.weight) for suspicion in look.suspicions]


def hard_coded(
    old: Mapping[str, str], new: Mapping[str, str], tests: Mapping[str, str], text: str = TASK,
    checks: tuple[str, ...] = (),
) -> list[Finding]:  # fmt: skip
    """Return what is found in new programs, given the tests of the base."""
    words = {word for check in checks for word in words_of(check)}
    hard = HardCoded(touched(old, new), Asked(text), lambda: facts.gather(tests.items(), checks), (), words)
    return list(settled(Look(tuple(hard.suspicions())), blocks=True))
