"""The task's checks at the commit that it grew from: what passed before any work, and what did not."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from obra.events import BaseChecked, ChecksRan, Content, Policy, ServiceDegraded, WorkspaceCheckpointed
from obra.services.agent_runner import workspace as workspaces
from obra.services.agent_runner.inspection.protect import recover
from obra.services.agent_runner.state import NAME
from obra.services.agent_runner.survey import WorkspaceLost
from obra.services.agent_runner.workspace import Workspace
from obra.shared.git import GitFailed

Check = Callable[[], Awaitable[ChecksRan]]
Do = Callable[..., Awaitable[Any]]


def wanted(policy: Policy, ran: ChecksRan | None, checkpoint: WorkspaceCheckpointed | None) -> bool:
    """Return whether somebody wants to know how the base fares, and the work differs from it."""
    if ran is None or checkpoint is None or not checkpoint.files_total:
        return False
    return policy.base_checks or (policy.breakpoints.breaking_test and not ran.passed)


async def at_base(
    workspace: Workspace, checkpoint: WorkspaceCheckpointed, check: Check, blocking: Do, redact: Callable[[str], str]
) -> BaseChecked | ServiceDegraded:
    """Run the checks where the agent ran, on the files of the base, and put the work back; or say why that failed."""
    try:
        try:
            await blocking(workspaces.begin, workspace, workspace.base)
            ran = await check()
        finally:
            await blocking(recover, workspace, checkpoint.commit)
    except (GitFailed, WorkspaceLost, OSError) as error:
        effect = "whether the checks passed before any work is not known"
        return ServiceDegraded(service=NAME, lacking="base checks", reason=redact(str(error)), effect=effect)
    checks = tuple(replace(each, output=Content()) for each in ran.checks)
    return BaseChecked(attempt=ran.attempt, run=ran.run, checks=checks)
