"""Circles in an agent's steps: five patterns, and what is no circle because it waits for something.

| pattern | what it is | from |
|---|---|---|
| repeated_call | the same call with the same outcome, nothing else in between | 4 times |
| repeated_error | the same error in a row, or of the same call, whatever is done in between | 3 times, or 5 |
| alternation | two calls in turns, A-B-A-B-A-B, with the same outcomes | 3 cycles |
| edit_revert | an edit that takes back an earlier one of the same file | 2 times |
| monologue | the same words, without a call in between | 3 times |

The patterns are those that OpenHands' stuck detector is known by, with reverts of edits in the place of errors of the
context window. To look at something that runs again and again (sleep, a log, a status page) is waiting, not a circle:
such calls count only from `WAITS_MAX` on, since even a wait must have an end.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from obra.events import Stuck, StuckKind
from obra.services.agent_runner.adapters.steps import SHOWN_CHARS, Step

CALLS_MIN, ERRORS_MIN, SAME_ERRORS_MIN, CYCLES_MIN, REVERTS_MIN, WORDS_MIN = 4, 3, 5, 3, 2, 3
WAITS_MAX = 60

WAIT_TOOLS = frozenset({"BashOutput", "TaskOutput", "AgentOutput", "Wait", "Sleep", "Monitor"})
WAITING = re.compile(
    r"\b(?:sleep|wait|watch|tail|pgrep|ps|jobs|squeue|sacct|qstat|ping|nc|curl|wget|httping|lsof|ss|netstat)\b"
    r"|\b(?:docker|podman|docker-compose) (?:compose )?(?:ps|logs|inspect|wait)\b"
    r"|\bkubectl (?:get|logs|describe|rollout|wait)\b|\bgh (?:run|pr checks|workflow)\b"
    r"|\bsystemctl (?:status|is-active)\b|\bjournalctl\b|\b(?:pg_isready|redis-cli ping|mysqladmin ping)\b"
)


def patterns(steps: Sequence[Step]) -> tuple[Stuck, ...]:
    """Return every pattern in *steps* of one thread, at most one of each kind: the longest."""
    calls = [step for step in steps if step.tool]
    found = [
        *_repeated(calls, "repeated_call", _as_call, CALLS_MIN),
        *_repeated(calls, "repeated_error", _as_error, ERRORS_MIN),
        *_insisting(calls),
        *_alternating(calls),
        *_reverted(calls),
        *_repeated(steps, "monologue", lambda step: step.said, WORDS_MIN),
    ]
    kinds = {stuck.kind for stuck in found}
    return tuple(
        max((stuck for stuck in found if stuck.kind == kind), key=lambda stuck: stuck.times)
        for kind in ("repeated_call", "repeated_error", "alternation", "edit_revert", "monologue")
        if kind in kinds
    )


def waits(step: Step) -> bool:
    """Return whether *step* only looks how far something else has come."""
    return step.tool in WAIT_TOOLS or (step.tool == "Bash" and bool(WAITING.search(step.target)))


def _as_call(step: Step) -> str:
    return "" if step.wrong else f"{step.call} {step.outcome}"


def _as_error(step: Step) -> str:
    return f"{step.tool} {step.outcome}" if step.wrong else ""


def _repeated(steps: Sequence[Step], kind: StuckKind, same: Callable[[Step], str], least: int) -> Iterator[Stuck]:
    for key, group in groupby(steps, key=same):
        run = list(group)
        if key and len(run) >= (WAITS_MAX if waits(run[0]) else least):
            yield Stuck(kind=kind, times=len(run), detail=_shown(run[0]))


def _insisting(calls: Sequence[Step]) -> Iterator[Stuck]:
    """Yield calls that end in the same error each time they are made, however far apart."""
    runs: dict[str, tuple[str, int]] = {}
    for step in calls:
        error, times = runs.get(step.call, ("", 0))
        if not step.wrong:
            runs.pop(step.call, None)
            continue
        times = times + 1 if step.outcome == error else 1
        runs[step.call] = (step.outcome, times)
        if times >= (WAITS_MAX if waits(step) else SAME_ERRORS_MIN):
            yield Stuck(kind="repeated_error", times=times, detail=_shown(step))


def _alternating(calls: Sequence[Step]) -> Iterator[Stuck]:
    keys = [f"{step.call} {step.outcome}" for step in calls]
    start = 0
    for at in range(2, len(keys) + 1):
        goes_on = at < len(keys) and keys[at] == keys[at - 2] and keys[at] != keys[at - 1]
        if goes_on:
            continue
        cycles = (at - start) // 2
        pair = calls[start : start + 2]
        if cycles >= CYCLES_MIN and keys[start] != keys[start + 1] and not any(map(waits, pair)):
            yield Stuck(
                kind="alternation", times=cycles, detail=" / ".join(map(_shown, pair))[:SHOWN_CHARS]
            )  # fmt: skip
        start = at - 1


def _reverted(calls: Sequence[Step]) -> Iterator[Stuck]:
    """Yield files in which edits were taken back: by the edit the other way round, or by writing what stood there."""
    edits: dict[str, set[tuple[str, str]]] = {}
    written: dict[str, list[str]] = {}
    times: dict[str, int] = {}
    for step in calls:
        if not step.path:
            continue
        if step.tool == "Write":
            texts = written.setdefault(step.path, [])
            reverts = step.after in texts[:-1] and texts[-1] != step.after
            texts.append(step.after)
        else:
            before = edits.setdefault(step.path, set())
            reverts = (step.after, step.before) in before
            before.add((step.before, step.after))
        times[step.path] = times.get(step.path, 0) + reverts
    for path, count in times.items():
        if count >= REVERTS_MIN:
            yield Stuck(kind="edit_revert", times=count, detail=path[:SHOWN_CHARS])


def _shown(step: Step) -> str:
    return " ".join(f"{step.tool} {step.target}".split())[:SHOWN_CHARS]
