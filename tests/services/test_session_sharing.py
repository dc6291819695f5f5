"""Tasks of one goal or milestone share a session: each is told what became of those before it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from obra.events import (
    Briefing,
    Content,
    Event,
    GoalSubmitted,
    MilestoneReached,
    PlanAccepted,
    PlannedTask,
    PromptPrepared,
    SessionBriefed,
    SessionClosed,
    SessionJoined,
    SessionOpened,
    SessionSummarised,
    SummaryRequested,
    TaskCompleted,
    TaskFailed,
    TaskSubmitted,
)
from obra.events.subjects import Scope
from obra.services.session_manager import sharing
from obra.services.session_manager.briefing import MEMBERS_MAX, briefings, members, workplan
from obra.services.session_manager.decide import DECIDER
from obra.services.session_manager.service import service
from obra.shared.bus.memory import MemoryBus
from obra.shared.config import Settings
from obra.shared.envelope import Recorded, fresh
from obra.shared.home import Home
from tests.given import given
from tests.services.evidence import LLM, NO_LLM, READY, finished, ran, task
from tests.services.test_session_manager import prepared

FIRST = task(text="write the parser", goal="g", milestone="m1")
SECOND = task(text="write the report", goal="g", milestone="m1")
THIRD = task(text="write the manual", goal="g", milestone="m2")
OPENED = SessionOpened(session="g/m1", context_tokens_max=200_000)
DONE = TaskCompleted(attempt=1, branch="obra/t1", commit="c")
PLAN = PlanAccepted(
    tasks=(
        PlannedTask(task="t1", text="write the parser", milestone="m1"),
        PlannedTask(task="t2", text="write the report", milestone="m1", after=("t1",)),
        PlannedTask(task="t3", text="write the manual", milestone="m2"),
    )
)
WORKED: list[Event] = [FIRST, READY, NO_LLM, OPENED, *ran(said="Wrote parse()."), finished(), DONE]
ACCOUNT = (
    "Asked: write the parser\n- Accepted at attempt 1, as branch obra/t1.\nChanged 1 files, +0 -0 lines: a.py (added)\n"
    "All checks passed.\nThe agent said: Wrote parse()."
)


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    bus = MemoryBus()
    yield bus
    await bus.close()


async def say(bus: MemoryBus, name: str, *events: Event) -> Recorded:
    for event in events:
        envelope = fresh(Scope("shop", name), event, "test")
        position = await bus.append([envelope])
    return Recorded(position, envelope)


async def told(bus: MemoryBus, scope: Scope) -> list[Event]:
    return [recorded.event for recorded in (await bus.past(scope)).events]


def test_a_shared_session_waits_until_its_task_is_briefed() -> None:
    given(DECIDER, FIRST, READY).when(NO_LLM).then(OPENED)
    given(DECIDER, FIRST, READY, NO_LLM).when(OPENED).then_nothing()
    briefed = SessionBriefed(session="g/m1", briefings=(Briefing(name="t0", text="The lexer is in lex.py."),))
    made = given(DECIDER, FIRST, READY, NO_LLM, OPENED).when(briefed).only
    assert isinstance(made, PromptPrepared)
    assert made.pieces == ("task:t0",)
    assert "Task `t0` of the same milestone" in made.prompt.text
    assert "The lexer is in lex.py." in made.prompt.text


def test_the_work_plan_stands_in_the_first_prompt() -> None:
    plan = Briefing(name="workplan", kind="workplan", text=workplan("t1", "m1", [PLAN]))
    briefed = SessionBriefed(session="g/m1", briefings=(plan,))
    text = given(DECIDER, FIRST, READY, NO_LLM, OPENED).when(briefed).only.prompt.text
    assert "The plan that this task is part of:" in text
    assert "- t1: write the parser <- this task\n- t2: write the report (after t1)\n" in text


async def test_who_joins_is_told_what_became_of_those_before(bus: MemoryBus) -> None:
    await say(bus, "g", PLAN)
    await say(bus, "t1", *WORKED)
    await sharing.join(bus, await say(bus, "t1", OPENED))
    opened = await say(bus, "t2", SECOND, OPENED)
    await sharing.join(bus, opened)
    await sharing.join(bus, opened)
    *_, briefed = await told(bus, Scope("shop", "t2"))
    assert briefed == SessionBriefed(
        session="g/m1",
        briefings=(
            Briefing(
                name="workplan", kind="workplan",
                text="- t1: write the parser\n- t2: write the report (after t1) <- this task",
            ),
            Briefing(name="t1", kind="task", text=ACCOUNT, age=0),
        ),
    )  # fmt: skip
    assert await told(bus, sharing.home_of("shop", SECOND)) == [
        SessionJoined(session="g/m1", member="t1", milestone="m1"),
        SessionJoined(session="g/m1", member="t2", milestone="m1"),
    ]


async def test_a_task_of_its_own_joins_nothing(bus: MemoryBus) -> None:
    await sharing.join(bus, await say(bus, "t1", task(), SessionOpened(session="1")))
    assert len(bus.log) == 2


def test_a_later_milestone_is_told_the_earlier_one_in_short() -> None:
    joined = SessionJoined(session="g/m1", member="t1", milestone="m1")
    other = SessionJoined(session="g/m1", member="t2", milestone="m1")
    pasts: dict[str, list[Event]] = {"t1": WORKED, "t2": [SECOND, READY, NO_LLM]}
    (made,) = briefings("t3", "m2", (joined, other), pasts, ())
    second = "Asked: write the report\n- Not finished yet."
    assert made == Briefing(name="m1", kind="earlier", text=f"t1: {ACCOUNT}\nt2: {second}", age=0)
    many = tuple(SessionJoined(session="g/m1", member=f"t{n}", milestone="m1") for n in range(12))
    (made,) = briefings("t3", "m2", many, {each.member: WORKED for each in many}, ())
    assert len(made.text) <= 1_600
    assert [line[:4] for line in made.text.splitlines() if line[0] == "t"] == [f"t{n}: "[:4] for n in range(12)]


def test_an_earlier_milestone_is_told_as_the_llm_summed_it_up() -> None:
    joined = SessionJoined(session="g/m1", member="t1", milestone="m1")
    written = SessionSummarised(session="g/m1", summary=Content.of("There is a parser."), by="ollama/m")
    (_, made) = briefings("t3", "m2", (joined,), {"t1": WORKED}, [PLAN, written])
    assert made == Briefing(name="m1", kind="earlier", text="There is a parser.", by="ollama/m")


async def test_a_milestone_that_is_reached_is_to_be_summed_up_once_where_others_are_to_come(bus: MemoryBus) -> None:
    await say(bus, "t1", *WORKED)
    reached = await say(
        bus, "g", GoalSubmitted(text="x", repo="/r", llm="auto"), PLAN, MilestoneReached(milestone="m1", tasks=("t1",))
    )
    await sharing.sum_up(bus, reached)
    await sharing.sum_up(bus, reached)
    *_, requested = await told(bus, Scope("shop", "g"))
    assert requested == SummaryRequested(session="g/m1", text=Content.of(f"t1: {ACCOUNT}"))
    last = await say(bus, "g", MilestoneReached(milestone="m2", tasks=("t3",)))
    await sharing.sum_up(bus, last)
    alone = await say(bus, "h", GoalSubmitted(text="x", repo="/r", llm="none"), PLAN, MilestoneReached(milestone="m1"))
    await sharing.sum_up(bus, alone)
    said = [*await told(bus, Scope("shop", "g")), *await told(bus, Scope("shop", "h"))]
    assert [event for event in said if isinstance(event, SummaryRequested)] == [requested]


def test_a_summary_of_the_llm_is_told_in_place_of_an_extract() -> None:
    written = SessionSummarised(session="g/m1", summary=Content.of("parse() is in p.py."), by="ollama/m")
    joined = SessionJoined(session="g/m1", member="t1", milestone="m1")
    (made,) = briefings("t2", "m1", (joined,), {"t1": [*WORKED, written]}, ())
    assert (made.text, made.by) == ("Accepted at attempt 1, as branch obra/t1. parse() is in p.py.", "ollama/m")


def test_of_many_the_newest_are_told() -> None:
    home = [SessionJoined(session="s", member=f"t{number}") for number in range(40)]
    assert [joined.member for joined in members(home, "t39")] == [f"t{n}" for n in range(39 - MEMBERS_MAX, 39)]


@pytest.mark.parametrize("end", [DONE, TaskFailed(reasons=("no",), attempts=3)])
def test_at_its_end_a_task_of_a_shared_session_is_summarised(end: Event) -> None:
    before = WORKED[:-1]
    summarised, closed = given(DECIDER, *before).when(end).events
    assert isinstance(summarised, SessionSummarised)
    assert (summarised.by, closed) == ("extract", SessionClosed(session="g/m1"))
    with_llm = [FIRST, READY, LLM, *before[3:]]
    requested = given(DECIDER, *with_llm).when(end).only
    assert isinstance(requested, SummaryRequested)
    answer = SessionSummarised(session="g/m1", summary=Content.of("x"), of=requested.text.sha256, by="ollama/m")
    given(DECIDER, *with_llm, end, requested).when(answer).then(SessionClosed(session="g/m1"))


async def test_the_service_briefs_and_goes_on(bus: MemoryBus, tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(service(Settings(), Home(tmp_path)).run(bus, stop))
        await say(bus, "t1", *WORKED[:3])
        await say(bus, "t2", SECOND, READY, NO_LLM)
        seen = set[str]()
        async for raw in bus.follow(0):
            if raw.envelope and isinstance(raw.envelope.event, PromptPrepared):
                seen.add(raw.envelope.task)
            if seen == {"t1", "t2"}:
                break
        stop.set()
    both = [sum(isinstance(e, SessionBriefed) for e in await told(bus, Scope("shop", name))) for name in ("t1", "t2")]
    assert both == [1, 1]


def test_tasks_without_a_goal_share_by_their_milestone() -> None:
    def home(**fields: str) -> Scope:
        return sharing.home_of("shop", TaskSubmitted(text="x", repo="/r", **fields))  # type: ignore[arg-type]

    assert home(goal="g", milestone="a") == home(goal="g", milestone="b")
    assert len({home(goal="g"), home(milestone="g"), home(milestone="h")}) == 3


def test_a_prepared_prompt_does_not_wait_twice() -> None:
    briefed = SessionBriefed(session="g/m1")
    given(DECIDER, FIRST, READY, NO_LLM, OPENED, briefed, prepared()).when(briefed).then_nothing()
