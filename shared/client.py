"""The Python API, and what the command line itself uses: submit, watch, wait, resolve, ask.

    async with Orchestrator() as obra:
        result = await obra.run("add a --json flag", repo=".", checks=["pytest -q"])

An edge decides nothing: it publishes what a person wants and reads what happened.
"""

import asyncio
import contextlib
import getpass
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from obra.events import (
    BreakpointResolved,
    Content,
    Event,
    MessageRejected,
    TaskCancelled,
)
from obra.events.subjects import Scope
from obra.shared.bus import Bus, Raw
from obra.shared.config import Settings, home_of, load
from obra.shared.envelope import Recorded, fresh
from obra.shared.errors import BadUsage, EnvironmentLacks, StaleAppend
from obra.shared.home import Home, write_private
from obra.shared.story import Story, fold, result
from obra.shared.submission import Submission, prepare

if TYPE_CHECKING:
    from obra.shared.embedded.join import Joined
    from obra.shared.store.query import Table

EDGE = "edge"
OVER = frozenset({"completed", "failed", "cancelled", "rejected"})
TRIES_MAX = 5
Resolution = Literal["approve", "reject", "retry"]


class TaskUnknown(BadUsage):
    """There is no task {task!r} in project {project!r}."""


class TaskTaken(BadUsage):
    """Task {task!r} exists already in project {project!r}: choose another --task-id, or follow it with --resume."""


class NotWaiting(BadUsage):
    """Task {task!r} does not wait for a person: it is {status}."""


class AlreadyOver(BadUsage):
    """Task {task!r} is over already: it is {status}."""


class ObraGone(EnvironmentLacks):
    """The Obra that was joined has stopped; the task is kept: `obra run --resume {task}` goes on with it."""


class SubmissionRefused(BadUsage):
    """The submission of {task!r} could not be read: {reason}"""


class Client:
    """An edge's view of a bus: everything a person may do to tasks, and see of them."""

    def __init__(self, bus: Bus, home: Home) -> None:
        """Speak through *bus*; *home* gets the environment of submitted tasks."""
        self.bus = bus
        self.home = home

    async def submit(self, submission: Submission) -> int:
        """Publish the task and return its position; `TaskTaken` if its id is in use."""
        scope = submission.scope
        taken = TaskTaken(task=scope.task, project=scope.project)
        if (await self.bus.past(scope)).position:
            raise taken
        write_private(self.home.environment(scope), msgspec.json.encode(submission.environment))
        try:
            return await self.bus.append([fresh(scope, submission.event, EDGE)], expected=0)
        except StaleAppend as error:
            raise taken from error

    async def past(self, scope: Scope) -> tuple[Recorded, ...]:
        """Return everything that happened to the task; `TaskUnknown` if nothing did."""
        past = await self.bus.past(scope)
        if not past.events:
            raise TaskUnknown(task=scope.task, project=scope.project)
        return past.events

    async def story(self, scope: Scope) -> Story:
        """Return what the task's past adds up to; `TaskUnknown` if there is none."""
        return fold(await self.past(scope))

    async def watch(self, scope: Scope, after: int = 0) -> AsyncIterator[tuple[Recorded, Story]]:
        """Yield each event of the task after position *after* with the story so far, until it is settled.

        Settled means over, or waiting for a person, as of the newest event that there was when this began, or any
        later one.
        """
        past = await self.bus.past(scope)
        story = fold(r for r in past.events if r.position <= after)
        async with contextlib.aclosing(_events(self.bus, scope, after)) as events:
            async for recorded in events:
                story = fold([recorded], story)
                yield recorded, story
                if recorded.position >= past.position and settled(story):
                    return
                _refuse_unreadable(recorded, scope, past.position)

    async def resolve(self, scope: Scope, resolution: Resolution, note: str = "") -> int:
        """Say how a waiting task goes on; the first answer wins. `NotWaiting` if it doesn't wait (any more)."""
        event = BreakpointResolved(resolution=resolution, by=_person(), note=Content.of(note) if note else Content())

        def allowed(story: Story) -> None:
            if story.status != "waiting":
                raise NotWaiting(task=scope.task, status=story.status)

        return await self._answer(scope, event, allowed)

    async def cancel(self, scope: Scope, reason: str = "") -> int:
        """Take the task back; `AlreadyOver` if it has ended."""

        def allowed(story: Story) -> None:
            if story.status in OVER:
                raise AlreadyOver(task=scope.task, status=story.status)

        return await self._answer(scope, TaskCancelled(reason=reason or f"cancelled by {_person()}"), allowed)

    async def _answer(self, scope: Scope, event: Event, allowed: Any) -> int:
        """Append *event* to a state of the task that allows it, which is checked again whenever it has moved."""
        envelope = fresh(scope, event, EDGE)
        for _ in range(TRIES_MAX):
            past = await self.bus.past(scope)
            if not past.events:
                raise TaskUnknown(task=scope.task, project=scope.project)
            allowed(fold(past.events))
            with contextlib.suppress(StaleAppend):
                return await self.bus.append([envelope], expected=past.position)
        raise EnvironmentLacks(problem=f"task {scope.task!r} keeps changing; try again")


def settled(story: Story) -> bool:
    """Return whether nothing more happens to the task by itself."""
    return story.status in OVER or story.status == "waiting"


async def _events(bus: Bus, scope: Scope, after: int) -> AsyncIterator[Recorded]:
    async with contextlib.aclosing(bus.follow(after, [scope.everything])) as raws:  # type: ignore[type-var]
        async for raw in raws:
            if raw.envelope:
                yield Recorded(raw.position, raw.envelope)


def _refuse_unreadable(recorded: Recorded, scope: Scope, until: int) -> None:
    """Raise if log-sink says that the submission itself can't be read: nobody will ever work on it."""
    if isinstance(recorded.event, MessageRejected) and recorded.event.position <= until:
        raise SubmissionRefused(task=scope.task, reason=recorded.event.reason)


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


class Orchestrator:
    """Obra from Python: finds the running one of a home, or starts it for as long as the block lasts.

    *home* defaults to OBRA_HOME, *settings* to what *config*, ``obra.toml`` and the environment say. ``start=False``
    raises `NotRunning` instead of starting anything.
    """

    joined: "Joined"
    client: Client

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        settings: Settings | None = None,
        config: Path | None = None,
        start: bool = True,
    ) -> None:
        """Remember where; nothing is read or started before the block is entered."""
        self.home = Home(Path(home).expanduser().absolute() if home else home_of())
        self._settings = settings
        self._config = config
        self._start = start
        self._stack = AsyncExitStack()

    @property
    def settings(self) -> Settings:
        """Return the settings, read at the first call; `BadSetting` names what is wrong with them."""
        if self._settings is None:
            self._settings = load(self.home.root, self._config)
        return self._settings

    async def __aenter__(self) -> Self:
        """Join or start."""
        from obra.shared.embedded.join import join  # noqa: PLC0415 - nats-py; only whoever joins needs it

        place = join(self.home, self.settings, config=self._config, start=self._start)
        self.joined = await self._stack.enter_async_context(place)
        self.client = Client(self.joined.bus, self.home)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave; what was started here ends if nobody else needs it."""
        await self._stack.aclose()

    def scope(self, task: str, project: str | None = None) -> Scope:
        """Return the scope of *task* in *project*, which defaults to the configured one."""
        return Scope(project or self.settings.project, task)

    async def submit(self, text: str, **wishes: Any) -> Scope:
        """Submit a task and return its scope; *wishes* as `obra.shared.submission.prepare` takes them."""
        submission = prepare(text, settings=self.settings, **wishes)
        await self.client.submit(submission)
        return submission.scope

    async def run(self, text: str, **wishes: Any) -> dict[str, Any]:
        """Submit a task, wait until it is over or waits for a person, return what `obra run --json` prints."""
        return await self.wait(await self.submit(text, **wishes))

    async def wait(self, scope: Scope) -> dict[str, Any]:
        """Wait until the task is over or waits for a person; return what `obra run --json` prints."""
        story: Story | None = None
        async for _, story in self.watch(scope):  # noqa: B007 - the last one counts
            pass
        assert story is not None
        return result(story)

    async def watch(self, scope: Scope, after: int = 0) -> AsyncIterator[tuple[Recorded, Story]]:
        """Yield each event of the task with the story so far, until it is settled; `ObraGone` if Obra stops."""
        await self.client.past(scope)
        async with contextlib.aclosing(self.client.watch(scope, after)) as steps:  # type: ignore[type-var]
            lost = asyncio.ensure_future(self.joined.lost())
            try:
                while (step := await self._next(steps, lost, scope)) is not None:
                    yield step
            finally:
                lost.cancel()

    async def _next(
        self, steps: AsyncIterator[tuple[Recorded, Story]], lost: "asyncio.Future[None]", scope: Scope
    ) -> tuple[Recorded, Story] | None:
        step = asyncio.ensure_future(anext(steps, None))
        try:
            await asyncio.wait({step, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                raise ObraGone(task=scope.task)
            return step.result()
        finally:
            if not step.done():
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)

    async def story(self, task: str, project: str | None = None) -> Story:
        """Return what the task's past adds up to; `TaskUnknown` if there is none."""
        return await self.client.story(self.scope(task, project))

    async def events(self, after: int = 0, filters: Sequence[str] = ()) -> AsyncIterator[Raw]:
        """Yield every message after position *after*, then each new one, without an end."""
        async with contextlib.aclosing(self.joined.bus.follow(after, filters)) as raws:  # type: ignore[type-var]
            async for raw in raws:
                yield raw

    async def resolve(self, scope: Scope, resolution: Resolution, note: str = "") -> int:
        """Approve, reject or retry a task that waits for a person; `NotWaiting` if it doesn't."""
        return await self.client.resolve(scope, resolution, note)

    async def cancel(self, scope: Scope, reason: str = "") -> int:
        """Take a task back; `AlreadyOver` if it has ended."""
        return await self.client.cancel(scope, reason)

    async def sql(self, query: str) -> "Table":
        """Return what the store answers to *query*, with everything in it that had happened when this was called."""
        from obra.shared.store.query import RemoteQuery  # noqa: PLC0415 - only whoever asks needs it

        position = await self.joined.bus.last_position()
        return await RemoteQuery(self.joined.bus.nc).run(query, wait_position=position)
