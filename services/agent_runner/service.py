"""The service: hears what is to be run and what is to be delivered."""

import asyncio
import os
import socket
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import get_args
from uuid import uuid4

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptStarted,
    BaseChecked,
    BranchDelivered,
    BranchRefused,
    BreakpointRaised,
    ChecksRan,
    DecisionMade,
    Event,
    GoalCompleted,
    GoalFailed,
    ProjectPaused,
    QuestionAsked,
    ServiceDegraded,
    TaskCancelled,
    TaskCompleted,
    TaskLabelled,
    TaskReadied,
    TaskRolledBack,
    WorkspaceCheckpointed,
    WorkspaceHandedOver,
    WorkspaceInspected,
    WorkspaceProbed,
    WorkspaceRestored,
)
from obra.events.subjects import Scope
from obra.events.task import TaskEnd
from obra.services.agent_runner import hidden
from obra.services.agent_runner.adapters import claude
from obra.services.agent_runner.back import roll_back
from obra.services.agent_runner.deliver import Refused, deliver
from obra.services.agent_runner.handover import hand_over
from obra.services.agent_runner.ledger import Fenced, Ledger
from obra.services.agent_runner.making import pin
from obra.services.agent_runner.notify import notify
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.runner import Attempt
from obra.services.agent_runner.sandbox import choose
from obra.services.agent_runner.spares import Spares
from obra.services.agent_runner.state import NAME
from obra.services.agent_runner.survey import WorkspaceLost
from obra.services.agent_runner.tools import Stopped, Tools
from obra.services.agent_runner.watch import Watch
from obra.services.agent_runner.workspace import find, prepare
from obra.shared.bus import Bus
from obra.shared.config import Settings
from obra.shared.errors import BusUnavailable
from obra.shared.exclusive import exclusive
from obra.shared.git import GitFailed, stop_all
from obra.shared.home import Home
from obra.shared.log import get_logger
from obra.shared.service import Acting, Call, Service

ENDS = (*get_args(TaskEnd), GoalCompleted, GoalFailed)
HEARS: tuple[type[Event], ...] = (
    BreakpointRaised,
    QuestionAsked,
    ProjectPaused,
    TaskReadied,
    AttemptRequested,
    DecisionMade,
    TaskRolledBack,
    *ENDS,
)
SAYS: tuple[type[Event], ...] = (
    AttemptStarted, AgentExited, WorkspaceCheckpointed, WorkspaceRestored, WorkspaceInspected, WorkspaceProbed,
    ChecksRan, BaseChecked, AttemptFinished, AttemptInterrupted, BranchDelivered, BranchRefused, WorkspaceHandedOver,
    ServiceDegraded, TaskLabelled,
)  # fmt: skip

INSPECTING = ("obra.services.agent_runner.inspecting", "obra.services.agent_runner.probing")
"""A hundred patterns, 45 ms: made ready while nobody waits."""

IN_HAND_MAX = 256
"""Attempts that run or wait for their turn here, and deliveries, which never wait for an agent."""

LEASE_S = 30.0

log = get_logger(NAME)


def service(settings: Settings, home: Home) -> Service:
    """Return the runner of agents; it works below *home*."""
    return AgentRunner(settings, home)


class AgentRunner(Acting):
    """Prepares a workspace when a task is readied, runs agents in it, delivers what was accepted."""

    def __init__(self, settings: Settings, home: Home) -> None:
        super().__init__(
            name=NAME, hears=HEARS, says=SAYS, handle=self._handle, concurrency=IN_HAND_MAX, lease_s=LEASE_S
        )
        self._settings, self._home = settings, home
        self._runner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._agents = asyncio.Semaphore(settings.agent.concurrency)
        self._turns: weakref.WeakValueDictionary[Scope, asyncio.Lock] = weakref.WeakValueDictionary()
        self._watch = Watch()

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """See `Service.run`."""
        threads = ThreadPoolExecutor(2 * self._settings.agent.concurrency + 4, thread_name_prefix=NAME)
        spares = Spares(self._home)
        self._tools = Tools(self._settings, self._home, self._runner, threads, spares)
        after = await bus.last_position()
        helpers = [
            asyncio.create_task(self._watch.follow(bus, after)),
            asyncio.create_task(choose("auto", self._settings.sandbox, [self._home.root])),  # known when it is needed
            *(asyncio.create_task(asyncio.to_thread(import_module, module)) for module in INSPECTING),
            asyncio.create_task(asyncio.to_thread(spares.sweep)),
        ]
        working = asyncio.create_task(super().run(bus, stop))
        try:
            await asyncio.wait([working, helpers[0]], return_when=asyncio.FIRST_COMPLETED)
            if helpers[0].done() and not working.done():
                helpers[0].result()  # it never ends by itself: without it, nobody could stop an agent
        finally:
            for task in (working, *helpers):
                task.cancel()
            await asyncio.gather(*helpers, working, return_exceptions=True)
            stop_all()
            spares.close()
            threads.shutdown(wait=False)
        working.result()

    async def _handle(self, call: Call) -> None:
        try:
            match call.recorded.event:
                case BreakpointRaised() | QuestionAsked() | ProjectPaused():
                    await notify(call, self._settings.notify)
                case TaskReadied():
                    await self._prefetch(call)
                case AttemptRequested():
                    await self._attempt(call)
                case DecisionMade(action="proceed", attempt=attempt):
                    await self._deliver(call, attempt)
                case TaskRolledBack():
                    async with self._alone(call) as place:
                        await roll_back(self._tools, call, place)
                case end if isinstance(end, ENDS):
                    await self._ended(call, end)
        except Fenced as error:
            log.info("fenced", scope=".".join(call.scope), why=str(error))
        except Stopped:
            raise asyncio.CancelledError from None  # the shell returns the event, for the next runner

    async def _ended(self, call: Call, end: Event) -> None:
        """Do what is left to do for a task, or a goal, and let go of what its agent was given: it may hold keys."""
        if isinstance(end, TaskCancelled) and end.taken_over:
            await self._hand_over(call)
        if not isinstance(end, GoalCompleted | GoalFailed):
            await self._judge(call)
        given = self._home.environment(call.scope)
        async with exclusive(given.parent):  # a rollback that comes now leaves it once more, after this
            await call.past()
            given.unlink(missing_ok=True)
        if self._home.checkpoints(call.scope).is_dir():  # it was worked on here
            async with self._alone(call) as place:  # and its agent is gone
                await call.past()
                await self._tools.blocking(claude.forget, place.home)

    async def _prefetch(self, call: Call) -> None:
        """Make the workspace while the prompt is being written. What goes wrong, the attempt will say."""
        ledger = Ledger(call)
        await ledger.load()
        task, start = ledger.state.task, ledger.state.start
        if task is None or ledger.state.over:
            return
        async with self._alone(call) as place:
            if not ledger.state.runs and not (
                len(start) == 1 and self._tools.spares.take(place, Path(task.repo), *start)
            ):
                try:
                    await self._tools.blocking(prepare, place, Path(task.repo), *start)
                except WorkspaceLost as error:
                    log.info("no workspace yet", scope=".".join(call.scope), why=str(error))
                return
        if (made := find(place)) and made.base:  # a spare, or one that was taken just before a runner died
            try:
                await self._tools.blocking(pin, place, made.target)
            except GitFailed as error:  # the work is recorded all the same, unless git collects what it grows from
                log.warning("the base is not pinned", scope=".".join(call.scope), why=str(error))

    async def _attempt(self, call: Call) -> None:
        event = call.recorded.event
        assert isinstance(event, AttemptRequested)
        key = (event.attempt, event.run)
        with self._watch.over(call.scope, key) as signals:
            async with self._agents, self._alone(call) as place:
                ledger = Ledger(call)
                await ledger.load()
                if ledger.state.task is None or not ledger.state.wanted(key):
                    return
                if event.attempt in ledger.state.cancelled:
                    signals.cancel.set()
                attempt = Attempt(self._tools, call, ledger, place, signals)
                try:
                    await attempt.carry_on()
                except (Fenced, Stopped, BusUnavailable):
                    raise
                except Exception as error:
                    if call.deliveries < self.deliveries_max:
                        raise
                    log.exception("gives an attempt up", scope=".".join(call.scope), run=key)
                    await attempt.give_in(f"Obra could not go on with it: {type(error).__name__}: {error}")

    async def _judge(self, call: Call) -> None:
        """Run hidden checks on accepted work. They wait for their turn as an agent does."""
        if not isinstance(call.recorded.event, TaskCompleted):
            return
        ledger = Ledger(call)
        await ledger.load()
        if not hidden.due(ledger):
            return
        with self._watch.over(call.scope, ledger.state.newest) as signals:
            async with self._agents, self._alone(call) as place:
                await ledger.load(fresh=True)
                if hidden.due(ledger):
                    await hidden.judge(self._tools, ledger, place, signals)

    async def _deliver(self, call: Call, attempt: int) -> None:
        """Answer a decision to proceed. Files are not needed for it, so it waits for nobody."""
        ledger = Ledger(call)
        await ledger.load()
        state = ledger.state
        if state.task is None or state.over or attempt in state.delivered or ledger.answered:
            return
        accepted = state.accepted(attempt)
        workspace = find(Place.of(self._home, call.scope))
        answer: Event
        if accepted is None or workspace is None:
            reason = (
                "the attempt left nothing to deliver" if accepted is None else "its checkpoint is on another machine"
            )
            answer = BranchRefused(attempt=attempt, reason=reason)
        else:
            try:
                branch = await self._tools.blocking(deliver, workspace, accepted.commit, accepted.files_total)
            except Refused as error:
                answer = BranchRefused(attempt=attempt, reason=str(error))
            else:
                answer = BranchDelivered(attempt=attempt, branch=branch, commit=accepted.commit, base=accepted.base)
        await ledger.say(answer)

    async def _hand_over(self, call: Call) -> None:
        """Give the work of a task to the person who took it, once its agent is gone. It is said after the end."""
        ledger = Ledger(call)
        async with self._alone(call) as place:
            await ledger.load(fresh=True)
            if not ledger.answered:
                bytes_max = self._settings.agent.workspace_bytes_max
                await call.append(await self._tools.blocking(hand_over, ledger.state, place, bytes_max))

    @asynccontextmanager
    async def _alone(self, call: Call) -> AsyncIterator[Place]:
        """Take a task's directory for oneself, against this process and every other on this machine."""
        turn = self._turns.setdefault(call.scope, asyncio.Lock())
        async with turn:
            place = Place.of(self._home, call.scope)
            async with place.alone(call.stop) as held:
                if not held or call.stop.is_set():  # whoever waited while the service was to end begins nothing
                    raise Stopped
                yield place
