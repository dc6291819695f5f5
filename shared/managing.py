"""The shell around a process manager: follow everything, decide one question at a time, append, settle."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import Generic
from uuid import UUID

from obra.events import Event
from obra.events.subjects import Scope, heard, name, parse
from obra.shared.bus import Bus, Consumer, Delivery, Raw
from obra.shared.envelope import Envelope, Recorded, Unknown, answer
from obra.shared.errors import ObraError, StaleAppend
from obra.shared.manager import Answer, Manager, State, Told
from obra.shared.service import NotItsBusiness, NotVisibleYet
from obra.shared.shell import Lease, Shell, leased

RACES_MAX = 20
RACE_PAUSE_S = 0.02
SIGHT_S = 10.0
"""How long an event that was delivered, or stored, may take to be seen on the way that the memory is filled."""


class LeaseOver(ObraError):
    """The lease of the event at {position} ended while it was being answered: whoever has it now answers it"""


class NotTakenIn(ObraError):
    """{service} said {event} in {scope} and would say the same again: its state did not take it in"""


@dataclass(eq=False)
class Memory(Generic[State]):
    """What happened up to ``position``: kept up to date by `keep`, which follows the stream.

    ``last`` is the position of the newest event by scope, ``roots`` the root cause by scope.
    """

    manager: Manager[State]
    state: State
    position: int = 0
    last: dict[Scope, int] = field(default_factory=dict)
    roots: dict[Scope, UUID] = field(default_factory=dict)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def kinds(self) -> frozenset[type[Event]]:
        """Return the events that are followed."""
        return frozenset((*self.manager.hears, *self.manager.says, *self.manager.follows))

    async def keep(self, bus: Bus) -> None:
        """Take in everything there is and everything that comes, without an end."""
        async with contextlib.aclosing(bus.follow(0, heard(self.kinds))) as raws:
            async for raw in raws:
                self._take(raw)
                self._moved.set()

    def _take(self, raw: Raw) -> None:
        scope, _ = parse(raw.subject)
        self.last[scope] = raw.position
        envelope = raw.envelope
        if envelope and not isinstance(envelope.event, Unknown):
            self.roots.setdefault(scope, envelope.correlation or envelope.id)
            told = Told(scope, envelope.event, envelope.at, raw.position, str(envelope.id))
            self.state = self.manager.evolve(self.state, told)
        self.position = raw.position

    async def reached(self, position: int, within_s: float | None = SIGHT_S) -> None:
        """Return once *position* was taken in; `NotVisibleYet` if that takes longer than *within_s*."""
        try:
            async with asyncio.timeout(within_s):
                while self.position < position:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError as error:
            raise NotVisibleYet(scope="the stream", position=self.position, asked=position) from error


@dataclass(eq=False)
class Managing(Generic[State]):
    """The shell around a manager.

    One question is out at a time, over all processes that read as this service, so decisions follow one another. Each
    answer is appended under the condition that nothing unknown happened in its scope, and taken in before the next is
    asked for. After a crash in between, the question comes again and only what is missing
    is said. A process whose lease has ended stores nothing more.
    """

    manager: Manager[State]
    lease_s: float = 30.0
    deliveries_max: int = 8
    grace_s: float = 5.0
    again_s: float = 0.2

    @property
    def name(self) -> str:
        """See `Service.name`."""
        return self.manager.name

    @property
    def hears(self) -> tuple[type[Event], ...]:
        """See `Service.hears`."""
        return self.manager.hears

    @property
    def says(self) -> tuple[type[Event], ...]:
        """See `Service.says`."""
        return self.manager.says

    @property
    def consumer(self) -> Consumer:
        """Return the durable group that this service reads as: one event at a time, over all readers."""
        return Consumer(
            self.name, self.hears, lease_s=self.lease_s, deliveries_max=self.deliveries_max, in_flight_max=1,
            ahead_max=1,
        )  # fmt: skip

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`. It begins to answer once the whole past is known."""
        memory = Memory(self.manager, self.manager.initial)
        keeping = asyncio.create_task(memory.keep(bus))
        working = asyncio.create_task(self._work(bus, memory, stop))
        try:
            await asyncio.wait([keeping, working], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (keeping, working):
                task.cancel()
            await asyncio.gather(keeping, working, return_exceptions=True)
        for task in (keeping, working):
            if not task.cancelled():
                task.result()

    async def _work(self, bus: Bus, memory: Memory[State], stop: asyncio.Event) -> None:
        caught_up = asyncio.create_task(memory.reached(await bus.last_position(heard(memory.kinds)), None))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([caught_up, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            caught_up.cancel()
            stopping.cancel()

        async def handle(bus: Bus, delivery: Delivery, stop: asyncio.Event) -> None:
            async with leased(delivery, self.lease_s) as lease:
                await self._answer(bus, memory, delivery.recorded, lease)
            await delivery.done()

        if not stop.is_set():
            await Shell(self.consumer, handle, 1, self.grace_s, self.again_s).run(bus, stop)

    async def _answer(self, bus: Bus, memory: Memory[State], question: Recorded, lease: Lease) -> None:
        envelope = question.envelope
        told = Told(envelope.scope, question.event, envelope.at, question.position, str(envelope.id))
        await memory.reached(question.position)
        races, before = 0, envelope.id
        while due := next(iter(self.manager.decide(memory.state, told)), None):
            said = self._envelope(envelope, due, memory)
            if said.id == before:
                raise NotTakenIn(service=self.name, event=name(due[1]), scope=".".join(said.scope))
            if lease.over:
                raise LeaseOver(position=question.position)
            reaching = question.position if said.scope == envelope.scope and not races else 0
            try:
                position = await self._append(bus, memory, said, reaching)
            except StaleAppend:
                races += 1
                if races == RACES_MAX:
                    raise
                await asyncio.sleep(RACE_PAUSE_S * (races - 1) * random.uniform(0.5, 1.0))
                continue
            races, before = 0, said.id
            await memory.reached(position)

    async def _append(self, bus: Bus, memory: Memory[State], said: Envelope, reaching: int) -> int:
        """Append *said* if the memory knows what happened in its scope; else bring it up to date, and `StaleAppend`."""
        past = await bus.past(said.scope, memory.last.get(said.scope, 0), reaching=reaching)
        missing = [r.position for r in past.events if r.position > memory.position and type(r.event) in memory.kinds]
        if missing:
            await memory.reached(missing[-1])
            raise StaleAppend(scope=".".join(said.scope), expected=missing[-1])
        return await bus.append([said], expected=past.position)

    def _envelope(self, question: Envelope, due: Answer, memory: Memory[State]) -> Envelope:
        """Return *due* as an envelope; in another scope it belongs to what began there."""
        scope, event = due
        if type(event) not in self.says:
            raise NotItsBusiness(service=self.name, event=name(event))
        root = memory.roots.get(scope) if scope != question.scope else None
        return answer(question, self.name, event, scope=scope, correlation=root)
