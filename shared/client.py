"""The Python API, and what the command line itself uses.

async with Orchestrator() as obra:
    result = await obra.run("add a --json flag", repo=".", checks=["pytest -q"])
"""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from obra.events.subjects import Scope, matches
from obra.shared.archive.pruned import is_cut, pruned_through
from obra.shared.bus import Raw
from obra.shared.config import Settings, home_at, home_of, load
from obra.shared.edge import Client, Override, Resolution, settled
from obra.shared.envelope import Recorded
from obra.shared.errors import EnvironmentLacks, ObraWarning
from obra.shared.home import Home, HomeFull
from obra.shared.outcome import result
from obra.shared.store.select import Wanted, remote_events
from obra.shared.story import Story, fold
from obra.shared.submission import prepare

if TYPE_CHECKING:
    from obra.shared.difference import Difference
    from obra.shared.embedded.join import Joined
    from obra.shared.store.query import Table
    from obra.shared.timeline import RolledBack, Timeline

Item = TypeVar("Item")
LOOK_EVERY_S = 5.0
FULL_LOOKS = 2


class ObraGone(EnvironmentLacks):
    """Obra has stopped; {hint}."""


class ServerAway(ObraWarning):
    """NATS at {url} does not answer; this goes on as soon as it does."""


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
        self.home = Home(home_at(home) if home else home_of())
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
        story: Story | None = fold(await self.past(scope))
        if story and settled(story):
            return result(story)
        async for _, story in self.watch(scope):  # noqa: B007 - the last one counts
            pass
        assert story is not None
        return result(story)

    async def watch(self, scope: Scope, after: int = 0) -> AsyncGenerator[tuple[Recorded, Story], None]:
        """Yield each event of the task with the story so far, until it is settled; `ObraGone` if Obra stops."""
        await self.client.past(scope)
        hint = f"the task is kept: `obra run --resume {scope.task}` goes on with it"
        async with contextlib.aclosing(self._while_there(self.client.watch(scope, after), hint)) as steps:
            async for step in steps:
                yield step

    async def events(self, after: int = 0, filters: Sequence[str] = ()) -> AsyncGenerator[Raw, None]:
        """Yield every message after position *after*, then each new one, without an end; `ObraGone` if Obra stops.

        What the stream has let go of comes from the store.
        """
        through = await pruned_through(self.joined.bus)
        if after < through:
            async for raw in self._stored(Wanted(after=after, until=through)):
                if not filters or any(matches(pattern, raw.subject) for pattern in filters):
                    yield raw
        raws = self.joined.bus.follow(max(after, through), filters)
        async with contextlib.aclosing(self._while_there(raws, "`obra up` starts it again")) as there:
            async for raw in there:
                yield raw

    async def _while_there(self, items: AsyncGenerator[Item, None], hint: str) -> AsyncGenerator[Item, None]:
        """Yield *items*; raise `ObraGone` or `HomeFull` as soon as there is nobody, or no room, to go on with them."""
        lost = asyncio.ensure_future(self.joined.lost())
        try:
            while True:
                item = asyncio.ensure_future(anext(items))
                try:
                    await self._arrived(item, lost, hint)
                    yield item.result()
                except StopAsyncIteration:
                    return
                finally:
                    if not item.done():
                        item.cancel()
                        await asyncio.gather(item, return_exceptions=True)
        finally:
            lost.cancel()
            await items.aclose()

    async def _arrived(self, item: "asyncio.Future[Any]", lost: "asyncio.Future[None]", hint: str) -> None:
        """Wait for *item*. A server on a full disk acknowledges nothing and says nothing, so the disk is looked at."""
        looks, away = 0, False
        while not item.done() and looks < FULL_LOOKS:
            await asyncio.wait([item, lost], timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            if lost.done() and not item.done():
                raise ObraGone(hint=hint)
            looks = looks + 1 if self.joined.lease and self.home.full else 0
            if not away and (away := not self.joined.lease and not self.joined.bus.nc.is_connected):
                warnings.warn(ServerAway(url=self.joined.url), stacklevel=2)
        if not item.done():
            raise HomeFull(home=self.home.root, hint=f"; {hint}")

    async def past(self, scope: Scope) -> tuple[Recorded, ...]:
        """Return everything that happened to the task, also where the stream holds its end only; or `TaskUnknown`."""
        past = await self.client.past(scope)
        if not is_cut(past):
            return past
        wanted = Wanted(project=scope.project, task=scope.task)
        raws = [raw async for raw in self._stored(wanted, past[-1].position)]
        return tuple(Recorded(raw.position, raw.envelope) for raw in raws if raw.envelope)

    def _stored(self, wanted: Wanted, wait_position: int = 0) -> AsyncIterator[Raw]:
        from obra.shared.store.query import RemoteQuery  # noqa: PLC0415 - only whoever asks needs it

        return remote_events(RemoteQuery(self.joined.bus.nc).run, wanted, wait_position or wanted.until or 0)

    async def story(self, task: str, project: str | None = None) -> Story:
        """Return what the task's past adds up to; `TaskUnknown` if there is none."""
        return fold(await self.past(self.scope(task, project)))

    async def resolve(self, scope: Scope, resolution: Resolution, note: str = "", item: str = "") -> int:
        """Approve, reject or retry what waits for a person; `AlreadyResolved` or `NotWaiting` if nothing does."""
        return await self.client.resolve(scope, resolution, note, item)

    async def label(self, scope: Scope, *, good: bool, attempt: int = 0, note: str = "") -> int:
        """Say whether the work was good in the end; *attempt* 0 is the accepted one, else the last."""
        return (await self.client.label(scope, good=good, attempt=attempt, note=note))[0]

    async def answer(self, scope: Scope, text: str, item: str = "") -> int:
        """Answer the question that a task waits with; errors as of `resolve`."""
        return await self.client.answer(scope, text, item)

    async def override(self, scope: Scope, action: Override, reason: str = "") -> int:
        """Decide otherwise, at once where the task rests, else when its run ends; `AlreadyOver` if it has ended."""
        return await self.client.override(scope, action, reason)

    async def cancel(self, scope: Scope, reason: str = "", *, taken_over: bool = False) -> int:
        """Take a task back, or over into one's own hands; `AlreadyOver` if it has ended."""
        return await self.client.cancel(scope, reason, taken_over=taken_over)

    async def inbox(self) -> list[dict[str, Any]]:
        """Return what waits for a person, the most severe first and of those the oldest; fields as of the view."""
        return (await self.sql("SELECT * FROM inbox")).records

    async def as_of(self, task: str, at: int | str, project: str | None = None) -> Story:
        """Return the task as it was at a point: a position, ``attempt:N``, or a time (ISO 8601, or ``10m`` for ago)."""
        return await self._timeline.as_of(self.scope(task, project), at)

    async def diff(self, task: str, before: int | str, after: int | str, project: str | None = None) -> "Difference":
        """Return what changed in the task between two points: state, decisions, files."""
        return await self._timeline.diff(self.scope(task, project), before, after)

    async def rollback(
        self,
        task: str | None = None,
        *,
        to: int | str,
        project: str | None = None,
        milestone: str = "",
        reason: str = "",
        cancel: bool = False,
        dry_run: bool = False,
        revert: bool = False,
    ) -> "RolledBack":
        """Return a task to a point; without *task*, all of a milestone or of a project, or none.

        State, workspace and the agent's memory go back to it, and the task rests until `resolve`. With *cancel*,
        what is in hand is stopped first. Branches already delivered stay; with *revert*, one that takes them back
        is made. Raises `RollbackRefused` with the reason, before anything is said.
        """
        scope = self.scope(task or "", project)
        scopes = [scope] if task else await self._timeline.tasks(scope.project, milestone)
        return await self._timeline.rollback(scopes, to, reason=reason, cancel=cancel, dry_run=dry_run, revert=revert)

    @property
    def _timeline(self) -> "Timeline":
        from obra.shared.timeline import Timeline  # noqa: PLC0415 - git and all; only who looks back needs it

        return Timeline(self)

    async def sql(self, query: str, *params: Any) -> "Table":
        """Return what the store answers to *query*, with everything in it that had happened when this was called.

        *params* stand where the query has ``$1``, ``$2``, …
        """
        from obra.shared.store.patience import patiently  # noqa: PLC0415 - only whoever asks needs it

        bus = self.joined.bus
        return await patiently(bus, lambda store, position: store.run(query, params, wait_position=position))

    async def snapshot(self) -> Path:
        """Return a copy of the store, with everything in it that had happened when this was called; remove it."""
        from obra.shared.store.patience import patiently  # noqa: PLC0415 - only whoever asks needs it

        return await patiently(self.joined.bus, lambda store, position: store.snapshot(position))
