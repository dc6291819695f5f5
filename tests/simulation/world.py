"""A whole Obra in memory: the four real deciders, scripted stand-ins for what acts, one seed for everything.

No clock, no I/O, no tasks: a log of events, and for each service a queue of what it still has to answer. Each step
picks a service and one of its next questions. Deliveries come double and out of order, answers are lost before
and after they are stored, runs crash, providers go away, people interfere and take back what was done. What one
seed did, it does again.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from obra.events import DecisionMade, Event, Policy, TaskRolledBack, TaskSubmitted
from obra.events.subjects import Scope
from obra.services.decider.decide import DECIDER as DECIDER_
from obra.services.planner.decide import planner
from obra.services.scorer.decide import DECIDER as SCORER
from obra.services.session_manager.decide import DECIDER as SESSION_MANAGER
from obra.shared.decider import Decider
from obra.shared.envelope import Recorded, fresh
from obra.shared.history import standing
from obra.shared.manager import EPOCH, Told
from tests.simulation.actors import ACTORS, TERMINAL, Plan

SCOPE = Scope("shop", "t1")
STEPS_MAX = 5_000
LOOK_OVER = ("timers", "planner")
"""Answer also what was asked before a rollback: a clock fires whatever was set, the planner knows all tasks at once."""

WINDOW = 3
"""A service answers one of its next so many questions: deliveries overtake each other that far."""


@dataclass
class World:
    """One task, one seed. ``play`` returns everything that happened."""

    seed: int
    plan: Plan = field(default_factory=Plan)
    log: list[Event] = field(default_factory=list)
    answered: set[tuple[int, str, str]] = field(default_factory=set)
    origins: list[tuple[int, str]] = field(default_factory=list)
    """For each event of the log, the index of what it answers (-1: nothing), and who says it."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        if self.plan == Plan():
            plan = Plan.drawn(self.random)
            asked = "none" if not plan.model and self.seed % 2 else plan.task.llm
            self.plan = replace(plan, task=msgspec.structs.replace(plan.task, llm=asked))
        self.thinkers: dict[str, Decider[Any]] = {
            "planner": planner(self.plan.policy).alone(SCOPE),
            "session-manager": SESSION_MANAGER,
            "scorer": SCORER,
            "decider": DECIDER_,
        }
        self.queues: dict[str, list[int]] = {name: [] for name in (*self.thinkers, *ACTORS)}

    def play(self) -> list[Event]:
        self._append([self.plan.task])
        for _ in range(STEPS_MAX):
            busy = [name for name, queue in self.queues.items() if queue]
            if not busy:
                return self.log
            self._step(self.random.choice(busy))
        raise AssertionError(f"seed {self.seed} does not end")

    def _step(self, name: str) -> None:
        queue = self.queues[name]
        at = queue.pop(self.random.randrange(min(WINDOW, len(queue))))
        if self.random.random() < self.plan.doubled:
            queue.append(at)
        if self.random.random() < self.plan.lost:
            queue.append(at)
            return
        answers = self._answers(name, at) if at >= self.turn or name in LOOK_OVER else []
        self._store(name, at, answers)
        if self.random.random() < self.plan.lost:
            queue.append(at)

    @property
    def turn(self) -> int:
        """Return where the newest rollback stands: nothing before it is answered any more."""
        return max((at for at, event in enumerate(self.log) if isinstance(event, TaskRolledBack)), default=0)

    def _answers(self, name: str, at: int) -> Sequence[Event]:
        question = self.log[at]
        if name == "planner":
            return self._planned(at)
        if name in self.thinkers:
            decider = self.thinkers[name]
            return decider.decide(decider.fold(counting(self.log)), question)
        act: Callable[..., Sequence[Event]] = ACTORS[name][1]
        return act(self.log if name == "regret" else counting(self.log), question, self.plan, self.random)

    def _planned(self, at: int) -> Sequence[Event]:
        """Return what the planner answers, which sees everything that happened, undone or not."""
        manager = planner(self.plan.policy)
        told = [Told(SCOPE, event, EPOCH, position) for position, event in enumerate(self.log, 1)]
        return [event for scope, event in manager.decide(manager.fold(told), told[at]) if scope == SCOPE]

    def _store(self, name: str, question: int, answers: Sequence[Event]) -> None:
        """Store what is new: an answer's id is derived from question, service and content."""
        fresh = [a for a in answers if (question, name, repr(a)) not in self.answered]
        self.answered |= {(question, name, repr(a)) for a in fresh}
        self._append(fresh, (question, name))

    def _append(self, events: Sequence[Event], origin: tuple[int, str] = (-1, "")) -> None:
        for event in events:
            self.log.append(event)
            self.origins.append(origin)
            for name, queue in self.queues.items():
                kinds = self.thinkers[name].hears if name in self.thinkers else ACTORS[name][0]
                if isinstance(event, kinds):
                    queue.append(len(self.log) - 1)


def counting(log: Sequence[Event]) -> Sequence[Event]:
    """Return what counts of *log*, whose first event has position 1."""
    if not any(isinstance(event, TaskRolledBack) for event in log):
        return log
    past = [Recorded(at, fresh(Scope("p", "t"), event, "")) for at, event in enumerate(log, 1)]
    return [recorded.event for recorded in standing(past)]


def terminals(log: Sequence[Event]) -> list[Event]:
    return [event for event in log if isinstance(event, TERMINAL)]


def by_hand(task: TaskSubmitted, policy: Policy | None = None, **plan: Any) -> list[Event]:
    """Play one task without any disturbance but what *plan* says."""
    calm = Plan(task=task, policy=policy or Policy(), doubled=0, lost=0, **plan)
    return World(0, calm).play()


def actions(log: Sequence[Event]) -> list[str]:
    return [event.action for event in log if isinstance(event, DecisionMade)]
