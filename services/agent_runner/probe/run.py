"""The probe as it runs: the checks once more under observation, then the calls that they made, altered."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from obra.services.agent_runner.checks import Room
from obra.services.agent_runner.probe import kit
from obra.services.agent_runner.probe.alter import TRIALS_MAX, Trial, trials
from obra.services.agent_runner.probe.calls import Call, Subject, Tree, lines_run, read
from obra.services.agent_runner.probe.judge import Came, Fitted, fitted, follows
from obra.services.agent_runner.process import Limits, Process, start
from obra.services.agent_runner.reachable import python
from obra.services.agent_runner.sandbox import wrap
from obra.shared.errors import ObraError

KIT = Path(kit.__file__).resolve().parent
INTERPRETERS = ("python", "python3", "bash", "sh", "node")
ANSWER_BYTES_MAX, JOB_BYTES_MAX = 8 * 1024**2, 2 * 1024**2
PROGRAM_TRIALS_MAX, PROGRAM_FIRST = 32, 8
WATCH_S, WATCH_TIMES, REPLAY_S = 3.0, 3.0, 10.0


Outputs = dict[int, str | None]
"""What came of each call that was made in time, by its number: its output, or None for an error."""

Job = tuple[Subject, Sequence[Call]]


class _Said(msgspec.Struct):
    number: int
    output: str | None = None


class _Line(msgspec.Struct):
    job: int
    said: _Said


@dataclass(frozen=True, slots=True)
class Probed:
    """What was seen of one subject; ``settled`` of its calls came to the same when they were made alone."""

    subject: Subject
    calls: tuple[Call, ...]
    settled: int
    came: tuple[Came, ...]
    fitted: Fitted | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a probe has shown. ``ran`` are the lines of changed Python files that the checks run, by the file's path."""

    code: tuple[Probed, ...] = ()
    ran: Mapping[str, frozenset[int]] = field(default_factory=dict)


class ProbeFailed(ObraError):
    """{problem}"""


async def probe(room: Room, checks: Sequence[str], changed: Sequence[str], seed: str, *, checks_s: float) -> Outcome:
    """Return what each function or program in *changed* that the checks call does with altered input.

    *checks_s* is how long the checks took before. Raises `OSError` and `ProbeFailed`.
    """
    watch_s = WATCH_S + WATCH_TIMES * checks_s
    async with _driven(room, watch_s + 3 * REPLAY_S + 1.0) as process:
        seen, ran = await _watch(process, room, checks, changed, watch_s)
        return Outcome(tuple(await _alter(process, seen, seed)), ran)


async def replayed(room: Room, jobs: Sequence[Job]) -> list[Outputs]:
    """Make calls that were seen before on the files that the workspace holds now. Raises as `probe` does."""
    async with _driven(room, 2 * REPLAY_S) as process:
        await _watch(process, room, (), (), WATCH_S)
        return await _replay(process, jobs)


@contextlib.asynccontextmanager
async def _driven(room: Room, limit_s: float) -> AsyncIterator[Process]:
    """Start what runs inside the sandbox, and end it in any case."""
    env = dict(room.env)
    argv = wrap(
        room.sandbox, [python(), "-I", "-S", str(KIT / "driver.py")], workspace=room.workspace, home=room.home, env=env,
        read_only=(KIT, python()), network=False,
    )  # fmt: skip
    process = await start(
        argv, cwd=room.workspace, env=env, sandbox=room.sandbox, marker=room.marker, stdin=True,
        limits=Limits(file_bytes_max=room.file_bytes_max),
    )  # fmt: skip
    try:
        async with asyncio.timeout(limit_s):
            yield process
    except TimeoutError as error:
        raise ProbeFailed(problem="it did not come to its end in time") from error
    finally:
        await process.close()


async def _watch(
    process: Process, room: Room, checks: Sequence[str], changed: Sequence[str], until_s: float
) -> tuple[dict[Subject, list[Call]], dict[str, frozenset[int]]]:
    paths = [str((room.workspace / path).resolve()) for path in changed]
    found = {name: shutil.which(name, path=room.path) for name in INTERPRETERS}
    asked = {
        "checks": checks, "changed": paths, "cwd": str(room.workspace.resolve()), "until_s": until_s,
        "interpreters": {name: path for name, path in found.items() if path}, "shell": found["bash"] or "/bin/sh",
    }  # fmt: skip
    await process.write(msgspec.json.encode(asked) + b"\n")
    lines, known = await _lines(process), frozenset(paths)
    return read(lines, known), lines_run(lines, known)


async def _alter(process: Process, seen: dict[Subject, list[Call]], seed: str) -> list[Probed]:
    """Make the calls altered, and alone before and after; of programs nobody knows yet what they answer.

    Programs are slow to start: the few alterations that come first show of most that they follow their input.
    """
    programs = [(subject, calls) for subject, calls in seen.items() if subject.kind == "program"]
    outputs = await _replay(process, programs)
    seen = seen | {subject: _said(calls, out) for (subject, calls), out in zip(programs, outputs, strict=True)}
    plans = [_Plan(subject, calls, seed) for subject, calls in seen.items() if calls]
    for plan, came in zip(plans, await _replay(process, [plan.first() for plan in plans]), strict=True):
        plan.take(came)
    doubted = [plan for plan in plans if plan.doubted]
    for plan, came in zip(doubted, await _replay(process, [plan.rest() for plan in doubted]), strict=True):
        plan.take(came)
    return [plan.probed() for plan in plans]


def _said(calls: Sequence[Call], outputs: Outputs) -> list[Call]:
    return [replace(call, output=said) for at, call in enumerate(calls) if (said := outputs.get(at)) is not None]


class _Plan:
    """What is tried of one subject, and what came of it. The calls themselves are made before and after."""

    def __init__(self, subject: Subject, calls: Sequence[Call], seed: str) -> None:
        self._subject, self._calls, self._program = subject, calls, subject.kind == "program"
        size = max(len(msgspec.json.encode(call.parts)) for call in calls)
        most = PROGRAM_TRIALS_MAX if self._program else TRIALS_MAX
        self._trials = trials(calls, seed, min(most, JOB_BYTES_MAX // size))
        self._made: list[Trial | int] = []
        self._came: list[Came] = []
        self._unsettled: set[int] = set()

    def first(self) -> Job:
        """Return what is tried first: of a function everything, in one process that may remember."""
        alone = range(len(self._calls))
        return self._job([*self._trials[:PROGRAM_FIRST]] if self._program else [*alone, *self._trials, *alone])

    def rest(self) -> Job:
        """Return what is tried after that, and the calls as they are."""
        return self._job([*self._trials[PROGRAM_FIRST:], *range(len(self._calls))])

    @property
    def doubted(self) -> bool:
        """Return whether more can still change what is thought of the subject."""
        return self._program and not follows(self._calls, self._came, self._trials)

    def take(self, outputs: Outputs) -> None:
        """Take in what came of the calls that were asked for last."""
        for number, made in enumerate(self._made):
            if isinstance(made, Trial):
                self._came += [Came(made, outputs[number])] if number in outputs else []
            elif outputs.get(number, self._calls[made].output) != self._calls[made].output:
                self._unsettled.add(made)

    def probed(self) -> Probed:
        """Judge what came, of those calls that came to the same each time."""
        kept = tuple(each for each in self._came if each.trial.of not in self._unsettled)
        settled = len(self._calls) - len(self._unsettled)
        return Probed(self._subject, tuple(self._calls), settled, kept, fitted(self._calls, kept))

    def _job(self, made: list[Trial | int]) -> Job:
        self._made = made
        return self._subject, [each.call if isinstance(each, Trial) else self._calls[each] for each in made]


async def _replay(process: Process, jobs: Sequence[Job]) -> list[Outputs]:
    """Return the outputs of each job."""
    if not jobs:
        return []
    request = {"jobs": [_job(subject, calls) for subject, calls in jobs], "until_s": REPLAY_S}
    await process.write(msgspec.json.encode(request) + b"\n")
    found: list[Outputs] = [{} for _ in jobs]
    for line in await _lines(process):
        try:
            one = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError:
            continue
        if 0 <= one.job < len(found):
            found[one.job][one.said.number] = one.said.output
    return found


def _job(subject: Subject, calls: Sequence[Call]) -> dict[str, Any]:
    given = [_words(call) if subject.kind == "program" else _arguments(call) for call in calls]
    return {**asdict(subject), "calls": given}


def _arguments(call: Call) -> dict[str, Any]:
    named = {name.removesuffix("="): part for name, part in call.parts.items() if name.endswith("=")}
    return {"args": [part for name, part in call.parts.items() if not name.endswith("=")], "kwargs": named}


def _words(call: Call) -> dict[str, Any]:
    args = [_word(part) for name, part in call.parts.items() if name != "stdin"]
    return {"args": args, "stdin": call.parts.get("stdin")}


def _word(part: Tree) -> dict[str, Any]:
    if isinstance(part, str):
        return {"word": part}
    inner = part["file"]
    return {"name": part["name"], "content": inner if isinstance(inner, str) else dict(inner["d"])}


async def _lines(process: Process) -> list[bytes]:
    """Return the lines up to an empty one; what is too much is not kept."""
    kept: list[bytes] = []
    size, rest = 0, b""
    while data := await process.read():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if not line:
                return kept
            size += len(line)
            kept += [line] if size <= ANSWER_BYTES_MAX else []
        if len(rest) > ANSWER_BYTES_MAX:
            break
    raise ProbeFailed(problem=f"it ended before it had answered: {process.stderr.strip()[-200:]}")
