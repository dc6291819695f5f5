"""The review: the evidence of a run as a question, and the reply as an event.

The model judges each acceptance criterion by itself and must quote what proves it. A quote is looked for in the
output of checks, the list of files and the patch; one that is not there proves nothing, whatever the verdict. So a
model that approves everything, as small ones do, leaves criteria unproven, and with that the work unapproved.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from obra.events import JUDGED, AttemptFinished, AttemptReviewed, Criterion, Issue
from obra.services.supervisor_llm.kind import Asked, Kind, Seen
from obra.services.supervisor_llm.quotes import flat, found
from obra.services.supervisor_llm.shown import WORDS, contents, sections
from obra.shared.llm.coherence import distinct
from obra.shared.llm.material import without

REPLY_TOKENS_MAX = 2_048
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Problem(BaseModel):
    """One issue, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    text: Annotated[str, Field(min_length=1, max_length=1_000)]
    severity: Literal["blocker", "major", "minor"]
    path: Annotated[str, Field(max_length=300)]
    quote: Annotated[str, Field(max_length=500)]


class Judgement(BaseModel):
    """The verdict on one acceptance criterion, as the model must write it: first the proof, then what follows."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    number: Annotated[int, Field(ge=1, le=32)]
    quote: Annotated[str, Field(max_length=500)]
    why: Annotated[str, Field(max_length=600)]
    met: bool


class Rubric(BaseModel):
    """The dimensions of quality, each from 0 to 1."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    correctness: Share
    completeness: Share
    tests: Share
    clarity: Share
    safety: Share


class Review(BaseModel):
    """The review, as the model must write it: first the findings, then the verdict that follows from them."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    summary: Annotated[str, Field(min_length=1, max_length=2_000)]
    criteria: Annotated[list[Judgement], Field(max_length=32)] = []
    issues: Annotated[list[Problem], Field(max_length=10)]
    rubric: Rubric | None = None
    quality: Share
    approves: bool

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Review":
        if self.approves and any(issue.severity == "blocker" for issue in self.issues):
            raise ValueError("approves is true although an issue is a blocker")
        if self.approves and (unmet := next((each.number for each in self.criteria if not each.met), 0)):
            raise ValueError(f"approves is true although criterion {unmet} is not met")
        marks = self.rubric.model_dump().values() if self.rubric else (self.quality,)
        if min(marks) == 1 and any(issue.severity == "blocker" for issue in self.issues):
            raise ValueError("an issue is a blocker although the rubric finds nothing to add")
        return self


def wanted(seen: Seen, finished: AttemptFinished) -> bool:
    """Return whether the run waits for an opinion. A run whose place a newer one took does not."""
    newest = (seen.state.evidence.attempt, seen.state.evidence.run)
    return seen.state.serves and finished.ending in JUDGED and newest <= (finished.attempt, finished.run)


def answer(seen: Seen, finished: AttemptFinished, asked: Asked[Review]) -> AttemptReviewed:
    """Return the review as it is recorded. It approves only where every criterion is met and proven."""
    review, task = asked.value, seen.state.task
    if review is None or task is None:
        return AttemptReviewed(
            attempt=finished.attempt, run=finished.run, usable=False, reason=asked.reason, problem=asked.problem,
            repaired=asked.repaired, **asked.record(),
        )  # fmt: skip
    proof = flat(without(asked.shown, WORDS))
    criteria = tuple(_criterion(text, n, review, proof) for n, text in enumerate(task.acceptance, 1))
    rubric = review.rubric.model_dump() if review.rubric else {}
    return AttemptReviewed(
        attempt=finished.attempt,
        run=finished.run,
        usable=True,
        approves=review.approves and all(each.verdict == "met" for each in criteria),
        quality=round(sum(rubric.values()) / len(rubric), 4) if rubric else review.quality,
        summary=review.summary,
        issues=_issues(review, flat(asked.shown), criteria),
        repaired=asked.repaired,
        criteria=criteria,
        rubric=rubric,
        **asked.record(),
    )


def _criterion(text: str, number: int, review: Review, proof: str) -> Criterion:
    """Return the verdict on criterion *number*: the model's, as far as its quote bears it out."""
    said = next((each for each in review.criteria if each.number == number), None)
    if said is None:
        return Criterion(text=text, verdict="unproven", why="the review passes over it")
    quote = found(said.quote, proof)
    if not said.met:
        return Criterion(text=text, verdict="unmet", quote=quote, why=said.why)
    if not quote:
        why = "the review quotes nothing for it" if not said.quote.strip() else "what the review quotes is nowhere"
        return Criterion(text=text, verdict="unproven", why=f"{why}: {said.why}" if said.why else why)
    return Criterion(text=text, verdict="met", quote=quote, why=said.why)


def _issues(review: Review, words: str, criteria: tuple[Criterion, ...]) -> tuple[Issue, ...]:
    """Return the issues with quotes that exist, and one for each criterion that is unmet and that none speaks of."""
    issues = [
        Issue(
            text=issue.text, severity=issue.severity, path=issue.path, quote=found(issue.quote, words, shortest=1)
        )
        for issue in distinct(review.issues, lambda issue: f"{issue.path} {issue.text}")
    ]  # fmt: skip
    said = flat(" ".join(issue.text for issue in issues)).lower()
    for each in criteria:
        if each.verdict == "unmet" and flat(each.text).lower() not in said:
            issues.append(
                Issue(text=f"not met: {each.text}" + (f" ({each.why})" if each.why else ""), quote=each.quote)
            )
    return tuple(issues)


KIND = Kind(
    hears=AttemptFinished, says=AttemptReviewed, prompt="review", shape=Review,
    key=lambda event: (event.attempt, event.run),
    wanted=wanted, contents=contents, sections=sections, answer=answer, reply_tokens_max=REPLY_TOKENS_MAX,
)  # fmt: skip
