"""What changed in a task between two positions: its state, what was decided, and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from obra.events import AttemptStarted, DecisionMade
from obra.events.subjects import Scope
from obra.shared.envelope import Recorded
from obra.shared.errors import EnvironmentLacks
from obra.shared.git import LONG_S, Git, GitFailed
from obra.shared.history import standing, until
from obra.shared.home import Home
from obra.shared.rollback import tree_of
from obra.shared.story import Story, fold

FIELDS = (
    "status", "attempts", "decision", "reasons", "quality", "confidence", "branch", "commit", "cost_usd", "agent",
    "llm", "sandbox",
)  # fmt: skip
KINDS = {"A": "added", "M": "modified", "D": "deleted", "T": "type"}
QUIET = ("--no-ext-diff", "--no-textconv", "--no-renames")


@dataclass(frozen=True, slots=True)
class Point:
    """A task at a position: its story, and the commit whose tree its workspace had, empty for the base itself."""

    position: int
    story: Story
    commit: str
    base: str

    @property
    def tree(self) -> str:
        """Return the commit of its files; empty where the repository had none."""
        return self.commit or self.base


@dataclass(frozen=True, slots=True)
class Changed:
    """One file that differs: ``added`` and ``deleted`` are lines, -1 for a binary file."""

    path: str
    kind: str
    added: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Difference:
    """From one point to another. ``problem`` says why files can't be compared here; ``patch`` is as git shows it."""

    before: Point
    after: Point
    decisions: tuple[tuple[int, DecisionMade], ...]
    files: tuple[Changed, ...]
    patch: str
    problem: str = ""

    @property
    def state(self) -> dict[str, tuple[Any, Any]]:
        """Return each field of the story that differs, as it was and as it is."""
        pairs = {name: (getattr(self.before.story, name), getattr(self.after.story, name)) for name in FIELDS}
        tokens = [point.story.tokens for point in (self.before, self.after)]
        pairs["tokens"] = (tokens[0].input + tokens[0].output, tokens[1].input + tokens[1].output)
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def point(past: Sequence[Recorded], position: int) -> Point:
    """Return the task whose whole past is *past* as it was at *position*."""
    before = until(past, position)
    checkpoint = tree_of(standing(before))
    bases = [r.event.base for r in past if isinstance(r.event, AttemptStarted) and r.event.workspace]
    return Point(position, fold(before), checkpoint.commit if checkpoint else "", bases[0] if bases else "")


def compare(home: Home, scope: Scope, past: Sequence[Recorded], a: int, b: int) -> Difference:
    """Return what changed between positions *a* and *b*. Blocking: it asks git for the files."""
    before, after = point(past, a), point(past, b)
    low, high = sorted((a, b))
    decisions = tuple(
        (recorded.position, recorded.event)
        for recorded in standing(until(past, high))
        if isinstance(recorded.event, DecisionMade) and recorded.position > low
    )
    try:
        files, patch = _files(home, scope, before, after)
    except EnvironmentLacks as error:
        return Difference(before, after, decisions, (), "", str(error))
    return Difference(before, after, decisions, files, patch)


def _files(home: Home, scope: Scope, before: Point, after: Point) -> tuple[tuple[Changed, ...], str]:
    if before.tree == after.tree:
        return (), ""
    where = home.checkpoints(scope)
    if not where.is_dir():
        raise EnvironmentLacks(problem=f"the checkpoints of {scope.task} are not on this machine ({where})")
    git = Git(git_dir=where)
    try:
        empty = "" if before.tree and after.tree else git.run("mktree").text
        ends = (before.tree or empty, after.tree or empty)
        kinds = git.run("diff-tree", "-r", "-z", "--name-status", *QUIET, *ends, timeout_s=LONG_S).out
        counts = git.run("diff-tree", "-r", "-z", "--numstat", *QUIET, *ends, timeout_s=LONG_S).out
        patch = git.run("diff-tree", "-r", "-p", *QUIET, *ends, timeout_s=LONG_S).out
    except GitFailed as error:
        raise EnvironmentLacks(problem=f"the checkpoints of {scope.task} can't be compared: {error.reason}") from error
    return _changed(kinds, counts), patch.decode(errors="replace")


def _changed(kinds: bytes, counts: bytes) -> tuple[Changed, ...]:
    fields = kinds.decode(errors="backslashreplace").split("\0")[:-1]
    kind_of = dict(zip(fields[1::2], fields[::2], strict=True))
    found = []
    for line in counts.decode(errors="backslashreplace").split("\0")[:-1]:
        added, deleted, path = line.split("\t", 2)
        numbers = (-1, -1) if added == "-" else (int(added), int(deleted))
        found.append(Changed(path, KINDS.get(kind_of[path], "modified"), *numbers))
    return tuple(found)


def as_json(difference: Difference, *, patch: bool) -> dict[str, Any]:
    """Return *difference* as one JSON object, with the patch if it is wanted."""
    before, after = difference.before, difference.after
    return {
        "task": after.story.task or before.story.task,
        "project": after.story.project or before.story.project,
        "from": {"position": before.position, "commit": before.tree, "status": before.story.status},
        "to": {"position": after.position, "commit": after.tree, "status": after.story.status},
        "state": {name: {"from": was, "to": now} for name, (was, now) in difference.state.items()},
        "decisions": [
            {"position": position, "action": made.action, "attempt": made.attempt, "reasons": list(made.reasons)}
            for position, made in difference.decisions
        ],
        "files": [
            {"path": file.path, "kind": file.kind, "added": file.added, "deleted": file.deleted}
            for file in difference.files
        ],
        "problem": difference.problem,
    } | ({"patch": difference.patch} if patch else {})
