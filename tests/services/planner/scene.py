"""A planner at work on many tasks, without a bus: what is said is taken in and answered, one question at a time."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from obra.events import Event, Policy, TaskReadied, TaskSubmitted
from obra.events.subjects import Scope, name
from obra.services.planner.decide import planner
from obra.services.planner.state import State
from obra.shared.manager import Manager, Told

PROJECT = "shop"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def scope(task: str) -> Scope:
    """Return the scope of `t1`, or of `other/t1` in another project."""
    project, _, task = task.rpartition("/")
    return Scope(project or PROJECT, task)


def wish(**fields: object) -> TaskSubmitted:
    return TaskSubmitted(**{"text": "add a flag", "repo": "/r", "checks": ("pytest -q",)} | fields)  # type: ignore[arg-type]


@dataclass
class Scene:
    """``log`` is all that was said; ``asked`` what still waits for an answer."""

    policy: Policy = field(default_factory=lambda: Policy(tasks_max=2))
    log: list[Told] = field(default_factory=list)
    asked: deque[Told] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.manager: Manager[State] = planner(self.policy)
        self.state = self.manager.initial

    def hear(self, task: str, event: Event) -> None:
        """Take in an event, and note it as a question if it is one."""
        position = len(self.log) + 1
        told = Told(scope(task), event, NOON + timedelta(seconds=position), position)
        self.log.append(told)
        self.state = self.manager.evolve(self.state, told)
        if isinstance(event, self.manager.hears):
            self.asked.append(told)

    def answer(self, question: Told) -> list[tuple[str, Event]]:
        """Answer one question as the shell does; asked again there is nothing to add."""
        said: list[tuple[str, Event]] = []
        while found := list(self.manager.decide(self.state, question)):
            where, event = found[0]
            assert isinstance(event, self.manager.says)
            task = where.task if where.project == PROJECT else "/".join(where)
            self.hear(task, event)
            said.append((task, event))
            rest = list(self.manager.decide(self.state, question))
            assert rest == found[1:], "what was announced is what follows"
        return said

    def settle(self) -> list[tuple[str, Event]]:
        """Answer everything there is to answer, in order, and return all that was said."""
        said: list[tuple[str, Event]] = []
        while self.asked:
            said += self.answer(self.asked.popleft())
        return said

    def when(self, task: str, event: Event) -> list[str]:
        """Take in an event and settle; return what was said as `t1 task.readied`."""
        self.hear(task, event)
        return [f"{where} {name(what)}" for where, what in self.settle()]

    def only(self, task: str, kind: type[Event]) -> Event:
        """Return the newest event of *kind* of a task."""
        return next(t.event for t in reversed(self.log) if t.scope == scope(task) and isinstance(t.event, kind))

    def readied(self) -> list[str]:
        return [told.scope.task for told in self.log if isinstance(told.event, TaskReadied)]
