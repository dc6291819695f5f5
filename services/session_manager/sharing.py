"""Tasks of one goal or milestone share a session: who joins is told what became of those before.

A decider sees one task. What it must know of the others reaches it as an event, `session.briefed`, and this is what
says that: it reads the pasts of the tasks that joined the session earlier, as they are at that moment, and records
what it read in the event, so that deciding stays a matter of the task's own past. Who joined stands in a scope of
the session's own, as `session.joined`.
"""

import hashlib
import random
from asyncio import sleep
from collections.abc import Sequence
from functools import reduce
from uuid import uuid5

from obra.events import (
    Content,
    Event,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    MilestoneReached,
    PlanAccepted,
    SessionBriefed,
    SessionJoined,
    SessionOpened,
    SummaryRequested,
    TaskCancelled,
    TaskSubmitted,
)
from obra.events.subjects import TOKEN, Scope
from obra.services.session_manager import briefing
from obra.services.session_manager.state import SOLO
from obra.shared.bus import Bus
from obra.shared.envelope import VERSION, Envelope, Recorded, answer, now
from obra.shared.errors import StaleAppend
from obra.shared.history import standing, turn

NAME = "session-manager"
RACES_MAX = 20
RACE_PAUSE_S = 0.02
DIGITS = 16


def home_of(project: str, task: TaskSubmitted) -> Scope:
    """Return the session's own scope: one for a goal with all of its milestones, else one for the milestone."""
    named = f"goal/{task.goal}" if task.goal else f"milestone/{task.milestone}"
    return Scope(project, f"session-{hashlib.sha256(named.encode()).hexdigest()[:DIGITS]}")


async def join(bus: Bus, opened: Recorded) -> None:
    """Enter the task whose session was *opened* among the session's members, and brief it, once."""
    event, scope = opened.event, opened.envelope.scope
    if not isinstance(event, SessionOpened) or event.session == SOLO:
        return
    for race in range(RACES_MAX):
        past = await bus.past(scope)
        if turn(past.events) > opened.position:
            return
        events = [recorded.event for recorded in past.events]
        task = next((each for each in events if isinstance(each, TaskSubmitted)), None)
        if task is None or any(isinstance(each, SessionBriefed) for each in events):
            return
        told = await _told(bus, opened, event, task)
        try:
            await bus.append([answer(opened.envelope, NAME, told)], expected=past.position)
        except StaleAppend:
            await sleep(RACE_PAUSE_S * race * random.uniform(0.5, 1.0))
        else:
            return
    raise StaleAppend(scope=".".join(scope), expected=0)


async def sum_up(bus: Bus, reached: Recorded) -> None:
    """Have a milestone that is *reached* summed up for the tasks that come after it, once.

    Asked for in the goal's own scope, and only where its tasks have an LLM and some are still to come. Who begins
    before the summary is there is told an extract.
    """
    event, scope = reached.event, reached.envelope.scope
    if not isinstance(event, MilestoneReached):
        return
    session = f"{scope.task}/{event.milestone}"
    for race in range(RACES_MAX):
        past = await bus.past(scope)
        events = [recorded.event for recorded in past.events]
        goal = next((each for each in events if isinstance(each, GoalSubmitted)), None)
        asked = any(isinstance(each, SummaryRequested) and each.session == session for each in events)
        if goal is None or goal.llm == "none" or asked or not _more(events):
            return
        pasts = {name: await _events(bus, Scope(scope.project, name)) for name in event.tasks}
        text = Content.of(briefing.of_milestone(event.tasks, pasts))
        said = answer(reached.envelope, NAME, SummaryRequested(session=session, text=text))
        try:
            await bus.append([said], expected=past.position)
        except StaleAppend:
            await sleep(RACE_PAUSE_S * race * random.uniform(0.5, 1.0))
        else:
            return
    raise StaleAppend(scope=".".join(scope), expected=0)


def _more(goal: Sequence[Event]) -> bool:
    """Return whether a milestone of the goal is still to come."""
    if any(isinstance(event, GoalCompleted | GoalFailed | TaskCancelled) for event in goal):
        return False
    planned = {task.milestone for event in goal if isinstance(event, PlanAccepted) for task in event.tasks}
    return bool(planned - {event.milestone for event in goal if isinstance(event, MilestoneReached)})


async def _told(bus: Bus, opened: Recorded, event: SessionOpened, task: TaskSubmitted) -> SessionBriefed:
    project, name = opened.envelope.scope
    home = home_of(project, task)
    joined = SessionJoined(session=event.session, member=name, milestone=task.milestone)
    await bus.append([_elsewhere(opened.envelope, home, joined)])
    before = briefing.members(await _events(bus, home), name)
    pasts = {each.member: await _events(bus, Scope(project, each.member)) for each in before}
    goal = await _events(bus, Scope(project, task.goal)) if TOKEN.fullmatch(task.goal) else []
    return SessionBriefed(
        session=event.session, briefings=briefing.briefings(name, task.milestone, before, pasts, goal)
    )


async def _events(bus: Bus, scope: Scope) -> Sequence[Event]:
    """Return what counts in *scope*."""
    return [recorded.event for recorded in standing((await bus.past(scope)).events)]


def _elsewhere(question: Envelope, scope: Scope, event: SessionJoined) -> Envelope:
    """Wrap *event* as what follows from *question* in another scope; said again it is the same envelope."""
    parts = (str(question.id), NAME, ".".join(scope), event.session, event.member)
    return Envelope(
        id=reduce(uuid5, parts[1:], question.id), project=scope.project, task=scope.task, at=now(), event=event,
        cause=question.id, correlation=question.correlation or question.id, service=NAME, version=VERSION,
    )  # fmt: skip
