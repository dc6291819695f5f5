"""One attempt in the story of a task."""

import msgspec
from msgspec.structs import replace

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptReviewed,
    AttemptScored,
    AttemptStarted,
    ChecksRan,
    ClaimContradicted,
    DecisionMade,
    Event,
    FileChange,
    Tokens,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.shared.evidence import seen_in


class Chapter(msgspec.Struct, frozen=True):
    """One attempt, all its runs together: the newest evidence, and the sums of time, money and tokens.

    Times are ISO 8601, UTC. ``commit`` is the newest checkpoint.
    """

    attempt: int
    runs: int = 0
    agent: str = ""
    agent_version: str = ""
    sandbox: str = ""
    started_at: str = ""
    ended_at: str = ""
    ending: str = ""
    detail: str = ""
    result: str = ""
    interruptions: tuple[str, ...] = ()
    cost_usd: float = 0.0
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    agent_ms: float = 0.0
    checks: tuple[tuple[str, int], ...] = ()
    findings: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    files_total: int = 0
    lines_added: int = 0
    lines_deleted: int = 0
    commit: str = ""
    review: str = ""
    contradicted: tuple[str, ...] = ()
    quality: float | None = None
    confidence: float | None = None
    decision: str = ""
    reasons: tuple[str, ...] = ()


def told(chapters: tuple[Chapter, ...], event: Event, at: str) -> tuple[Chapter, ...]:
    """Return *chapters* with *event*, appended at *at*, told in the chapter of its attempt."""
    attempt = getattr(event, "attempt", 0)
    if not attempt:
        return chapters
    chapter = next((c for c in chapters if c.attempt == attempt), None) or Chapter(attempt)
    new = _evidence(chapter, event, at) or _judgement(chapter, event) or chapter
    others = (c for c in chapters if c.attempt != attempt)
    return tuple(sorted((*others, new), key=lambda c: c.attempt))


def _evidence(chapter: Chapter, event: Event, at: str) -> Chapter | None:
    match event:
        case AttemptRequested(run=run):
            return replace(chapter, runs=max(chapter.runs, run))
        case AttemptStarted():
            return replace(
                chapter, runs=max(chapter.runs, event.run), agent=event.agent, agent_version=event.agent_version,
                sandbox=event.sandbox, started_at=chapter.started_at or at, ended_at="", ending="", detail="",
            )  # fmt: skip
        case AgentExited():
            return replace(
                chapter, ending=event.ending, detail=event.detail, result=event.result.text,
                cost_usd=round(chapter.cost_usd + event.cost_usd, 6), tokens=chapter.tokens + event.tokens,
                agent_ms=chapter.agent_ms + event.duration_ms,
            )  # fmt: skip
        case WorkspaceCheckpointed(interrupted=False):
            return replace(
                chapter, files=event.files, files_total=event.files_total, lines_added=event.lines_added,
                lines_deleted=event.lines_deleted, commit=event.commit,
            )  # fmt: skip
        case WorkspaceInspected():
            return replace(chapter, findings=tuple(seen_in(finding) for finding in event.findings))
        case ChecksRan():
            return replace(chapter, checks=tuple((c.command, c.exit_code) for c in event.checks))
        case AttemptFinished():
            return replace(chapter, ending=event.ending, ended_at=at)
        case AttemptInterrupted():
            return replace(chapter, ended_at=at, interruptions=(*chapter.interruptions, event.reason))
        case _:
            return None


def _judgement(chapter: Chapter, event: Event) -> Chapter | None:
    match event:
        case AttemptReviewed(usable=False):
            return replace(chapter, review=f"none: {event.reason}" if event.reason else "none")
        case AttemptReviewed():
            view = "approves" if event.approves else "disapproves"
            return replace(chapter, review=f"{view}: {event.summary}" if event.summary else view)
        case AttemptScored():
            return replace(chapter, quality=event.quality, confidence=event.confidence)
        case ClaimContradicted():
            said = f'"{event.claim}", but {event.evidence}'
            return replace(chapter, contradicted=(*chapter.contradicted, said))
        case DecisionMade():
            return replace(chapter, decision=event.action, reasons=event.reasons)
        case _:
            return None
