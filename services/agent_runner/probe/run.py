"""The probe as it runs: the checks once more under observation, then the calls that they made, altered."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from obra.services.agent_runner.checks import Room
from obra.services.agent_runner.probe import kit
from obra.services.agent_runner.probe.alter import TRIALS_MAX, Trial, trials
from obra.services.agent_runner.probe.calls import Call, Subject, Tree, read
from obra.services.agent_runner.probe.judge import Came, Fitted, fitted
from obra.services.agent_runner.process import Limits, Process, start
from obra.services.agent_runner.reachable import python
from obra.services.agent_runner.sandbox import wrap
from obra.shared.errors import ObraError

KIT = Path(kit.__file__).resolve().parent
INTERPRETERS = ("python", "python3", "bash", "sh", "node")
ANSWER_BYTES_MAX = 8 * 1024**2
PROGRAM_TRIALS_MAX = 40
WATCH_S, WATCH_TIMES, REPLAY_S = 3.0, 3.0, 5.0


Outputs = dict[int, str | None]
"""What came of each call that was made in time, by its number: its output, or None for an error."""


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


class TooLate(ObraError):
    """The probe did not come to its end in time"""


async def probe(
    room: Room, checks: Sequence[str], changed: Sequence[str], seed: str, *, checks_s: float
) -> list[Probed]:
    """Return what each function or program in *changed* that the checks call does with altered input.

    *checks_s* is how long the checks took before. Raises `OSError` and `TooLate`.
    """
    env, watch_s = dict(room.env), WATCH_S + WATCH_TIMES * checks_s
    argv = wrap(
        room.sandbox, [python(), "-I", "-S", str(KIT / "driver.py")], workspace=room.workspace, home=room.home, env=env,
        read_only=(KIT, python()), network=False,
    )  # fmt: skip
    process = await start(
        argv, cwd=room.workspace, env=env, sandbox=room.sandbox, marker=room.marker, stdin=True,
        limits=Limits(file_bytes_max=room.file_bytes_max),
    )  # fmt: skip
    try:
        async with asyncio.timeout(watch_s + 2 * REPLAY_S + 1.0):
            seen = await _watch(process, room, checks, changed, watch_s)
            return await _alter(process, seen, seed)
    except TimeoutError as error:
        raise TooLate from error
    finally:
        await process.close()


async def _watch(
    process: Process, room: Room, checks: Sequence[str], changed: Sequence[str], until_s: float
) -> dict[Subject, list[Call]]:
    paths = [str((room.workspace / path).resolve()) for path in changed]
    found = {name: shutil.which(name, path=room.path) for name in INTERPRETERS}
    asked = {
        "checks": checks, "changed": paths, "cwd": str(room.workspace.resolve()), "until_s": until_s,
        "interpreters": {name: path for name, path in found.items() if path}, "shell": found["bash"] or "/bin/sh",
    }  # fmt: skip
    await process.write(msgspec.json.encode(asked) + b"\n")
    return read(await _lines(process), frozenset(paths))


async def _alter(process: Process, seen: dict[Subject, list[Call]], seed: str) -> list[Probed]:
    """Make the calls alone, altered, and alone again; of programs nobody knows yet what they answer."""
    programs = [(subject, calls) for subject, calls in seen.items() if subject.kind == "program"]
    outputs = await _replay(process, programs) if programs else []
    seen = seen | {subject: _said(calls, out) for (subject, calls), out in zip(programs, outputs, strict=True)}
    plans = [(subject, calls, trials(calls, seed, _most(subject))) for subject, calls in seen.items() if calls]
    jobs = [(subject, [*calls, *(trial.call for trial in made), *calls]) for subject, calls, made in plans]
    came = await _replay(process, jobs) if jobs else []
    return [_probed(*plan, outputs) for plan, outputs in zip(plans, came, strict=True)]


def _said(calls: Sequence[Call], outputs: Outputs) -> list[Call]:
    return [replace(call, output=said) for at, call in enumerate(calls) if (said := outputs.get(at)) is not None]


def _most(subject: Subject) -> int:
    return PROGRAM_TRIALS_MAX if subject.kind == "program" else TRIALS_MAX


def _probed(subject: Subject, calls: Sequence[Call], made: Sequence[Trial], outputs: Outputs) -> Probed:
    """Judge what came, where the calls themselves came to the same before and, if there was time for it, after."""
    last = len(calls) + len(made)
    same = {
        at for at, call in enumerate(calls) if outputs.get(at) == outputs.get(last + at, call.output) == call.output
    }
    numbers = ((trial, len(calls) + at) for at, trial in enumerate(made))
    came = [Came(trial, outputs[number]) for trial, number in numbers if number in outputs]
    kept = tuple(each for each in came if each.trial.of in same)
    return Probed(subject, tuple(calls), len(same), kept, fitted(calls, kept))


async def _replay(process: Process, jobs: Sequence[tuple[Subject, Sequence[Call]]]) -> list[Outputs]:
    """Return the outputs of each job."""
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
    """Return the lines up to an empty one, or to the end; what is too much is not kept."""
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
    return kept
