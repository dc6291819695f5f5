"""The review: the evidence of a run as a question, and the reply as an event."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from obra.events import (
    ENDINGS,
    JUDGED,
    AttemptFinished,
    AttemptReviewed,
    CheckResult,
    ChecksRan,
    Content,
    FileChange,
    Issue,
    WorkspaceCheckpointed,
)
from obra.services.supervisor_llm.kind import Asked, Kind, Seen
from obra.services.supervisor_llm.state import Evidence
from obra.shared.llm.material import Section

FILES_MAX = 200


class Problem(BaseModel):
    """One issue, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    text: Annotated[str, Field(min_length=1, max_length=1_000)]
    severity: Literal["blocker", "major", "minor"]
    path: Annotated[str, Field(max_length=300)]
    quote: Annotated[str, Field(max_length=500)]


class Review(BaseModel):
    """The review, as the model must write it: first the findings, then the verdict that follows from them."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    summary: Annotated[str, Field(min_length=1, max_length=2_000)]
    issues: Annotated[list[Problem], Field(max_length=10)]
    quality: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    approves: bool

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Review":
        if self.approves and any(issue.severity == "blocker" for issue in self.issues):
            raise ValueError("approves is true although an issue is a blocker")
        return self


def wanted(seen: Seen, finished: AttemptFinished) -> bool:
    """Return whether the run waits for an opinion. A run whose place a newer one took does not."""
    newest = (seen.state.evidence.attempt, seen.state.evidence.run)
    return seen.state.serves and finished.ending in JUDGED and newest <= (finished.attempt, finished.run)


def contents(seen: Seen, finished: AttemptFinished) -> Mapping[str, Content]:
    """Return the texts of the evidence that may be in the object store, by name."""
    evidence, found = seen.state.evidence, {}
    if evidence.exited:
        found["result"] = evidence.exited.result
    if evidence.checkpoint:
        found["patch"] = evidence.checkpoint.patch
    for number, check in enumerate(evidence.checks.checks if evidence.checks else ()):
        found[f"check {number}"] = check.output
    return found


def sections(seen: Seen, finished: AttemptFinished, texts: Mapping[str, str]) -> list[Section]:
    """Return what the model sees of the run; *texts* are those of `contents`, whole."""
    assert seen.state.task is not None
    evidence = seen.state.evidence
    return [
        Section("TASK", seen.state.task.text, 0.3, "ends"),
        Section("ENDING", _ending(finished, evidence), 0.2),
        Section("CHECKS", _checks(evidence.checks, texts), 0.4, "tail"),
        Section("FILES", _files(evidence.checkpoint), 0.25),
        Section("AGENT SAYS", texts.get("result", "") or "(nothing)", 0.25, "ends"),
        Section("PATCH", texts.get("patch", "") or "(empty)", 1.0),
    ]


def _ending(finished: AttemptFinished, evidence: Evidence) -> str:
    lines = [f"{finished.ending}: {ENDINGS[finished.ending]}"]
    if evidence.exited:
        lines += [f"denied: {denial.tool} {denial.target}".rstrip() for denial in evidence.exited.denials]
    return "\n".join(lines)


def _checks(ran: ChecksRan | None, texts: Mapping[str, str]) -> str:
    if ran is None or not ran.checks:
        return "(the task has no checks)"
    return "\n\n".join(_check(check, texts.get(f"check {n}", "")) for n, check in enumerate(ran.checks))


def _check(check: CheckResult, output: str) -> str:
    verdict = "timed out" if check.timed_out else f"exit code {check.exit_code}"
    return f"$ {check.command}\n{output.rstrip()}\n-> {verdict}"


def _files(checkpoint: WorkspaceCheckpointed | None) -> str:
    if checkpoint is None or not checkpoint.files_total:
        return "(no file differs from the base)"
    head = f"{checkpoint.files_total} changed, {checkpoint.lines_added} lines added, {checkpoint.lines_deleted} deleted"
    lines = [_file(file) for file in checkpoint.files[:FILES_MAX]]
    more = checkpoint.files_total - len(lines)
    return "\n".join([head, *lines, *([f"[… left out here: {more} more files …]"] if more > 0 else [])])


def _file(file: FileChange) -> str:
    size = "binary" if file.added < 0 else f"+{file.added} -{file.deleted}"
    return f"{file.kind} {file.path} {size}"


def answer(seen: Seen, finished: AttemptFinished, asked: Asked[Review]) -> AttemptReviewed:
    """Return the review as it is recorded. A quote that is nowhere in what the model was shown is left out."""
    review = asked.value
    return AttemptReviewed(
        attempt=finished.attempt,
        run=finished.run,
        usable=review is not None,
        reason=asked.reason,
        approves=review.approves if review else False,
        quality=review.quality if review else 0.0,
        summary=review.summary if review else "",
        issues=_issues(review, asked.shown),
        **asked.record(),
    )


def _issues(review: Review | None, shown: str) -> tuple[Issue, ...]:
    words = " ".join(shown.split())
    return tuple(
        Issue(
            text=issue.text,
            severity=issue.severity,
            path=issue.path,
            quote=issue.quote if " ".join(issue.quote.split()) in words else "",
        )
        for issue in (review.issues if review else ())
    )


KIND = Kind(
    hears=AttemptFinished, says=AttemptReviewed, prompt="review", shape=Review,
    key=lambda event: (event.attempt, event.run),
    wanted=wanted, contents=contents, sections=sections, answer=answer,
)  # fmt: skip
