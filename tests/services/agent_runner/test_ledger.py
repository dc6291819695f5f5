"""A run says something only while its outcome is awaited, whatever has happened since it last looked."""

import asyncio
from typing import Literal

import pytest

from obra.events import (
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptStarted,
    Content,
    Event,
    TaskCancelled,
    TaskLabelled,
    TaskSubmitted,
)
from obra.services.agent_runner.ledger import Fenced, Ledger
from obra.services.agent_runner.state import NAME
from obra.shared.envelope import Recorded
from obra.shared.service import Call
from tests.rig import MemoryRig
from tests.shared.test_bus import T1, events, sealed

TASK = TaskSubmitted(text="t", repo="/r")
STARTED = AttemptStarted(attempt=1, run=1, runner="r")
SAYS = (AttemptStarted, AttemptFinished, TaskLabelled)


def requested(run: int = 1) -> AttemptRequested:
    return AttemptRequested(attempt=1, run=run, prompt=Content.of("go"))


async def ledger(memory: MemoryRig) -> Ledger:
    """Return the ledger of run 1, which has looked at the past once."""
    question = sealed(requested())
    await memory.bus.append([sealed(TASK)])
    position = await memory.bus.append([question])
    made = Ledger(Call(memory.bus, Recorded(position, question), 1, asyncio.Event(), NAME, SAYS))
    await made.load()
    return made


@pytest.mark.parametrize("looked", [True, False], ids=["that it knows of", "that it does not know of"])
@pytest.mark.parametrize(
    "event",
    [
        TaskCancelled(),
        requested(run=2),
        AttemptFinished(attempt=1, run=1, ending="completed"),
        AttemptInterrupted(attempt=1, run=1, reason="x"),
        AttemptStarted(attempt=1, run=1, runner="another"),
    ],
    ids=lambda event: type(event).__name__,
)
async def test_a_run_that_is_not_awaited_any_more_says_nothing(memory: MemoryRig, event: Event, looked: bool) -> None:
    run = await ledger(memory)
    await memory.bus.append([sealed(event)])
    if looked:
        await run.load(fresh=True)
    with pytest.raises(Fenced):
        await run.say(STARTED, key=(1, 1))
    assert events(await memory.bus.past(T1)) == [TASK, requested(), event]


async def test_a_run_that_is_awaited_says_it_behind_what_others_said_meanwhile(memory: MemoryRig) -> None:
    run = await ledger(memory)
    await memory.bus.append([sealed(TASK)])
    await run.say(STARTED, key=(1, 1))
    assert events(await memory.bus.past(T1)) == [TASK, requested(), TASK, STARTED]


FINISHED = AttemptFinished(attempt=1, run=1, ending="completed")


async def test_what_is_said_in_turn_goes_behind_what_others_said_meanwhile(memory: MemoryRig) -> None:
    run = await ledger(memory)
    await memory.bus.append([sealed(TASK)])
    await run.say_in_turn(STARTED, FINISHED, key=(1, 1))
    assert events(await memory.bus.past(T1)) == [TASK, requested(), TASK, STARTED, FINISHED]


async def test_of_what_is_said_in_turn_only_what_is_not_stored_yet_is_said(memory: MemoryRig) -> None:
    run = await ledger(memory)
    await run.call.append(STARTED)
    await memory.bus.append([sealed(TASK)])
    await run.say_in_turn(STARTED, FINISHED, key=(1, 1))
    assert events(await memory.bus.past(T1)) == [TASK, requested(), STARTED, TASK, FINISHED]


async def test_nothing_is_said_in_turn_by_a_run_that_is_not_awaited_any_more(memory: MemoryRig) -> None:
    run = await ledger(memory)
    await memory.bus.append([sealed(TaskCancelled())])
    with pytest.raises(Fenced):
        await run.say_in_turn(STARTED, FINISHED, key=(1, 1))
    assert events(await memory.bus.past(T1)) == [TASK, requested(), TaskCancelled()]


@pytest.mark.parametrize("source", ["hidden_check", "person"])
async def test_what_hidden_checks_came_to_is_said_once_whoever_ran_them(
    memory: MemoryRig, source: Literal["hidden_check", "person"]
) -> None:
    run, mine = await ledger(memory), TaskLabelled(good=True, source="hidden_check", attempt=1)
    before = TaskLabelled(good=False, source=source, attempt=1)
    await memory.bus.append([sealed(before)])
    await run.say_afterwards(mine)
    said = [mine] if source == "person" else []
    assert events(await memory.bus.past(T1)) == [TASK, requested(), before, *said]
