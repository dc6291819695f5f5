"""One run from its request to its outcome. Every step is an event, so that any runner can go on from any step."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from obra.events import (
    JUDGED,
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    ChecksRan,
    Ending,
    Event,
    Finding,
    WorkspaceCheckpointed,
    WorkspaceInspected,
    WorkspaceRestored,
)
from obra.services.agent_runner import checkpoint, clone, deliver, recording
from obra.services.agent_runner import workspace as workspaces
from obra.services.agent_runner.checkpoint import Checkpoint, Label
from obra.services.agent_runner.checks import run_check
from obra.services.agent_runner.execute import run_agent
from obra.services.agent_runner.job import Job
from obra.services.agent_runner.kit import pack
from obra.services.agent_runner.ledger import Ledger
from obra.services.agent_runner.leftovers import sweep
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.ready import Ready, started, to_begin, to_go_on, unwalled
from obra.services.agent_runner.redaction import Redactor
from obra.services.agent_runner.speaker import Speaker
from obra.services.agent_runner.state import CHECKED, NAME, Key
from obra.services.agent_runner.survey import Unmergeable, WorkspaceLost
from obra.services.agent_runner.tools import Cancelled, Stopped, Tools, attend
from obra.services.agent_runner.watch import Signals
from obra.services.agent_runner.workspace import Workspace
from obra.shared.errors import BlobMissing, EnvironmentLacks
from obra.shared.log import get_logger
from obra.shared.service import Call

log = get_logger(NAME)


def _foresee(workspace: Workspace) -> None:
    """Make ready what comes after the agent, and what the next task in the same repository begins with. Blocking."""
    checkpoint.foresee(workspace)
    clone.foresee(workspace.target)


class Attempt:
    """One run of one attempt, carried on from wherever the past shows it."""

    def __init__(self, tools: Tools, call: Call, ledger: Ledger, place: Place, signals: Signals) -> None:
        event, task = call.recorded.event, ledger.state.task
        assert isinstance(event, AttemptRequested)
        assert task is not None
        self._asked, self._task = event, task
        self._attempt, self._run = event.attempt, event.run
        self._key: Key = (event.attempt, event.run)
        self._tools, self._call, self._ledger, self._place, self._signals = tools, call, ledger, place, signals
        self._marker = f"{place.marker}{event.attempt}.{event.run}"
        self._began_s = time.monotonic()

    async def carry_on(self) -> None:
        """Do what is left to do. Raises `Stopped` if the service ends first, `Fenced` if others have gone on."""
        seen = self._ledger.state.run(self._key)
        if seen.exited is not None:
            await self._tools.blocking(sweep, self._place.marker)
            await self._go_on(seen.exited)
        elif seen.started is not None:
            await self._tools.blocking(sweep, self._place.marker)
            await self._give_up(f"the runner that had it ({seen.started.runner}) is gone")
        else:
            await self._begin()

    async def _begin(self) -> None:
        try:
            ready = await to_begin(
                self._tools, self._call.bus, self._place, self._ledger.state, self._key, self._asked.prompt
            )
        except WorkspaceLost as error:
            await self._never_ran("unmergeable" if isinstance(error, Unmergeable) else "workspace_lost", str(error))
        except (EnvironmentLacks, BlobMissing) as error:
            await self._never_ran("unavailable", str(error))
        else:
            if self._call.stop.is_set():  # nothing has begun, so nothing is lost
                raise Stopped
            if (notice := unwalled(self._task, ready.sandbox)) and not self._ledger.state.degraded:
                await self._say(notice)
            await self._say(started(self._key, self._tools.runner, self._task.agent, ready))
            if self._attempt in self._ledger.state.cancelled:
                await self._end(self._no_agent("cancelled", "it was cancelled before the agent started"))
                return
            try:
                await self._run_to_its_end(ready)
            finally:
                await self._tools.blocking(checkpoint.dismiss, ready.workspace)

    async def _run_to_its_end(self, ready: Ready) -> None:
        self._tools.threads.submit(self._tools.spares.lay_in, ready.workspace.target)
        try:
            async with self._tools.beside(_foresee, ready.workspace):
                exited = await self._agent(ready)
        except Stopped:
            await self._give_up("the runner was stopped")
        else:
            await (self._end(exited) if exited.exit_code is None else self._conclude(exited, ready))

    async def give_in(self, reason: str) -> None:
        """End a run that can't be carried on, however often it was tried: a task may not wait for it for ever."""
        await self._ledger.load(fresh=True)
        seen, detail = self._ledger.state.run(self._key), self._redactor()(reason)
        if seen.started is None:
            await self._say(started(self._key, self._tools.runner, self._task.agent))
        if seen.exited is None:
            await self._say(self._no_agent("workspace_lost", detail))
        await self._finish("workspace_lost", detail)

    async def _never_ran(self, ending: Ending, detail: str) -> None:
        await self._say(started(self._key, self._tools.runner, self._task.agent))
        await self._end(self._no_agent(ending, detail))

    async def _end(self, exited: AgentExited) -> None:
        """Say that a run is over in which there is nothing to record."""
        await self._say(exited)
        await self._finish(exited.ending)

    async def _go_on(self, exited: AgentExited) -> None:
        """Finish a run whose agent was gone already when its runner died."""
        if exited.ending in ("unavailable", "workspace_lost") or exited.exit_code is None:
            await self._finish(exited.ending)
            return
        try:
            ready = await to_go_on(self._tools, self._place, self._ledger.state, self._key)
        except (WorkspaceLost, EnvironmentLacks) as error:
            await self._finish("workspace_lost", str(error))
        else:
            await self._conclude(exited, ready)

    async def _agent(self, ready: Ready) -> AgentExited:
        asked, task, place = self._asked, self._task, self._place
        job = Job(
            agent=task.agent, prompt=ready.prompt, attempt=self._attempt, run=self._run, workspace=place.workspace,
            home=place.home, transcript=place.transcript(*self._key), marker=self._marker, env=ready.kit.env,
            checks=task.checks, model=task.model, turns_max=asked.turns_max, budget_usd=asked.budget_usd,
            timeout_s=asked.timeout_s, silence_s=asked.silence_s, stuck_max=asked.stuck_max,
            resume=asked.resume,
        )  # fmt: skip
        halt = asyncio.Event()
        async with Speaker(self._call.bus, self._call.scope, self._attempt) as speaker:
            agent = asyncio.create_task(run_agent(job, ready.sandbox, self._tools.settings.agent, speaker.say, halt))
            return await attend(agent, self._call.stop, self._signals, halt)

    async def _conclude(self, exited: AgentExited, ready: Ready) -> None:
        """Record and check what the agent left, each step once, and say how the run ended."""
        redact = ready.kit.redactor()
        ending, ran = exited.ending, None
        try:
            files = await self._record(exited, ready.workspace, redact)
            unchecked = self._ledger.state.run(self._key).checks is None
            if unchecked and (ending in JUDGED or (ending in CHECKED and files)):
                ran = await self._judge(exited, ready, redact)
        except WorkspaceLost as error:
            await self._finish("workspace_lost", redact(str(error)))
            return
        except Cancelled:
            await self._finish("cancelled", "it was cancelled while the checks ran")
            return
        await self._finish(ending, before=ran)

    async def _judge(self, exited: AgentExited, ready: Ready, redact: Redactor) -> ChecksRan | None:
        """Run the checks, inspect the change beside them, and say what both have shown, all of it or nothing.

        Where it is only that the checks ran, that is returned, to be said together with the end.
        """
        seen, task = self._ledger.state.run(self._key), self._task
        from obra.services.agent_runner.inspecting import Inspection  # noqa: PLC0415 - see AgentRunner.run

        inspection = Inspection(self._tools, ready.workspace, task, self._ledger.state.policy, redact)
        delivery = self._tools.beside(deliver.foresee, ready.workspace, seen.checkpoint)
        async with inspection.begin(seen.checkpoint, exited), delivery:
            ran = await self._check(ready, redact) if task.checks else None
            found = await inspection.findings(ran, lambda: self._check(ready, redact))
            probed, fitted = await self._probe(ready, redact, ran, found)
        said: list[Event] = [*probed, ran] if ran else []
        found = (*found, *fitted)
        if seen.checkpoint and not self._ledger.state.base_checked:
            said += await self._at_base(ready, redact, ran, seen.checkpoint)
        if found and seen.inspected is None:
            said.insert(0, WorkspaceInspected(attempt=self._attempt, run=self._run, findings=found))
        if said == [ran]:
            return ran
        if said:
            await self._ledger.say(*said, key=self._key)
        return None

    async def _probe(
        self, ready: Ready, redact: Redactor, ran: ChecksRan | None, found: Sequence[Finding]
    ) -> tuple[Sequence[Event], Sequence[Finding]]:
        from obra.services.agent_runner.probing import Probing  # noqa: PLC0415 - see AgentRunner.run

        limit = self._tools.settings.agent.file_bytes_max
        probing = Probing(ready, self._task, self._ledger.state.policy, lambda: ready.room(self._marker, limit), redact)
        seen = self._ledger.state.run(self._key).checkpoint
        if ran is None or seen is None or not (files := probing.wanted(seen, ran, found)):
            return (), ()
        work = asyncio.create_task(probing.run(files, ran, seen, self._tools.blocking))
        return await attend(work, self._call.stop, self._signals)

    async def _at_base(
        self, ready: Ready, redact: Redactor, ran: ChecksRan | None, checkpoint: WorkspaceCheckpointed
    ) -> Sequence[Event]:
        from obra.services.agent_runner.baseline import at_base, wanted  # noqa: PLC0415 - see AgentRunner.run

        if not wanted(self._ledger.state.policy, ran, checkpoint):
            return []
        check = partial(self._check, ready, redact)
        return [await at_base(ready.workspace, checkpoint, check, self._tools.blocking, redact)]

    async def _record(self, exited: AgentExited, workspace: Workspace, redact: Redactor) -> int:
        """Say that the agent is gone while its work is being recorded; return how many files it changed."""
        seen = self._ledger.state.run(self._key)
        work = asyncio.create_task(self._checkpoint(workspace, redact)) if seen.checkpoint is None else None
        try:
            if seen.exited is None:
                await self._say(exited)
            if work is not None:
                await self._say(self._recorded(await work, workspace, interrupted=False))
        finally:
            if work is not None and not work.done():
                work.cancel()
                with suppress(asyncio.CancelledError, WorkspaceLost):
                    await work
        found = self._ledger.state.run(self._key).checkpoint
        return found.files_total if found else 0

    async def _check(self, ready: Ready, redact: Redactor) -> ChecksRan:
        room = ready.room(self._marker, self._tools.settings.agent.file_bytes_max)
        results, tries = [], self._ledger.state.policy.check_tries
        for command in self._task.checks:
            check = asyncio.create_task(run_check(command, room, self._task.check_timeout_s, redact, tries))
            results.append(await attend(check, self._call.stop, self._signals))
        passed = all(result.exit_code == 0 and not result.timed_out for result in results)
        return ChecksRan(attempt=self._attempt, run=self._run, checks=tuple(results), passed=passed)

    async def _give_up(self, reason: str) -> None:
        """Keep what a lost run left behind, return to the tree that it began with, and say so."""
        said: list[Event] = []
        begin, redact = self._ledger.state.began_with(self._key), self._redactor()
        begun = self._ledger.state.run(self._key).started
        if begun is not None and begun.workspace:
            try:
                repo, start = Path(self._task.repo), self._ledger.state.start
                workspace = await self._tools.blocking(workspaces.prepare, self._place, repo, *start)
                try:
                    found = await self._checkpoint(workspace, redact)
                    said.append(self._recorded(found, workspace, interrupted=True))
                finally:
                    commit = begin.commit if begin else workspace.base
                    await self._tools.blocking(workspaces.restore, workspace, commit)
                    said.append(WorkspaceRestored(commit=commit, reason=reason))
            except WorkspaceLost as error:
                reason = f"{reason}; {redact(str(error))}"
        said.append(AttemptInterrupted(attempt=self._attempt, run=self._run, reason=reason))
        await self._ledger.say(*said, key=self._key)

    def _redactor(self) -> Redactor:
        try:
            return pack(self._tools.home, self._call.scope, self._task, self._tools.settings.agent).redactor()
        except EnvironmentLacks:  # what is not there any more can't be looked for; what looks secret still is
            return Redactor()

    async def _checkpoint(self, workspace: Workspace, redact: Redactor) -> Checkpoint:
        label = Label(self._task.text, self._call.scope.task, self._attempt, self._run)
        return await recording.record(self._tools, self._place, workspace, label, redact)

    def _recorded(self, found: Checkpoint, workspace: Workspace, *, interrupted: bool) -> WorkspaceCheckpointed:
        begin = self._ledger.state.attempt_began_with(self._attempt)
        changed = found.tree != (begin.tree if begin else workspace.tree)
        return recording.event(found, self._key, workspace.base, changed=changed, interrupted=interrupted)

    def _no_agent(self, ending: Ending, detail: str) -> AgentExited:
        return AgentExited(attempt=self._attempt, run=self._run, ending=ending, detail=detail)

    async def _finish(self, ending: Ending, detail: str = "", *, before: ChecksRan | None = None) -> None:
        """Say how the run ended, and directly before it what *before* says."""
        took_ms = round((time.monotonic() - self._began_s) * 1e3, 3)
        finished = AttemptFinished(
            attempt=self._attempt, run=self._run, ending=ending, detail=detail, duration_ms=took_ms
        )
        await (self._ledger.say_in_turn(before, finished, key=self._key) if before else self._say(finished))

    async def _say(self, event: Event) -> None:
        await self._ledger.say(event, key=self._key)
