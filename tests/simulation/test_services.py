"""The four services in their shells on the in-memory bus, with stand-ins for what acts."""

import asyncio
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from obra.events import (
    AttemptRequested,
    BreakpointRaised,
    BreakpointResolved,
    Content,
    Event,
    PromptPrepared,
    QuestionAnswered,
    QuestionAsked,
    SessionClosed,
    TaskCompleted,
    TaskFailed,
)
from obra.events.subjects import Scope, name
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import Settings
from obra.shared.envelope import fresh
from obra.shared.home import Home
from obra.shared.service import Acting, Call
from obra.shared.services import make
from tests.simulation.actors import TASK, Plan, llm, runner
from tests.simulation.world import actions

SCOPE = Scope("shop", "t1")
THINKERS = ("planner", "session-manager", "scorer", "decider")
STAND_INS = {"agent-runner": runner, "supervisor-llm": llm}


def acting(name: str, plan: Plan, dice: Random, tmp_path: Path) -> Acting:
    """Return a stand-in that hears and says what the real service does."""
    act = STAND_INS[name]
    real = make(name, Settings(), Home(tmp_path))

    async def handle(call: Call) -> None:
        past = await call.past()
        answers = act([r.event for r in past.events], call.recorded.event, plan, dice)
        if answers:
            await call.append(*answers, expected=past.position)

    return Acting(name, real.hears, real.says, handle, concurrency=1)


def spoken(event: Event) -> Event | None:
    """Answer every question and approve whatever waits."""
    match event:
        case QuestionAsked(question=question, to="person"):
            return QuestionAnswered(question=question, text=Content.of("the second"), by="ann")
        case BreakpointRaised():
            return BreakpointResolved(resolution="approve", by="ann")
        case _:
            return None


async def play(plan: Plan, tmp_path: Path, seed: int = 0, *, person: bool = False) -> list[Event]:
    """Run one task from its submission to the end of its session, and return all that happened."""
    bus, stop, dice = MemoryBus(), asyncio.Event(), Random(seed)
    settings = Settings(decision={"outages_max": 3, "outage_wait_s": 0.01, "outage_wait_s_max": 0.01})
    services = [make(name, settings, Home(tmp_path)) for name in THINKERS]
    services += [acting(name, plan, dice, tmp_path) for name in STAND_INS]
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for service in services:
            group.create_task(service.run(bus, stop))
        await bus.append([fresh(SCOPE, plan.task, "edge")])
        async for raw in bus.follow(0):
            event = raw.envelope.event if raw.envelope else None
            if isinstance(event, SessionClosed):
                break
            if person and event and (word := spoken(event)):
                await bus.append([fresh(SCOPE, word, "edge")])
        stop.set()
    events = [r.event for r in (await bus.past(SCOPE)).events]
    await bus.close()
    return events


async def test_a_truthful_agent_is_accepted_on_its_first_attempt(tmp_path: Path) -> None:
    log = await play(Plan(task=TASK), tmp_path)
    assert actions(log) == ["proceed"]
    assert isinstance(log[-2], TaskCompleted)
    assert sum(isinstance(event, AttemptRequested) for event in log) == 1


@pytest.mark.parametrize("model", [False, True])
async def test_an_agent_that_never_passes_fails_with_every_attempt_made(tmp_path: Path, model: bool) -> None:
    log = await play(Plan(task=TASK, fails=1.0, model=model), tmp_path)
    assert actions(log) == ["retry", "retry", "stop"]
    assert isinstance(log[-2], TaskFailed)
    assert [event.feedback_from for event in log if isinstance(event, PromptPrepared)] == [(), (1,), (2,)]


@pytest.mark.parametrize("model", [False, True])
async def test_a_full_session_is_refreshed_before_its_next_attempt(tmp_path: Path, model: bool) -> None:
    log = await play(Plan(task=TASK, fails=1.0, model=model, context=0.85), tmp_path, seed=3)
    names = [name(event) for event in log]
    assert "session.refreshed" in names
    assert ("summary.requested" in names) == model
    for at in (index for index, event in enumerate(names) if event == "session.refreshed"):
        assert names[at + 1] == "prompt.prepared"


async def test_a_task_of_a_milestone_is_briefed_and_summarised(tmp_path: Path) -> None:
    log = await play(Plan(task=replace(TASK, milestone="m1")), tmp_path)
    names = [name(event) for event in log]
    assert names.index("session.briefed") == names.index("session.opened") + 1
    assert names[-3:] == ["task.completed", "session.summarised", "session.closed"]


async def test_an_outage_is_waited_out_by_a_timer_of_the_bus(tmp_path: Path) -> None:
    log = await play(Plan(task=TASK, endings=("unreachable",)), tmp_path)
    assert actions(log) == ["wait", "retry", "wait", "retry", "wait", "retry", "stop"]
    assert [name(event) for event in log].count("timer.fired") == 3


ASKING = Plan(task=TASK, fails=1.0, asks=1.0)


@pytest.mark.parametrize(
    ("plan", "decided"),
    [
        (ASKING, ["clarify", "retry", "clarify", "retry", "stop"]),
        (Plan(task=TASK, endings=("max_turns",)), ["checkpoint", "retry", "retry", "stop"]),
        (Plan(task=TASK, destroys=1.0), ["escalate", "proceed"]),
    ],
    ids=["clarify", "checkpoint", "escalate"],
)
async def test_each_decision_flows_over_the_bus_to_its_end(plan: Plan, decided: list[str], tmp_path: Path) -> None:
    log = await play(plan, tmp_path, person=True)
    assert actions(log) == decided
    answered = [event.question for event in log if isinstance(event, QuestionAnswered)]
    assert answered == (["q1", "q2"] if plan is ASKING else [])
