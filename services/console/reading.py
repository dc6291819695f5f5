"""Where commands that only look get what they show: from the running Obra, else from the store."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Protocol

from obra.events import Content
from obra.events.subjects import Scope
from obra.services.console.options import Place
from obra.services.console.selection import Selection
from obra.services.console.whoever import stream_of, whoever
from obra.shared import story
from obra.shared.bus import Raw
from obra.shared.bus.message import raw_of
from obra.shared.client import Orchestrator
from obra.shared.edge import TaskUnknown
from obra.shared.envelope import Recorded
from obra.shared.errors import BadUsage, EnvironmentLacks
from obra.shared.moment import position_at
from obra.shared.store import opened
from obra.shared.store.errors import StoreLocked, StoreMissing
from obra.shared.store.query import Table, local_query_async

OVER = f"({', '.join(repr(status) for status in sorted(story.OVER))})"
"""The statuses of tasks that have ended, as SQL has a list."""

LAST = 2**64 - 1
"""As of the newest position there ever can be."""

FETCH_ROWS = 1_000
EVENTS = """
    SELECT position, concat_ws('.', 'obra', project, task, type), raw, epoch_ns(stored_at)
    FROM event WHERE position > $1 AND ($2 = '' OR project = $2) AND ($3 = '' OR task = $3) ORDER BY position
"""


class NoTask(BadUsage):
    """there is no task {task!r} in project {project!r}; {hint}"""


class Reader(Protocol):
    """Reads what happened; it changes nothing, and starts nothing unless it says so."""

    @property
    def live(self) -> Orchestrator | None:
        """Return the running Obra, if it is one that is read."""
        ...

    async def past(self, scope: Scope) -> tuple[Recorded, ...]:
        """Return what happened to a task; `NoTask` with what comes close if there is none."""
        ...

    async def sql(self, query: str) -> Table:
        """Return what the store answers."""
        ...

    async def text(self, content: Content) -> str:
        """Return the whole text."""
        ...

    def events(self, selection: Selection) -> AsyncGenerator[Raw, None]:
        """Yield the selected messages up to the newest one there is when this is called."""
        ...


@contextlib.asynccontextmanager
async def reading(place: Place) -> AsyncIterator[Reader]:
    """Open a reader: the running Obra's, else the store's."""
    async with whoever(place, lambda: _at_rest(place)) as found:
        yield Live(found) if isinstance(found, Orchestrator) else found


@contextlib.asynccontextmanager
async def _at_rest(place: Place) -> AsyncIterator[Reader]:
    """Open the store; where it may lag behind the stream, or is gone, log-sink takes in first what it lacks."""
    home = place.home
    gone = not home.store.exists() and any(home.jetstream.iterdir())
    if home.unsettled.exists() or gone:
        from obra.shared.embedded.recording import take_in  # noqa: PLC0415 - nats-py, and seldom needed

        await take_in(home, place.settings)
    yield Stored(place)


async def rows(place: Place, query: str) -> list[dict[str, Any]]:
    """Return what the store of *place* answers; see `answered`."""
    async with reading(place) as reader:
        return await answered(reader, query)


async def answered(reader: Reader, query: str) -> list[dict[str, Any]]:
    """Return what the store answers, a dictionary a row; nothing where there is no store yet."""
    try:
        return (await reader.sql(query)).records
    except StoreMissing:
        return []


@dataclass(frozen=True, slots=True)
class Live:
    """Reads the stream, and asks the store through log-sink."""

    live: Orchestrator

    async def past(self, scope: Scope) -> tuple[Recorded, ...]:
        """See `Reader`."""
        return await known(self.live, scope)

    async def sql(self, query: str) -> Table:
        """See `Reader`."""
        return await self.live.sql(query)

    async def text(self, content: Content) -> str:
        """See `Reader`."""
        return await self.live.joined.bus.text(content)

    async def events(self, selection: Selection) -> AsyncGenerator[Raw, None]:
        """See `Reader`. The stream is read whole: only so it is certain that its end was reached."""
        last = await self.live.joined.bus.last_position()
        if last <= selection.after:
            return
        async with contextlib.aclosing(self.live.events(selection.after)) as raws:
            async for raw in raws:
                if selection.holds(raw):
                    yield raw
                if raw.position >= last or selection.past(raw):
                    return


@dataclass(frozen=True, slots=True)
class Stored:
    """Reads the DuckDB file while nothing runs. Where an Obra was started meanwhile, and has it, that one is asked."""

    place: Place

    @property
    def live(self) -> None:
        """Return None: nothing runs."""

    async def past(self, scope: Scope) -> tuple[Recorded, ...]:
        """See `Reader`."""
        selection = Selection(project=scope.project, task=scope.task)
        raws = [raw async for raw in self.events(selection)]
        past = tuple(Recorded(raw.position, raw.envelope) for raw in raws if raw.envelope)
        if not past and self.place.home.environment(scope).exists():
            raise EnvironmentLacks(
                problem=f"task {scope.task!r} was submitted, but Obra ended before the store took it in: "
                f"`obra run --resume {scope.task}` goes on with it"
            )
        if not past:
            raise unknown(scope, await self._tasks(scope))
        return past

    async def _tasks(self, scope: Scope) -> list[str]:
        try:
            return _column(await self.sql(_tasks(scope)))
        except StoreMissing:
            return []

    async def sql(self, query: str) -> Table:
        """See `Reader`."""
        try:
            return await local_query_async(self.place.home.store, query, settings=self.place.settings.store)
        except StoreLocked:
            async with reading(self.place) as reader:
                return await reader.sql(query)

    async def text(self, content: Content) -> str:
        """See `Reader`. What is over 64 KiB lies in the object store, and for that its server is started."""
        if not content.stored:
            return content.text
        async with stream_of(self.place) as bus:
            return await bus.text(content)

    async def events(self, selection: Selection) -> AsyncGenerator[Raw, None]:
        """See `Reader`."""
        if not self.place.home.store.exists():
            return
        try:
            db = opened(self.place.home.store, read_only=True)
        except StoreLocked:
            async with reading(self.place) as reader, contextlib.aclosing(reader.events(selection)) as raws:
                async for raw in raws:
                    yield raw
            return
        try:
            rows = db.execute(
                EVENTS, [selection.after, selection.only(selection.project), selection.only(selection.task)]
            )
            while batch := rows.fetchmany(FETCH_ROWS):
                for row in batch:
                    if selection.holds(raw := raw_of(*row)):
                        yield raw
        finally:
            db.close()


async def known(obra: Orchestrator, scope: Scope) -> tuple[Recorded, ...]:
    """Return what happened to the task; `NoTask` with what comes close if there is none."""
    try:
        return await obra.past(scope)
    except TaskUnknown as error:
        raise unknown(scope, _column(await obra.sql(_tasks(scope)))) from error


async def position_in(reader: Reader, past: Sequence[Recorded], text: str, now: datetime, what: str) -> int:
    """Return the position in a task's *past* that *text* names; `BadUsage` says what would do."""
    return position_at(text, past, await newest(reader), now, what)


async def newest(reader: Reader) -> int:
    """Return the newest position that there is; 0 where nothing has happened."""
    found = await answered(reader, "SELECT coalesce(max(position), 0) AS position FROM event")
    return int(found[0]["position"]) if found else 0


def _tasks(scope: Scope) -> str:
    return f"SELECT DISTINCT task FROM event WHERE project = '{scope.project}' AND type = 'task.submitted'"


def _column(table: Table) -> list[str]:
    return [str(row[0]) for row in table.rows]


def unknown(scope: Scope, tasks: Sequence[str]) -> NoTask:
    """Return the error for a task that does not exist, with those whose names come close."""
    begun = [task for task in tasks if task.startswith(scope.task)]
    close = (begun or get_close_matches(scope.task, tasks, n=3, cutoff=0.5))[:3]
    hint = f"did you mean {' or '.join(close)}?" if close else "`obra status` lists the tasks"
    return NoTask(task=scope.task, project=scope.project, hint=hint)
