"""What an edge does on a bus: submit, watch, resolve, cancel. It publishes what a person wants and decides nothing."""

import contextlib
import getpass
import os
from collections.abc import AsyncGenerator, Callable
from typing import Literal

import msgspec

from obra.events import (
    AttemptScored,
    BreakpointResolved,
    Content,
    Event,
    MessageRejected,
    Policy,
    PolicyProposed,
    TaskCancelled,
    TaskCompleted,
    TaskLabelled,
    TaskRolledBack,
)
from obra.events.policy import digest
from obra.events.subjects import PLATFORM, Scope
from obra.shared.bus import Bus
from obra.shared.envelope import Recorded, fresh
from obra.shared.errors import BadUsage, EnvironmentLacks, StaleAppend
from obra.shared.history import standing
from obra.shared.home import Home, write_private
from obra.shared.story import Story, fold
from obra.shared.submission import Submission

EDGE = "edge"
TRIES_MAX = 5
Resolution = Literal["approve", "reject", "retry"]
LabelSource = Literal["person", "hidden_check", "reverted"]


class TaskUnknown(BadUsage):
    """There is no task {task!r} in project {project!r}."""


class TaskTaken(BadUsage):
    """Task {task!r} exists already in project {project!r}: choose another --task-id, or follow it with --resume."""


class NotWaiting(BadUsage):
    """Task {task!r} does not wait for a person: it is {status}."""


class TaskGone(BadUsage):
    """Task {task!r} was rolled back to before it was submitted; `obra rollback {task} --to POSITION` brings it back."""


class AlreadyOver(BadUsage):
    """Task {task!r} is over already: it is {status}."""


class NothingToLabel(BadUsage):
    """{what} of task {task!r} was scored, so there is nothing to label: it has no confidence to be held against."""


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

    async def watch(self, scope: Scope, after: int = 0) -> AsyncGenerator[tuple[Recorded, Story], None]:
        """Yield each event of the task after position *after* with the story so far, until it is settled.

        Settled means over, or waiting for a person, as of the newest event that there was when this began, or any
        later one.
        """
        past = await self.bus.past(scope)
        story = fold(r for r in past.events if r.position <= after)
        if past.position <= after and settled(story):
            return
        async with contextlib.aclosing(_events(self.bus, scope, after)) as events:
            async for recorded in events:
                story = await self._told(scope, recorded, story)
                yield recorded, story
                if recorded.position >= past.position and settled(story):
                    return
                _refuse_unreadable(recorded, scope, past.position)

    async def _told(self, scope: Scope, recorded: Recorded, story: Story) -> Story:
        """Return *story* with *recorded* in it; after a rollback it is told from the beginning."""
        if not isinstance(recorded.event, TaskRolledBack):
            return fold([recorded], story)
        return fold(r for r in (await self.bus.past(scope)).events if r.position <= recorded.position)

    async def resolve(self, scope: Scope, resolution: Resolution, note: str = "") -> int:
        """Say how a waiting task goes on; the first answer wins. `NotWaiting` if it doesn't wait (any more)."""
        event = BreakpointResolved(resolution=resolution, by=person(), note=Content.of(note) if note else Content())

        def allowed(story: Story) -> None:
            if not story.submitted_at:
                raise TaskGone(task=scope.task)
            if not story.resting:
                raise NotWaiting(task=scope.task, status=story.status)

        return await self._answer(scope, event, allowed)

    async def label(
        self, scope: Scope, *, good: bool, attempt: int = 0, note: str = "", source: LabelSource = "person"
    ) -> tuple[int, int]:
        """Say whether an attempt was good in the end; return the position of that, and the attempt.

        *attempt* 0 is the accepted one, else the last that was scored. `NothingToLabel` where none was.
        """
        events = [recorded.event for recorded in standing(await self.past(scope))]
        scored = [event.attempt for event in events if isinstance(event, AttemptScored)]
        accepted = [event.attempt for event in events if isinstance(event, TaskCompleted)]
        if attempt not in scored and (attempt or not scored):
            raise NothingToLabel(task=scope.task, what=f"no attempt {attempt}" if attempt else "nothing")
        number = attempt or (accepted[-1] if accepted else max(scored))
        event = TaskLabelled(good=good, source=source, attempt=number, note=Content.of(note) if note else Content())
        return await self._answer(scope, event, lambda _: None), number

    async def cancel(self, scope: Scope, reason: str = "") -> int:
        """Take the task back; `AlreadyOver` if it has ended."""

        def allowed(story: Story) -> None:
            if not story.submitted_at:
                raise TaskGone(task=scope.task)
            if story.over:
                raise AlreadyOver(task=scope.task, status=story.status)

        return await self._answer(scope, TaskCancelled(reason=reason or f"cancelled by {person()}"), allowed)

    async def propose(self, policy: Policy | None) -> int:
        """Have *policy* shadow the decisions of tasks readied from here on; without one, none does."""
        event = PolicyProposed(sha256=digest(policy) if policy else "", policy=policy, by=person())
        return await self.bus.append([fresh(PLATFORM, event, EDGE)])

    async def _answer(self, scope: Scope, event: Event, allowed: Callable[[Story], None]) -> int:
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
    return story.over or story.resting


async def _events(bus: Bus, scope: Scope, after: int) -> AsyncGenerator[Recorded, None]:
    async with contextlib.aclosing(bus.follow(after, [scope.everything])) as raws:
        async for raw in raws:
            if raw.envelope:
                yield Recorded(raw.position, raw.envelope)


def _refuse_unreadable(recorded: Recorded, scope: Scope, until: int) -> None:
    """Raise if log-sink says that the submission itself can't be read: nobody will ever work on it."""
    if isinstance(recorded.event, MessageRejected) and recorded.event.position <= until:
        raise SubmissionRefused(task=scope.task, reason=recorded.event.reason)


def person() -> str:
    """Return who speaks, as the system names the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
