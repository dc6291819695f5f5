"""The end of a task in a few lines: what it came to, on what evidence, at what cost, and what to do now."""

import os
from datetime import datetime

from obra.services.console.render.text import (
    count,
    duration,
    exit_in_words,
    money,
    one_line,
)
from obra.shared.chapter import Chapter
from obra.shared.story import Story

HEADS = {
    "completed": "Accepted",
    "failed": "Not accepted",
    "rejected": "Not accepted",
    "cancelled": "Cancelled",
    "waiting": "Waits for a person",
    "rolled_back": "Rolled back, and waits for a person",
}
LABEL = 11
ROW_CHARS_MAX = 8_192
"""More than any path has."""


def summary(story: Story) -> list[str]:
    """Return the summary of *story* as lines."""
    head = HEADS.get(story.status, f"Unfinished ({story.status})") if story.submitted_at else "Gone"
    what = one_line(story.text, 100) if story.submitted_at else "there is no such task since it was rolled back"
    told = ["", f"{head}: {what}", _row("task", f"{story.task} (project {story.project})")]
    for chapter in story.chapters:
        told += _chapter(chapter)
    if story.decision or story.reasons:
        told += _decision(story)
    if story.branch:
        told.append(_row("branch", f"{story.branch} at {story.commit[:10]}, in {story.repo}"))
    told.append(_row("judged by", _judges(story)))
    told.append(_row("sandbox", story.sandbox or "none"))
    told += [_row("lacking", one_line(sentence)) for sentence in story.degraded]
    if story.cost_usd or story.tokens.input or story.tokens.output:
        used = f"{story.tokens.input:,} tokens in, {story.tokens.output:,} out"
        told.append(_row("cost", f"{money(story.cost_usd)}, {used}"))
    if story.submitted_at and story.ended_at:
        told.append(_row("time", duration(_between(story.submitted_at, story.ended_at))))
    return told + _advice(story)


def _judges(story: Story) -> str:
    if story.llm in ("", "none"):
        return "evidence alone"
    said = next((chapter.review for chapter in reversed(story.chapters) if chapter.review), "")
    return f"evidence; {story.llm} gave no usable review" if said.startswith("none") else f"evidence, and {story.llm}"


def _row(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{one_line(text, ROW_CHARS_MAX)}"


def _chapter(chapter: Chapter) -> list[str]:
    """Return an attempt as one line of facts and one for each check."""
    facts = [chapter.ending.replace("_", " ") or "not ended"]
    if chapter.files_total:
        facts.append(f"{count(chapter.files_total, 'file')} +{chapter.lines_added} -{chapter.lines_deleted}")
    if chapter.quality is not None and chapter.confidence is not None:
        facts.append(f"quality {chapter.quality:.2f}, confidence {chapter.confidence:.2f}")
    decided = f" -> {chapter.decision}" if chapter.decision else ""
    told = [_row(f"attempt {chapter.attempt}", "; ".join(facts) + decided)]
    for command, code in chapter.checks:
        told.append(_row("", f"{'passed' if code == 0 else 'FAILED'}  {one_line(command, 80)} ({exit_in_words(code)})"))
    if chapter.review and not chapter.review.startswith("none"):
        told.append(_row("", f"review  {one_line(chapter.review, 200)}"))
    told += [_row("", f"found   {one_line(finding, 200)}") for finding in chapter.findings]
    told += [_row("", f"untrue  {one_line(claim, 200)}") for claim in chapter.contradicted]
    return told


def _decision(story: Story) -> list[str]:
    """Return the last decision, and each of its reasons on a line of its own."""
    told = [story.decision, *map(one_line, story.reasons)] if story.decision else [*map(one_line, story.reasons)]
    return [_row("decision" if story.decision else "because", told[0]), *(_row("", reason) for reason in told[1:])]


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() * 1000


def _advice(story: Story) -> list[str]:
    if story.status == "completed":
        return [_row("merge it", f"git merge {story.branch}")]
    if story.status == "failed" and story.attempts:
        obra = obra_command()
        changed = any(chapter.files_total for chapter in story.chapters)
        look = [_row("see it", f"`{obra} diff {story.task} --from attempt:0`")] if changed else []
        return [*look, _row("try again", f"`{obra} rollback {story.task} --to attempt:0`, `{obra} retry {story.task}`")]
    if story.resting and story.submitted_at:
        obra = obra_command()
        asked = [_row("question", one_line(story.question))] if story.question else []
        own = [f"`{obra} answer {story.task} 'TEXT'`"] if story.question else []
        verbs = [*own, *(f"`{obra} {verb} {story.task}`" for verb in ("approve", "reject", "retry"))]
        changed = any(chapter.files_total for chapter in story.chapters)
        look = [_row("see it", f"`{obra} diff {story.task} --from attempt:0`")] if changed else []
        return [*asked, *look, _row("answer it", ", ".join(verbs))]
    return []


def obra_command() -> str:
    """Return how a person calls this command: by its name, or through uv."""
    return "uv run obra" if "UV_RUN_RECURSION_DEPTH" in os.environ else "obra"
