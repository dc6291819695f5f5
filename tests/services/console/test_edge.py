"""An edge on a bus: submit, watch, resolve, cancel."""

import asyncio
import stat
from pathlib import Path
from uuid import uuid4

import pytest

from obra.events import (
    AttemptRequested,
    AttemptStarted,
    BreakpointRaised,
    BreakpointResolved,
    Content,
    Event,
    MessageRejected,
    TaskCancelled,
    TaskFailed,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.shared.bus import Past
from obra.shared.bus.memory import MemoryBus
from obra.shared.edge import (
    AlreadyOver,
    Client,
    NotWaiting,
    SubmissionRefused,
    TaskTaken,
    TaskUnknown,
    person,
)
from obra.shared.envelope import fresh
from obra.shared.home import Home
from obra.shared.spoken import AlreadyResolved
from obra.shared.submission import Submission

SCOPE = Scope("default", "t1")
SUBMITTED = TaskSubmitted(text="x", repo="/r")
WORK = Submission(SCOPE, SUBMITTED, {"PATH": "/bin", "TOKEN": "secret"})
NEEDED = BreakpointRaised(name="no_checks", attempt=1, run=1)


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def client(bus: MemoryBus, tmp_path: Path) -> Client:
    return Client(bus, Home(tmp_path))


async def happen(bus: MemoryBus, *events: Event) -> None:
    for event in events:
        await bus.append([fresh(SCOPE, event, "test", id=uuid4())])


async def names(client: Client, after: int = 0) -> list[tuple[str, str]]:
    async with asyncio.timeout(20):
        return [(type(r.event).__name__, story.status) async for r, story in client.watch(SCOPE, after)]


async def test_a_submission_is_one_event_and_a_private_file(client: Client, bus: MemoryBus) -> None:
    position = await client.submit(WORK)
    file = client.home.environment(SCOPE)
    assert [(r.position, r.event) for r in (await bus.past(SCOPE)).events] == [(position, SUBMITTED)]
    assert file.read_bytes() == b'{"PATH":"/bin","TOKEN":"secret"}'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_an_id_that_is_in_use_is_refused_and_its_environment_is_left_alone(client: Client) -> None:
    await client.submit(WORK)
    with pytest.raises(TaskTaken):
        await client.submit(Submission(SCOPE, SUBMITTED, {"PATH": "/other"}))
    assert b"secret" in client.home.environment(SCOPE).read_bytes()


class Slow(MemoryBus):
    """A bus on which others come first between a question and what follows from its answer."""

    async def past(self, scope: Scope, after: int = 0, *, reaching: int = 0) -> Past:
        found = await super().past(scope, after, reaching=reaching)
        await asyncio.sleep(0)
        return found


async def test_of_two_who_want_one_id_at_once_the_first_one_and_its_environment_stay(tmp_path: Path) -> None:
    client = Client(Slow(), Home(tmp_path))
    other = Submission(SCOPE, SUBMITTED, {"PATH": "/other"})
    done = await asyncio.gather(client.submit(WORK), client.submit(other), return_exceptions=True)
    assert [type(one) for one in done] == [int, TaskTaken]
    assert b"secret" in client.home.environment(SCOPE).read_bytes()


async def test_watching_ends_with_the_task(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED)
    watching = asyncio.create_task(names(client))
    await happen(bus, AttemptRequested(attempt=1, run=1, prompt=Content.of("p")), TaskFailed(reasons=("no",)))
    assert await watching == [("TaskSubmitted", "submitted"), ("AttemptRequested", "running"), ("TaskFailed", "failed")]


async def test_watching_ends_where_a_person_is_needed_but_not_where_one_was(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED, NEEDED, BreakpointResolved(resolution="retry"), NEEDED)
    assert [status for _, status in await names(client)] == ["submitted", "waiting", "running", "waiting"]


async def test_watching_from_the_end_of_a_settled_task_ends_at_once(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED, NEEDED)
    assert await names(client, after=2) == []


async def test_a_submission_that_nobody_can_read_ends_the_wait(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED, MessageRejected(position=1, subject="s", reason="bad field"))
    with pytest.raises(SubmissionRefused, match="could not be read: bad field"):
        await names(client)


async def test_the_first_answer_wins(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED, NEEDED)
    answers = await asyncio.gather(
        client.resolve(SCOPE, "approve", "fine"), client.resolve(SCOPE, "reject"), return_exceptions=True
    )
    events = [r.event for r in (await bus.past(SCOPE)).events if isinstance(r.event, BreakpointResolved)]
    assert [type(answer) for answer in answers] == [int, AlreadyResolved]
    assert [(e.resolution, e.note.text) for e in events] == [("approve", "fine")]


async def test_what_does_not_wait_cannot_be_resolved(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED)
    with pytest.raises(NotWaiting, match=r"^Task 't1' does not wait for a person: it is submitted\.$"):
        await client.resolve(SCOPE, "approve")


async def test_what_failed_can_be_taken_back_and_tried_again(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED, AttemptStarted(attempt=1, run=1, runner="r"), TaskFailed(reasons=("no",)))
    hint = r"it is failed; `obra rollback t1 --to attempt:0` takes it back, so that it can be tried again\.$"
    with pytest.raises(NotWaiting, match=hint):
        await client.resolve(SCOPE, "retry")


async def test_a_task_is_taken_back_once(client: Client, bus: MemoryBus) -> None:
    await happen(bus, SUBMITTED)
    await client.cancel(SCOPE, "changed my mind")
    assert (await bus.past(SCOPE)).events[-1].event == TaskCancelled(reason="changed my mind", by=person())
    with pytest.raises(AlreadyOver):
        await client.cancel(SCOPE)


async def test_a_task_that_nobody_submitted_is_unknown(client: Client) -> None:
    for answer in (client.past(SCOPE), client.resolve(SCOPE, "approve"), client.cancel(SCOPE)):
        with pytest.raises(TaskUnknown):
            await answer
