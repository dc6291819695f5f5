"""What the planner remembers: every task's place in line, every project's lane, every goal."""

from typing import Any, Literal

import msgspec
from msgspec.structs import replace
from rpds import HashTrieMap

from obra.events import Calibration, Complexity, Policy
from obra.events.subjects import Scope
from obra.services.planner.goal import Goal
from obra.shared.heap import Heap
from obra.shared.problems import NEVER

Status = Literal[
    "new", "blocked", "queued", "running", "person", "completed", "failed", "cancelled", "rejected"
]  # fmt: skip
"""*new* was submitted and not answered, *blocked* waits for other tasks or for a word on a milestone, *queued* for
its turn, *running* takes a place among those in work, *person* waits for somebody and takes none; the others are
ends."""

ENDED: frozenset[Status] = frozenset({"completed", "failed", "cancelled", "rejected"})
LOST: frozenset[Status] = ENDED - {"completed"}

Urgency = tuple[int, float, int]
"""Priority negated, deadline, place: the least goes first."""


def _nothing() -> "HashTrieMap[Any, Any]":
    return HashTrieMap()


class Item(msgspec.Struct, frozen=True):
    """One task in line. ``place`` is the position of its submission, ``held`` what it was last said to wait for.

    ``past`` tells what it was from each position on at which its status changed, so that a rollback can return to
    it. ``again``: it was returned to before it was readied, and comes into line anew if a person wants it to.
    """

    place: int = 0
    status: Status = "new"
    priority: int = 5
    deadline: float = NEVER
    due: str = ""
    after: tuple[str, ...] = ()
    goal: str = ""
    repo: str = ""
    base: str = ""
    policy: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    size: Complexity = msgspec.field(default_factory=Complexity)
    held: str = ""
    timed: bool = False
    late: bool = False
    branch: str = ""
    commit: str = ""
    why: str = ""
    again: bool = False
    past: "tuple[tuple[int, Item], ...]" = ()

    def at(self, position: int) -> "Item":
        """Return what it was at *position*: new, where nothing is known of then."""
        known = next((item for since, item in reversed(self.past) if since <= position), None)
        return known or replace(self, status="new", held="", again=False)

    @property
    def urgency(self) -> Urgency:
        """Return what decides whose turn it is."""
        return (-self.priority, self.deadline, self.place)


class Lane(msgspec.Struct, frozen=True):
    """One project: who waits for a turn, by urgency and by age; how many are in work; how many ever started.

    The first of each heap is always a task that is queued; behind it there may be some that are not any more.
    ``misfires`` are the tasks that failed in a row for reasons outside of them, ``misfire`` the newest such reason.
    """

    urgent: Heap[tuple[int, float, int, str]] | None = None
    oldest: Heap[tuple[int, str]] | None = None
    running: int = 0
    starts: int = 0
    paused: bool = False
    why: str = ""
    misfires: int = 0
    misfire: str = ""


class State(msgspec.Struct, frozen=True):
    """Everything, over all projects. Nothing here is ever walked through whole: a decision costs what it touches.

    ``dependents`` are the held tasks that grow from a task, ``busy`` the projects in which somebody queues.
    """

    policy: Policy = msgspec.field(default_factory=Policy)
    calibration: Calibration = msgspec.field(default_factory=Calibration)
    candidate: Policy | None = None
    tasks: "HashTrieMap[Scope, Item]" = msgspec.field(default_factory=_nothing)
    dependents: "HashTrieMap[Scope, tuple[Scope, ...]]" = msgspec.field(default_factory=_nothing)
    lanes: "HashTrieMap[str, Lane]" = msgspec.field(default_factory=_nothing)
    busy: frozenset[str] = frozenset()
    running: int = 0
    goals: "HashTrieMap[Scope, Goal]" = msgspec.field(default_factory=_nothing)

    def lane(self, project: str) -> Lane:
        """Return the lane of *project*."""
        return self.lanes.get(project) or Lane()

    def item(self, project: str, task: str) -> Item | None:
        """Return a task of *project* by its id."""
        return self.tasks.get(Scope(project, task))


def open_dependencies(state: State, scope: Scope, item: Item) -> tuple[Scope, ...]:
    """Return the tasks that *item* waits for and that are not completed."""
    others = (Scope(scope.project, name) for name in item.after)
    return tuple(other for other in others if not ((it := state.tasks.get(other)) and it.status == "completed"))
