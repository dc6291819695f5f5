"""Runs one agent to its end and says how it ended."""

import asyncio
import errno
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from obra.events import AgentExited, Content, Denial, Ending, SelfTest, Stuck
from obra.services.agent_runner.adapters import claude, scripted
from obra.services.agent_runner.adapters.classify import Exit, classify
from obra.services.agent_runner.adapters.launch import AgentFound, Launch
from obra.services.agent_runner.adapters.messages import TEXT_MAX
from obra.services.agent_runner.conversation import Conversation
from obra.services.agent_runner.job import Job, Say
from obra.services.agent_runner.permissions import Permissions
from obra.services.agent_runner.place import directory
from obra.services.agent_runner.process import ExitStatus, Limits, Process, start
from obra.services.agent_runner.redaction import Redactor, secrets_of
from obra.services.agent_runner.sandbox import Sandbox, wrap
from obra.services.agent_runner.transcript import Live, Transcript
from obra.shared.config import AgentSettings
from obra.shared.errors import EnvironmentLacks
from obra.shared.refusal import breaks_off, refuses

COMMAND_CHARS_MAX = 500

__all__ = ["AgentFound", "probe_agent", "run_agent"]


async def probe_agent(agent: str, settings: AgentSettings, path: str) -> AgentFound:
    """Return where *agent* is, looking on *path*; `EnvironmentLacks` with what to do if it is not there.

    It is looked for, not started, so this is cheap and the version may be unknown.
    """
    if agent.startswith(scripted.PREFIX):
        return scripted.find(agent)
    if agent == "claude":
        return claude.find(settings.claude, path or settings.path or claude.DEFAULT_PATH)
    raise EnvironmentLacks(problem=f"there is no agent {agent!r}: there are `claude` and `scripted:FILE`")


async def run_agent(job: Job, sandbox: Sandbox, settings: AgentSettings, say: Say, stop: asyncio.Event) -> AgentExited:
    """Run *job* until the agent ended, a limit was reached or *stop* was set, and return how it ended.

    Nothing that the agent does raises. Cancellation does, after everything it started is gone.
    """
    began_s = time.monotonic()
    redact = Redactor([*secrets_of(job.env), *secrets_of(settings.env)])
    try:
        launch = _launch(job, sandbox, settings)
        redact = Redactor([*secrets_of(launch.env), *launch.secrets])
        transcript = Transcript(job.transcript, redact, settings.output_bytes_max)
    except (EnvironmentLacks, OSError) as error:
        return _never_ran(job, redact, error)
    try:
        process = await _started(job, sandbox, settings, launch)
    except OSError as error:
        transcript.close()
        return _never_ran(job, redact, error)
    except asyncio.CancelledError:
        transcript.close()
        raise
    live = Live(say, redact)
    permissions = Permissions(job.workspace, sandbox.kind == "bwrap", job.checks)
    conversation = Conversation(process, job, permissions, transcript, live)
    try:
        status = await conversation.hold(stop)
    finally:
        await _closed(process)
        transcript.close(process.stderr)
    if transcript.problem:
        await live.notice(transcript.problem)
    await live.finish()
    return _event(job, conversation, status, process.stderr, redact, time.monotonic() - began_s)


def _launch(job: Job, sandbox: Sandbox, settings: AgentSettings) -> Launch:
    directory(job.home / "tmp")
    if job.agent.startswith(scripted.PREFIX):
        return scripted.launch(job, sandbox, settings)
    if job.agent == "claude":
        return claude.launch(job, sandbox, settings)
    raise EnvironmentLacks(problem=f"there is no agent {job.agent!r}: there are `claude` and `scripted:FILE`")


async def _started(job: Job, sandbox: Sandbox, settings: AgentSettings, launch: Launch) -> Process:
    argv = wrap(
        sandbox, launch.argv, workspace=job.workspace, home=job.home, env=launch.env, read_only=launch.read_only
    )
    return await start(
        argv, cwd=job.workspace, env=launch.env, sandbox=sandbox, marker=job.marker, stdin=True,
        limits=Limits(file_bytes_max=settings.file_bytes_max),
    )  # fmt: skip


async def _closed(process: Process) -> None:
    """Leave nothing of *process*, even while we are being cancelled."""
    closing = asyncio.ensure_future(process.close())
    cancelled: asyncio.CancelledError | None = None
    while not closing.done():
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError as error:
            if closing.cancelled():
                raise
            cancelled = error
    if cancelled is not None:
        raise cancelled
    closing.result()


def _never_ran(job: Job, redact: Callable[[str], str], error: EnvironmentLacks | OSError) -> AgentExited:
    """Return the event of an agent that could not be started, because of itself or of where it was to work."""
    ending: Ending = "unavailable"
    detail = str(error)
    if isinstance(error, OSError):
        lost = error.errno in (errno.ENOSPC, errno.EDQUOT) or not job.workspace.is_dir()
        ending = "workspace_lost" if lost else "unavailable"
        detail = f"it could not be started: {error.strerror}: {error.filename or job.workspace}"
    return AgentExited(attempt=job.attempt, run=job.run, ending=ending, detail=redact(detail), exit_code=None)


def _event(
    job: Job, conversation: Conversation, status: ExitStatus, stderr: str, redact: Callable[[str], str], took_s: float
) -> AgentExited:  # fmt: skip
    """Return everything that was observed, in the words of the event."""
    seen = conversation.seen
    limit_s = {"timed_out": job.timeout_s, "hung": job.silence_s}.get(conversation.stopped)
    limit = "" if limit_s is None else f"{limit_s:g} s"
    exit_ = Exit(status.returned, conversation.stopped, status.problem, redact(stderr), limit)
    ending, detail = classify(seen, exit_)
    result = seen.result
    return AgentExited(
        attempt=job.attempt,
        run=job.run,
        ending=ending,
        detail=redact(detail)[:2_000],
        exit_code=status.returned,
        result=Content.of(redact(result.text or "")) if result and result.text else Content(),
        session=redact(seen.session)[:200],
        model=redact(seen.model)[:200],
        version=redact(seen.version)[:200],
        turns=result.turns if result else seen.turns,
        tokens=seen.spent(),
        context_tokens=seen.context_tokens,
        context_window=seen.context_window,
        cost_usd=seen.cost_usd if math.isfinite(seen.cost_usd) else 0.0,
        denials=tuple(
            Denial(tool=redact(each.tool), target=redact(each.target)[:TEXT_MAX]) for each in seen.denials.values()
        ),
        errors=tuple(redact(error)[:TEXT_MAX] for error in seen.errors),
        tools={redact(name): count for name, count in seen.tools.items()},
        commands=tuple(redact(command)[:COMMAND_CHARS_MAX] for command in seen.commands),
        questions=tuple(redact(question)[:TEXT_MAX] for question in seen.questions),
        stuck=tuple(Stuck(kind=e.kind, times=e.times, detail=redact(e.detail)) for e in conversation.stuck()),
        tested=tuple(
            SelfTest(command=redact(e.command), failed=e.failed, said=redact(e.said)) for e in seen.steps.tested
        ),
        last_words=_gives_away(result.text if result else None),
        retry_at=seen.retry_at,
        retry_after_s=_until_s(seen.retry_at),
        lines=conversation.lines,
        lines_odd=conversation.lines_odd,
        transcript=str(Path(job.transcript)),
        duration_ms=round(took_s * 1000, 3),
    )


def _gives_away(text: str | None) -> Literal["", "refusal", "cut"]:
    if refuses(text or ""):
        return "refusal"
    return "cut" if breaks_off(text or "") else ""


def _until_s(moment: str) -> float:
    """Return how long it is from now to *moment*, ISO 8601; 0 if it is none or past."""
    if not moment:
        return 0.0
    return round(max(0.0, (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()), 3)
