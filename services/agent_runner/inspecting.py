"""The inspection as a step of a run: reading goes on beside the checks, so that what is clean costs nothing more."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from obra.events import AgentExited, ChecksRan, Finding, Policy, TaskSubmitted, WorkspaceCheckpointed
from obra.services.agent_runner.inspection.look import look
from obra.services.agent_runner.inspection.model import Look, Suspicion
from obra.services.agent_runner.inspection.protect import Protected, settled
from obra.services.agent_runner.inspection.silence import silent
from obra.services.agent_runner.state import NAME
from obra.services.agent_runner.survey import WorkspaceLost
from obra.services.agent_runner.tools import Tools
from obra.services.agent_runner.workspace import Workspace
from obra.shared.git import GitFailed
from obra.shared.log import get_logger

FINDINGS_MAX = 50

log = get_logger(NAME)


class Inspection:
    """The inspection of one run, begun as it is entered. Leaves no thread behind that still works."""

    def __init__(
        self,
        tools: Tools,
        workspace: Workspace,
        task: TaskSubmitted,
        policy: Policy,
        redact: Callable[[str], str],
    ) -> None:
        self._tools, self._workspace, self._task = tools, workspace, task
        self._policy, self._redact = policy, redact
        self._looking: asyncio.Task[Look] | None = None
        self._commit = ""

    def begin(self, checkpoint: WorkspaceCheckpointed | None, exited: AgentExited) -> Self:
        """Start reading what was recorded, if there is anything."""
        if checkpoint is not None and checkpoint.files_total and self._policy.inspection != "off":
            self._commit = checkpoint.commit
            reading = self._tools.blocking(look, self._workspace, checkpoint, self._task, exited)
            self._looking = asyncio.create_task(reading)
        return self

    async def __aenter__(self) -> Self:
        """Go on while it reads."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what still reads."""
        if self._looking is not None and not self._looking.done():
            with suppress(Exception):  # `findings` tells it, if anybody still wants to know
                await self._looking

    async def findings(
        self, ran: ChecksRan | None = None, check: Callable[[], Awaitable[ChecksRan]] | None = None
    ) -> tuple[Finding, ...]:
        """Return what was found; *check* runs the checks again, for which the base's own tests are put back.

        An inspection that git or the disk prevents is itself something to know, and blocks nothing; files that are
        nested too deep to be read do, and whatever else it breaks on, since somebody may have made them so.
        """
        if self._looking is None:
            return ()
        try:
            told = await self._told(await self._looking, ran, check)
        except (GitFailed, WorkspaceLost, OSError) as error:
            told = (_failed(f"the change could not be inspected: {error}", blocks=False),)
        except RecursionError:
            told = (_failed("a changed file is nested too deep to be inspected", blocks=True),)
        except Exception as error:  # whoever changed the files may have made them so that it breaks
            log.exception("the inspection broke", task=self._workspace.place.scope.task)
            told = (_failed(f"the inspection broke on this change: {type(error).__name__}: {error}", blocks=True),)
        return tuple(self._said(finding) for finding in told)[:FINDINGS_MAX]

    async def _told(
        self, found: Look, ran: ChecksRan | None, check: Callable[[], Awaitable[ChecksRan]] | None
    ) -> tuple[Finding, ...]:  # fmt: skip
        if ran is None or check is None or not ran.passed:
            return settled(found, blocks=True)
        if not (found.protects and self._policy.protected_checks):
            return (*silent(ran), *settled(found, blocks=found.licence.level == "none"))
        protected = Protected(self._workspace, self._commit, found, check, self._tools.blocking)  # pyright: ignore[reportArgumentType]
        return (*silent(ran), *await protected.findings(ran))

    def _said(self, finding: Finding) -> Finding:
        blocks = finding.blocks and self._policy.inspection == "block"
        return replace(finding, blocks=blocks, detail=self._redact(finding.detail), path=self._redact(finding.path))


def _failed(what: str, *, blocks: bool) -> Finding:
    return Suspicion("not_inspected", what).finding(blocks=blocks)
