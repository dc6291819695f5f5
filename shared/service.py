"""What a service is, and the two kinds of them: those that think and those that act."""

import asyncio
import contextlib
import random
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol

from obra.events import Event
from obra.events.subjects import Scope, name
from obra.shared.bus import Bus, Consumer, Delivery, Past
from obra.shared.bus.content import is_small
from obra.shared.decider import Decider, State
from obra.shared.envelope import Envelope, Recorded, answer
from obra.shared.errors import ObraError, StaleAppend
from obra.shared.history import Undone, standing, turn
from obra.shared.shell import Shell, leased

SCOPES_MAX = 128
"""States that are kept, with all evidence of a run in them: a few times as many as tasks are in work at once."""

ROOM_PER_AHEAD = 16
"""A reader asks for one event ahead for each so many that it can work on at once, so that none waits in it."""

CHAIN_MAX = 8
"""Events that a service says one after the other without hearing the first."""

RACES_MAX = 6
RACE_PAUSE_S = 0.02


class Service(Protocol):
    """One of the seven. ``hears`` and ``says`` become its permissions on the bus."""

    @property
    def name(self) -> str:
        """Return its name, with dashes: `agent-runner`."""
        ...

    @property
    def hears(self) -> tuple[type[Event], ...]:
        """Return the events it is asked about."""
        ...

    @property
    def says(self) -> tuple[type[Event], ...]:
        """Return all it may publish."""
        ...

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Work until *stop* is set, then finish or return what is in hand and come back."""


class NotItsBusiness(ObraError):
    """{service} may not say {event}"""


class NotVisibleYet(ObraError):
    """The past of {scope} reaches {position}, but {asked} was delivered from it"""


@dataclass(frozen=True, slots=True)
class Memory(Generic[State]):
    """What counts of a scope's past up to ``position`` adds up to; ``turned``: its newest rollback."""

    position: int
    state: State
    turned: int = 0


@dataclass(eq=False)
class Thinking(Generic[State]):
    """The shell around a decider: load, fold, decide, append with the expected position, settle.

    Folded states of the ``scopes_max`` scopes used last are kept and brought up to date from the position they
    reached, so an answer costs as much as what is new; after a rollback the scope is folded anew, without what was
    undone, and nothing from before it is answered any more. Events of one scope are answered one after the other
    in the order in which they came; scopes don't wait for each other.
    """

    decider: Decider[State]
    lease_s: float = 30.0
    deliveries_max: int = 8
    concurrency: int = 64
    scopes_max: int = SCOPES_MAX
    grace_s: float = 5.0
    again_s: float = 0.2
    _memories: "OrderedDict[Scope, Memory[State]]" = field(default_factory=OrderedDict)
    _turns: "weakref.WeakValueDictionary[Scope, asyncio.Lock]" = field(default_factory=weakref.WeakValueDictionary)

    @property
    def name(self) -> str:
        """See `Service.name`."""
        return self.decider.name

    @property
    def hears(self) -> tuple[type[Event], ...]:
        """See `Service.hears`."""
        return self.decider.hears

    @property
    def says(self) -> tuple[type[Event], ...]:
        """See `Service.says`."""
        return self.decider.says

    @property
    def consumer(self) -> Consumer:
        """Return the durable group that this service reads as."""
        return Consumer(self.name, self.hears, lease_s=self.lease_s, deliveries_max=self.deliveries_max)

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`."""
        await Shell(self.consumer, self._answer, self.concurrency, self.grace_s, self.again_s).run(bus, stop)

    async def _answer(self, bus: Bus, delivery: Delivery, stop: asyncio.Event) -> None:
        scope = delivery.recorded.envelope.scope
        turn = self._turns.setdefault(scope, asyncio.Lock())
        async with turn:
            reaching = delivery.recorded.position
            for race in range(RACES_MAX):
                try:
                    await self._decide(bus, delivery.recorded, reaching)
                    break
                except StaleAppend:
                    if race == RACES_MAX - 1:
                        raise
                    memory = self._memories.get(scope)
                    reaching = memory.position + 1 if memory else 0  # the past has come further than that
                    await asyncio.sleep(RACE_PAUSE_S * race * random.uniform(0.5, 1.0))
        await delivery.done()

    async def _decide(self, bus: Bus, question: Recorded, reaching: int) -> None:
        scope = question.envelope.scope
        try:
            memory = await self._recall(bus, scope, reaching)
            if memory.position < question.position:  # a replica that lags behind, or a past that has expired
                asked = question.position
                raise NotVisibleYet(scope=".".join(scope), position=memory.position, asked=asked)
            past_it = question.position < memory.turned
            events = () if past_it else self.decider.decide(memory.state, question.event)
        except Exception:
            self._memories.pop(scope, None)
            raise
        if not events:
            return
        first = answers(self.name, self.says, question.envelope, events)
        more = self._onwards(memory.state, first)
        if more:
            await bus.append_chain([*first, *more], expected=memory.position)
        else:
            await bus.append(first, expected=memory.position)

    def _onwards(self, state: State, said: Sequence[Envelope]) -> list[Envelope]:
        """Return what this service will answer to its own answer, and to that, for as long as each is one event.

        It would be asked for them as soon as the first is delivered; said at once, they cost no turn of their own.
        Whoever is asked in spite of that finds them in the past and adds nothing.
        """
        more: list[Envelope] = []
        while len(said) == 1 and type(said[0].event) in self.hears and len(more) < CHAIN_MAX and is_small(said[0]):
            state = self.decider.evolve(state, said[0].event)
            said = answers(self.name, self.says, said[0], self.decider.decide(state, said[0].event))
            more += said if len(said) == 1 else []
        return more

    async def _recall(self, bus: Bus, scope: Scope, reaching: int) -> Memory[State]:
        """Return the state of *scope* as of now, or of a position from *reaching* on, and keep it."""
        memory = self._memories.get(scope) or Memory(0, self.decider.initial)
        past = await bus.past(scope, memory.position, reaching=reaching)
        if past.position < memory.position or turn(past.events):  # another stream than before, or a rollback
            past = await bus.past(scope)
            memory = Memory(0, self.decider.initial, turn(past.events))
        state = self.decider.fold((recorded.event for recorded in standing(past.events)), memory.state)
        memory = self._memories[scope] = Memory(past.position, state, memory.turned)
        self._memories.move_to_end(scope)
        while len(self._memories) > self.scopes_max:
            self._memories.popitem(last=False)
        return memory


def answers(service: str, says: tuple[type[Event], ...], question: Envelope, events: Sequence[Event]) -> list[Envelope]:
    """Return *events* as what *service* answers to *question*; `NotItsBusiness` for what it did not declare."""
    for event in events:
        if type(event) not in says:
            raise NotItsBusiness(service=service, event=name(event))
    return [answer(question, service, event) for event in events]


@dataclass(frozen=True, slots=True)
class Call:
    """One event that an acting service works on.

    ``stop`` is set once the service is to end: finish soon, or be cancelled after its ``grace_s``.
    """

    bus: Bus
    recorded: Recorded
    deliveries: int
    stop: asyncio.Event
    service: str
    says: tuple[type[Event], ...]

    @property
    def scope(self) -> Scope:
        """Return the scope of the event."""
        return self.recorded.envelope.scope

    async def past(self, *, reaching: int = 0) -> Past:
        """Return everything that counts in the event's scope; `Undone` if it was rolled back after the event.

        *reaching* is as in `Bus.past`: with it, what this process knows may answer.
        """
        past = await self.bus.past(self.scope, reaching=reaching)
        if self.recorded.position < turn(past.events):
            raise Undone(position=self.recorded.position)
        return Past(past.position, standing(past.events))

    async def append(self, *events: Event, expected: int | None = None) -> int:
        """Append *events* as answers, all or none, and return the last one's position. See `Bus.append`.

        Their ids follow from the question and their content: appended again after a crash they are stored once.
        """
        envelopes = answers(self.service, self.says, self.recorded.envelope, events)
        return await self.bus.append(envelopes, expected=expected)

    async def append_chain(self, *events: Event, expected: int) -> int:
        """Append *events* as answers, one directly after the other; return the last one's position.

        See `Bus.append_chain`; ids are as in `append`.
        """
        envelopes = answers(self.service, self.says, self.recorded.envelope, events)
        return await self.bus.append_chain(envelopes, expected=expected)


@dataclass(eq=False)
class Acting:
    """The shell around what has effects: *handle* works on one event, for as long as it takes.

    Its lease is renewed while it works. When *handle* returns, the event is settled; when it raises, the event
    comes again, and after ``deliveries_max`` is a dead letter; `Undone` settles it too. Events are worked on side by
    side, up to ``concurrency`` in one process and ``in_flight_max`` over all; those of one scope too.
    """

    name: str
    hears: tuple[type[Event], ...]
    says: tuple[type[Event], ...]
    handle: Callable[[Call], Awaitable[None]]
    concurrency: int = 4
    lease_s: float = 30.0
    deliveries_max: int = 8
    grace_s: float = 10.0
    again_s: float = 0.5
    in_flight_max: int = 1_024

    @property
    def consumer(self) -> Consumer:
        """Return the durable group that this service reads as; a reader takes little more than it can begin at once."""
        return Consumer(
            self.name, self.hears, lease_s=self.lease_s, deliveries_max=self.deliveries_max,
            in_flight_max=self.in_flight_max, ahead_max=max(1, self.concurrency // ROOM_PER_AHEAD),
        )  # fmt: skip

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`."""
        await Shell(self.consumer, self._work, self.concurrency, self.grace_s, self.again_s).run(bus, stop)

    async def _work(self, bus: Bus, delivery: Delivery, stop: asyncio.Event) -> None:
        call = Call(bus, delivery.recorded, delivery.deliveries, stop, self.name, self.says)
        async with leased(delivery, self.lease_s):
            with contextlib.suppress(Undone):
                await self.handle(call)
        await delivery.done()
