"""Tests that were deleted, or that demand less or something else than they did at the base."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from obra.services.agent_runner.inspection import cases, lines
from obra.services.agent_runner.inspection.asked import Asked
from obra.services.agent_runner.inspection.cases import Case
from obra.services.agent_runner.inspection.model import Licence, Suspicion, Touched
from obra.services.agent_runner.inspection.paths import is_test, suffix

COLLECTED = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests?)\.py$")
ALIKE = 0.7
NAMES_SHOWN = 5


@dataclass
class Compared:
    """What became of the tests. ``strict`` is false once something was taken away that the task does not ask for."""

    suspicions: list[Suspicion] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)

    def add(self, kind: str, detail: str, path: str, *, allowed: bool, blocks: bool) -> None:
        """Note a loss: one that the task asks for is only shown."""
        weight = "shown" if allowed else "blocks" if blocks else "tests"
        self.suspicions.append(Suspicion(kind, detail, path, weight))  # type: ignore[arg-type]
        self.levels.append("words" if allowed else "none")

    @property
    def licence(self) -> Licence:
        """Return the least that any of the changes can rely on."""
        order = ("none", "sense", "words")
        return Licence(min(self.levels, key=order.index, default="none"))  # type: ignore[arg-type]


def compare(tests: Sequence[Touched], asked: Asked) -> Compared:
    """Hold every changed file of tests against its own past, and all of them together for what has only moved."""
    compared = Compared()
    python = [file for file in tests if suffix(file.path) == "py"]
    _python(python, asked, compared)
    _others([file for file in tests if suffix(file.path) != "py"], asked, compared)
    return compared


def _python(files: Sequence[Touched], asked: Asked, compared: Compared) -> None:
    olds = [(file, case) for file in files for case in _cases(file.old).values()]
    fresh = {case.name: case for file in files if _runs(file) for case in _cases(file.new).values()}
    by_name = {_bare(name): case for name, case in fresh.items()}
    known = {_bare(case.name) for _, case in olds}
    spare = [case for name, case in by_name.items() if name not in known]
    lost: dict[str, list[Case]] = {}
    troubled: set[str] = set()
    for file, old in olds:
        own = _cases(file.new) if _runs(file) else {}
        new = own.get(old.name) or by_name.get(_bare(old.name)) or _alike(old, spare)
        if new is None:
            lost.setdefault(file.origin, []).append(old)
        elif new.dump != old.dump or cases.weaker(old, new):
            troubled.add(file.path)
            _changed(file, old, new, asked, compared)
    for path, gone in lost.items():
        _lost(path, gone, asked, compared)
    for file in files:
        if file.old is not None and not any(case.dump for case in _cases(file.old).values()):
            compared.levels.append(_level(asked, f"{file.path}\n{_new_text(file)}", set()))
        elif file.old is not None and file.path not in troubled and file.origin not in lost:
            compared.levels.append("words" if asked.changes_tests else "sense" if asked.reshapes else "none")


def _changed(file: Touched, old: Case, new: Case, asked: Asked, compared: Compared) -> None:
    if how := cases.weaker(old, new):
        allowed = asked.removes_tests and asked.concerns(f"{old.name} {old.words}", file.origin)
        compared.add("tests_weakened", f"test `{old.name}` {how}", file.path, allowed=allowed, blocks=False)
        return
    values = set(new.literals - old.literals)
    gone = set(old.literals - new.literals)
    if not gone:
        compared.levels.append("sense" if asked.reshapes else _level(asked, f"{old.name}\n{old.words}", values))
        return
    expects = f"test `{old.name}` expects something else than before: {_shown(gone)} became {_shown(values)}"
    compared.suspicions.append(Suspicion("tests_weakened", expects, file.path, "tests"))
    compared.levels.append(_level(asked, f"{old.name}\n{old.words}\n{new.words}", values))


def _level(asked: Asked, text: str, values: set[str]) -> str:
    """Return how far the task asks for other expectations in *text*, which now holds *values*."""
    if values and asked.targets and not any(target in value for target in asked.targets for value in values):
        return "none"
    if asked.changes_tests:
        return "words"
    if not (asked.behaves and asked.about(text)):
        return "none"
    named = not asked.literals or not values or any(a in b or b in a for a in asked.literals for b in values if b)
    return "sense" if named else "none"


def _lost(path: str, gone: Sequence[Case], asked: Asked, compared: Compared) -> None:
    names = ", ".join(f"`{case.name}`" for case in gone[:NAMES_SHOWN]) + ("…" if len(gone) > NAMES_SHOWN else "")
    asks = asked.removes or asked.removes_tests
    allowed = asks and all(asked.concerns(f"{case.name} {case.words}", path) for case in gone)
    what = f"test {names} is gone" if len(gone) == 1 else f"{len(gone)} tests are gone: {names}"
    compared.add("tests_deleted", what, path, allowed=allowed, blocks=True)


def _others(files: Iterable[Touched], asked: Asked, compared: Compared) -> None:
    """Compare files that are not Python: tests of other languages, and what tests are made of."""
    files = list(files)
    everywhere = {name for file in files for name in lines.outline(file.new or "").names}
    for file in files:
        if file.old is None:
            if file.origin:
                compared.levels.append(_level(asked, file.path, set()))
            continue
        old, new = lines.outline(file.old), lines.outline(file.new or "")
        lost = sorted(old.names - everywhere)
        if lost or (file.deleted and old.demands and not old.names):
            asks = asked.removes or asked.removes_tests
            allowed = asks and all(asked.concerns(f"{file.origin} {name}", file.origin) for name in lost or [""])
            what = "tests are gone: " + ", ".join(lost[:NAMES_SHOWN]) if lost else "the tests in this file are gone"
            compared.add("tests_deleted", what, file.origin, allowed=allowed, blocks=True)
        elif suffix(file.path) not in ("json", "snap", "txt", "csv", "html", "md") and (how := lines.weaker(old, new)):
            compared.add("tests_weakened", f"the file {how}", file.path, allowed=False, blocks=False)
        else:
            gone = "\n".join(set(file.old.splitlines()) - set((file.new or "").splitlines()))
            if gone.strip():
                what = "tests, or what they compare with, were changed"
                compared.suspicions.append(Suspicion("tests_weakened", what, file.path, "tests"))
            values = set(re.findall(r"[\w.-]+", _new_text(file)))
            compared.levels.append(_level(asked, f"{file.path}\n{gone}\n{_new_text(file)}", values))


def _cases(text: str | None) -> dict[str, Case]:
    tree = cases.parsed(text) if text else None
    return cases.cases(tree) if tree else {}


def _runs(file: Touched) -> bool:
    """Return whether a runner still finds the file: at its old place, or under a name that is collected."""
    if file.deleted or not is_test(file.path):
        return False
    return file.path == file.origin or bool(COLLECTED.search(file.path)) or not COLLECTED.search(file.origin)


def _alike(old: Case, spare: Sequence[Case]) -> Case | None:
    """Return a new case that looks like *old* under another name."""
    for case in spare:
        whole = sum((old.literals | case.literals).values())
        if case.dump == old.dump or (whole > 1 and sum((old.literals & case.literals).values()) / whole >= ALIKE):
            return case
    return None


def _bare(name: str) -> str:
    return name.rsplit("::", 1)[-1]


def _new_text(file: Touched) -> str:
    return "\n".join(line for _, line in file.added_lines)


def _shown(values: set[str]) -> str:
    return ", ".join(repr(value)[:40] for value in sorted(values)[:3]) or "nothing"
