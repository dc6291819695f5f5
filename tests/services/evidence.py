"""Short ways to say what an attempt left behind."""

from typing import Any

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptRequested,
    AttemptReviewed,
    AttemptScored,
    AttemptStarted,
    CheckResult,
    ChecksRan,
    Content,
    Denial,
    Ending,
    Event,
    FileChange,
    LlmSelected,
    Policy,
    TaskReadied,
    TaskSubmitted,
    Tokens,
    WorkspaceCheckpointed,
)

TASK = TaskSubmitted(text="add a flag", repo="/r", checks=("pytest -q",))
UNCHECKED = TaskSubmitted(text="add a flag", repo="/r")
READY = TaskReadied()
NO_LLM = LlmSelected(asked="none", provider="none")
LLM = LlmSelected(asked="ollama/m", provider="ollama", model="m")


def task(**fields: Any) -> TaskSubmitted:
    return TaskSubmitted(**{"text": "add a flag", "repo": "/r", "checks": ("pytest -q",), **fields})


def readied(**policy: Any) -> TaskReadied:
    return TaskReadied(policy=Policy(**policy))


def requested(attempt: int = 1, run: int = 1, prompt: str = "go") -> AttemptRequested:
    return AttemptRequested(attempt=attempt, run=run, prompt=Content.of(prompt), turns_max=30)


def ran(
    attempt: int = 1,
    run: int = 1,
    *,
    ending: Ending = "completed",
    detail: str = "",
    said: str = "",
    denials: tuple[Denial, ...] = (),
    files: tuple[str, ...] = ("a.py",),
    checks: dict[str, int] | None = None,
    output: str = "",
    cost: float = 0.0,
) -> list[Event]:
    """Return what the runner says of one run, all but its last word; *checks* are exit codes by command."""
    codes = {"pytest -q": 0} if checks is None else checks
    results = tuple(CheckResult(command=c, exit_code=n, output=Content.of(output)) for c, n in codes.items())
    changes = tuple(FileChange(path=path, kind="added", added=1) for path in files)
    said_by_agent = AgentExited(
        attempt=attempt, run=run, ending=ending, detail=detail, exit_code=0, result=Content.of(said), denials=denials,
        cost_usd=cost, tokens=Tokens(input=10, output=1),
    )  # fmt: skip
    checkpoint = WorkspaceCheckpointed(
        attempt=attempt, run=run, commit="c1", tree="t1", base="b0", files=changes, files_total=len(changes)
    )
    told: list[Event] = [
        requested(attempt, run), AttemptStarted(attempt=attempt, run=run, runner="r", base="b0"), said_by_agent,
        checkpoint,
    ]  # fmt: skip
    if results:
        told.append(ChecksRan(attempt=attempt, run=run, checks=results, passed=not any(codes.values())))
    return told


def finished(attempt: int = 1, run: int = 1, ending: Ending = "completed") -> AttemptFinished:
    return AttemptFinished(attempt=attempt, run=run, ending=ending)


def scored(attempt: int = 1, run: int = 1, quality: float = 1.0, confidence: float = 0.95) -> AttemptScored:
    return AttemptScored(attempt=attempt, run=run, quality=quality, confidence=confidence)


def reviewed(*, approves: bool, quality: float = 0.5, summary: str = "", usable: bool = True) -> AttemptReviewed:
    return AttemptReviewed(
        attempt=1, run=1, usable=usable, approves=approves, quality=quality, summary=summary, provider="ollama"
    )
