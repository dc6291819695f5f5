"""Hidden checks: run on accepted work once its task is over, and told to nobody who did or judged it."""

import asyncio
from pathlib import Path

from obra.events import CheckResult, Content, ServiceDegraded, TaskCompleted, TaskLabelled
from obra.services.agent_runner import workspace as workspaces
from obra.services.agent_runner.checks import NOT_STARTED, Room, run_check
from obra.services.agent_runner.kit import pack
from obra.services.agent_runner.ledger import Ledger
from obra.services.agent_runner.place import Place
from obra.services.agent_runner.sandbox import choose
from obra.services.agent_runner.state import NAME
from obra.services.agent_runner.survey import WorkspaceLost
from obra.services.agent_runner.tools import Tools, attend
from obra.services.agent_runner.watch import Signals
from obra.shared.errors import EnvironmentLacks
from obra.shared.evidence import said_of

OUTPUT_CHARS_MAX = 4_000


def due(ledger: Ledger) -> bool:
    """Return whether the task has hidden checks that have not said anything yet."""
    task = ledger.state.task
    return task is not None and bool(task.hidden_checks) and not ledger.state.labelled


async def judge(tools: Tools, ledger: Ledger, place: Place, signals: Signals) -> None:
    """Run the hidden checks on the accepted tree, and label the attempt with what they say.

    A check that could not run says nothing about the work: then there is no label, and an event that tells why.
    """
    completed, task = ledger.call.recorded.event, ledger.state.task
    assert isinstance(completed, TaskCompleted)
    assert task is not None
    try:
        results = await _run(tools, ledger, place, completed, signals)
    except (WorkspaceLost, EnvironmentLacks) as error:
        await _lacking(ledger, str(error))
        return
    if absent := next((r for r in results if r.exit_code in (NOT_STARTED, NOT_STARTED - 1) and not r.timed_out), None):
        await _lacking(ledger, f"`{absent.command}` could not be run: {absent.output.text.strip()[:OUTPUT_CHARS_MAX]}")
        return
    failed = [result for result in results if result.exit_code or result.timed_out]
    note = "\n".join(f"`{r.command}` {said_of(r)}\n{r.output.text[-OUTPUT_CHARS_MAX:]}".rstrip() for r in failed)
    label = TaskLabelled(
        good=not failed, source="hidden_check", attempt=completed.attempt,
        note=Content.of(note or f"{len(results)} hidden {'check' if len(results) == 1 else 'checks'} passed"),
    )  # fmt: skip
    await ledger.say_afterwards(label)


async def _run(
    tools: Tools, ledger: Ledger, place: Place, completed: TaskCompleted, signals: Signals
) -> list[CheckResult]:
    task, settings = ledger.state.task, tools.settings
    assert task is not None
    kit = pack(tools.home, place.scope, task, settings.agent)
    sandbox = await choose(task.sandbox, settings.sandbox, [tools.home.root])
    made = await tools.blocking(workspaces.prepare, place, Path(task.repo), ledger.state.base or task.base)
    await tools.blocking(workspaces.begin, made, completed.commit)
    marker = f"{place.marker}{completed.attempt}.hidden"
    room = Room(place.workspace, place.fresh_home(), kit.path, sandbox, marker, settings.agent.file_bytes_max)
    results = []
    for command in task.hidden_checks:
        check = asyncio.create_task(run_check(command, room, task.check_timeout_s, kit.redactor()))
        results.append(await attend(check, ledger.call.stop, signals))
    await tools.blocking(workspaces.begin, made, completed.commit)
    return results


async def _lacking(ledger: Ledger, reason: str) -> None:
    effect = "the accepted work has no label from them"
    await ledger.say_afterwards(ServiceDegraded(service=NAME, lacking="hidden checks", reason=reason, effect=effect))
