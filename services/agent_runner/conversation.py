"""One run of an agent, from the first line to the last: what it says is read, kept and shown; what it asks is answered.

Two watchdogs run beside. The *deadline* counts from the start. *Silence* counts from the last byte heard; while a
tool call of the agent runs, it may take three times as long, since a build or a test suite says nothing and yet
works. Stopping is asked for first (an interrupt makes the agent say a last result, with its cost), then SIGTERM,
then SIGKILL for everything that is left.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from obra.events import Stuck
from obra.services.agent_runner.adapters.classify import Stopped
from obra.services.agent_runner.adapters.launch import interrupt, line, opening
from obra.services.agent_runner.adapters.messages import Observed
from obra.services.agent_runner.adapters.reader import Line, LineSplitter, read
from obra.services.agent_runner.adapters.steps import STEPS_MAX
from obra.services.agent_runner.job import Job
from obra.services.agent_runner.patterns import patterns
from obra.services.agent_runner.permissions import Permissions, answer
from obra.services.agent_runner.process import ExitStatus, Process
from obra.services.agent_runner.transcript import Live, Transcript

TOOL_SILENCE_FACTOR = 3
LINGER_S = 10.0
ODD_NOTICES_MAX = 5
GRACE_S: dict[Stopped, tuple[float, float]] = {"cancelled": (0.7, 0.3), "lingering": (0.0, 2.0)}
GRACE_ELSE_S = (3.0, 2.0)
"""How long it may take to end after an interrupt, and then after SIGTERM."""
DRAIN_S = 10.0
STUCK_MAX = 20
STEPS_PER_TIME = 6
"""How many steps are looked at for each time that a circle may be gone round: a cycle is two calls and some words."""


class Conversation:
    """Talks with one started agent until it is gone. After `hold`, ``seen`` and ``stopped`` say what happened."""

    def __init__(
        self, process: Process, job: Job, permissions: Permissions, transcript: Transcript, live: Live
    ) -> None:
        self.seen = Observed()
        self.stopped: Stopped = ""
        self.lines = self.lines_odd = 0
        self._process, self._job, self._permissions = process, job, permissions
        self._transcript, self._live = transcript, live
        self._result_at_s: float | None = None
        self._circling = asyncio.Event()

    async def hold(self, stop: asyncio.Event) -> ExitStatus:
        """Return how the process went; it is gone then, with all that it started."""
        ending = asyncio.create_task(self._to_the_end())
        watching = asyncio.create_task(self._watch(stop))
        telling = asyncio.create_task(self._process.write(opening(self._job.prompt)))
        try:
            await asyncio.wait({ending, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                self.stopped = watching.result()
                await self._halt()
                await asyncio.wait({ending}, timeout=DRAIN_S)
            return await ending if ending.done() else await self._process.wait()
        finally:
            for task in (ending, watching, telling):
                task.cancel()
            await asyncio.gather(ending, watching, telling, return_exceptions=True)

    async def _to_the_end(self) -> ExitStatus:
        splitter = LineSplitter()
        while chunk := await self._process.read():
            await self._take(splitter.feed(chunk))
            await asyncio.sleep(0)  # a flood must not keep everybody else waiting
        await self._take(splitter.finish())
        return await self._process.wait()

    async def _take(self, lines: list[Line]) -> None:
        for each in lines:
            reading = read(each)
            self.lines += 1
            if reading.text:
                self._transcript.add(reading.text)
            if reading.odd:
                self.lines_odd += 1
                if self.lines_odd <= ODD_NOTICES_MAX:
                    await self._live.notice(f"{reading.odd}: {reading.text[:200]}")
            if reading.message is not None:
                await self._hear(reading.message)

    async def _hear(self, message: Mapping[str, Any]) -> None:
        if message.get("type") == "control_request":
            await self._process.write(line(answer(message, self._permissions)))
            return
        for output in self.seen.take(message):
            await self._live.show(output)
        if self._job.stuck_max and message.get("type") == "user" and self._hopeless():
            self._circling.set()
        if message.get("type") == "result" and self.seen.result is not None:
            self._result_at_s = time.monotonic()
            self._process.close_stdin()

    def stuck(self, steps_max: int = STEPS_MAX) -> tuple[Stuck, ...]:
        """Return the circles in the newest *steps_max* steps of each thread."""
        threads = (list(steps)[-steps_max:] for steps in self.seen.steps.threads.values())
        return tuple(found for steps in threads for found in patterns(steps))[:STUCK_MAX]

    def _hopeless(self) -> bool:
        recent = STEPS_PER_TIME * self._job.stuck_max
        return any(found.times >= self._job.stuck_max for found in self.stuck(recent))

    async def _watch(self, stop: asyncio.Event) -> Stopped:
        """Return why the agent must be stopped, as soon as it must."""
        asked, circling = asyncio.create_task(stop.wait()), asyncio.create_task(self._circling.wait())
        try:
            while True:
                due_s, why = self._due()
                wait_s = due_s - time.monotonic()
                if asked.done():
                    return "cancelled"
                if circling.done():
                    return "stuck"
                if wait_s <= 0:
                    return why
                # What is due may come nearer while we wait, but never by more than these.
                limit_s = min(wait_s, self._job.silence_s, LINGER_S)
                await asyncio.wait({asked, circling}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            circling.cancel()

    def _due(self) -> tuple[float, Stopped]:
        if self._result_at_s is not None:
            return self._result_at_s + LINGER_S, "lingering"
        deadline_s = self._process.started_at_s + self._job.timeout_s
        silence_s = self._job.silence_s * (TOOL_SILENCE_FACTOR if self.seen.running else 1)
        quiet_s = self._process.heard_at_s + silence_s
        return (deadline_s, "timed_out") if deadline_s <= quiet_s else (quiet_s, "hung")

    async def _halt(self) -> None:
        """Stop the agent, politely for a bounded time."""
        polite_s, term_s = GRACE_S.get(self.stopped, GRACE_ELSE_S)
        if polite_s and self._result_at_s is None:
            try:
                async with asyncio.timeout(polite_s):
                    await self._process.write(interrupt())
                    await self._process.wait()
            except TimeoutError:
                pass
        await self._process.kill(term_s)
