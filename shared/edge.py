"""What an edge does on a bus: submit, watch, resolve, answer, override, cancel.

It publishes what a person wants and decides nothing.
"""

import contextlib
import getpass
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from obra.events import (
    AttemptScored,
    BreakpointResolved,
    Content,
    DecisionOverridden,
    Event,
    InputReceived,
    MessageRejected,
    Policy,
    PolicyProposed,
    QuestionAnswered,
    TaskCancelled,
    TaskCompleted,
    TaskLabelled,
    TaskRolledBack,
)
from obra.events.policy import digest
from obra.events.subjects import PLATFORM, Scope
from obra.shared.bus import Bus
from obra.shared.embedded.access import EDGE
from obra.shared.envelope import Recorded, fresh
from obra.shared.errors import BadUsage, EnvironmentLacks, StaleAppend
from obra.shared.exclusive import exclusive
from obra.shared.history import standing
from obra.shared.home import Home, write_private
from obra.shared.spoken import AlreadyOver, NoQuestion, NotWaiting, TaskGone, going_on, meant, recorded
from obra.shared.story import Story, fold
from obra.shared.submission import Submission

__all__ = [
    "EDGE", "AlreadyOver", "Client", "NotWaiting", "Override", "Resolution", "TaskGone", "TaskTaken", "TaskUnknown",
    "person", "settled",
]  # fmt: skip

TRIES_MAX = 5
Resolution = Literal["approve", "reject", "retry"]
LabelSource = Literal["person", "hidden_check", "reverted"]
Override = Literal["proceed", "retry", "checkpoint", "stop", "escalate"]


class TaskUnknown(BadUsage):
    """There is no task {task!r} in project {project!r}."""


class TaskTaken(BadUsage):
    """Task {task!r} exists already in project {project!r}: choose another --task-id, or follow it with --resume."""


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
        file = self.home.environment(scope)
        async with exclusive(file.parent):  # of two who want the same id, the later one leaves the file alone
            if (await self.bus.past(scope)).position:
                raise taken
            write_private(file, msgspec.json.encode(submission.environment))
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

    async def resolve(self, scope: Scope, resolution: Resolution, note: str = "", item: str = "") -> int:
        """Say how it goes on with what waits in *scope*, or with *item*, by its id; the first word wins.

        `AlreadyResolved` if somebody has spoken, `NotWaiting` if nothing waits, `ToBeNamed` if several things do.
        """

        def event(past: Sequence[Recorded]) -> Event:
            waits = meant(scope, past, item)
            text = Content.of(note) if note else Content()
            return BreakpointResolved(resolution=resolution, by=person(), note=text, breakpoint=waits.id)

        return await self._say(scope, event)

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
        said, who = Content.of(note) if note else Content(), person() if source == "person" else ""
        event = TaskLabelled(good=good, source=source, attempt=number, note=said, by=who)
        return await self._say(scope, lambda _: event), number

    async def answer(self, scope: Scope, text: str, item: str = "") -> int:
        """Answer the question that is open in *scope*; errors as of `resolve`, and `NoQuestion`."""

        def event(past: Sequence[Recorded]) -> Event:
            waits = meant(scope, past, item)
            if waits.kind != "question":
                raise NoQuestion(what=item or scope.task)
            return QuestionAnswered(question=waits.name, text=Content.of(text), by=person())

        return await self._say(scope, event)

    async def say(self, scope: Scope, text: str, item: str = "") -> tuple[int, str, str]:
        """Say something in plain words about what waits; errors as of `resolve`. It does nothing by itself.

        Returns its position, its id in the task, and the id of what it is about.
        """
        heard = InputReceived(text=Content.of(text), by=person())

        def event(past: Sequence[Recorded]) -> Event:
            nonlocal heard
            number = sum(isinstance(recorded.event, InputReceived) for recorded in past) + 1
            heard = replace(heard, input=f"i{number}", item=meant(scope, past, item).id)
            return heard

        position = await self._say(scope, event)
        return position, heard.input, heard.item

    async def override(self, scope: Scope, action: Override, reason: str = "") -> int:
        """Decide otherwise: at once where the task rests, else when the run in hand ends. `AlreadyOver` if it has.

        `NothingToDeliver` if work is to be accepted and none was recorded.
        """

        def event(past: Sequence[Recorded]) -> Event:
            going_on(scope, past)
            if action == "proceed":
                recorded(scope, past)
            return DecisionOverridden(action=action, by=person(), reason=reason)

        return await self._say(scope, event)

    async def cancel(self, scope: Scope, reason: str = "", *, taken_over: bool = False) -> int:
        """Take the task back, to go on with it by hand where *taken_over*; `AlreadyOver` if it has ended."""

        def event(past: Sequence[Recorded]) -> Event:
            going_on(scope, past)
            said = reason or (f"taken over by {person()}" if taken_over else "")
            return TaskCancelled(reason=said, by=person(), taken_over=taken_over)

        return await self._say(scope, event)

    async def propose(self, policy: Policy | None) -> int:
        """Have *policy* shadow the decisions of tasks readied from here on; without one, none does."""
        event = PolicyProposed(sha256=digest(policy) if policy else "", policy=policy, by=person())
        return await self.bus.append([fresh(PLATFORM, event, EDGE)])

    async def _say(self, scope: Scope, event: Callable[[Sequence[Recorded]], Event]) -> int:
        """Append what *event* makes of the past, which is looked at again whenever it has moved."""
        for _ in range(TRIES_MAX):
            past = await self.bus.past(scope)
            if not past.events:
                raise TaskUnknown(task=scope.task, project=scope.project)
            envelope = fresh(scope, event(past.events), EDGE)
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
