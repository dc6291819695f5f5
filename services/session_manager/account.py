"""What became of attempts and tasks, in a few lines: extracts, made without any LLM."""

from collections.abc import Sequence

from obra.events import AgentExited, Event, TaskCompleted, TaskFailed, TaskSubmitted, WorkspaceCheckpointed
from obra.shared.evidence import Evidence, gather, said_of

EXTRACT_CHARS_MAX = 2_000
REASON_CHARS_MAX = 300
REASONS_MAX, FILES_MAX = 8, 40
TEXT_CHARS_MAX, WORDS_CHARS_MAX = 400, 600


def of_attempt(evidence: Evidence, reasons: Sequence[str]) -> str:
    """Return an attempt that was not accepted, in a line."""
    ending = evidence.ending or "no ending"
    why = "; ".join(reason[:REASON_CHARS_MAX] for reason in reasons[:REASONS_MAX])
    return f"Attempt {evidence.attempt} ({ending}): {why}"


def of_work(task: TaskSubmitted | None, evidence: Evidence, earlier: Sequence[str]) -> str:
    """Return what was asked, what was tried and what stands in the files now."""
    lines = [f"Asked: {_line(task.text, TEXT_CHARS_MAX)}"] if task else []
    lines += [f"- {_line(each, REASON_CHARS_MAX)}" for each in earlier]
    lines += _tree(evidence)
    lines += [f"Check `{_line(check.command, 120)}` {said_of(check)}." for check in evidence.failing[:REASONS_MAX]]
    if evidence.passed:
        lines.append("All checks passed.")
    if evidence.exited and evidence.exited.result.text:
        lines.append(f"The agent said: {_line(evidence.exited.result.text, WORDS_CHARS_MAX)}")
    return bounded("\n".join(lines))


def of_task(past: Sequence[Event]) -> str:
    """Return what became of another task, from all that happened to it; empty where nothing was submitted."""
    task = next((event for event in past if isinstance(event, TaskSubmitted)), None)
    if task is None:
        return ""
    evidence = Evidence()
    for event in past:
        evidence = gather(evidence, event)
    return of_work(task, evidence, (outcome(past),))


def outcome(past: Sequence[Event]) -> str:
    """Return how a task ended, in a line."""
    for event in past:
        match event:
            case TaskCompleted():
                return f"Accepted at attempt {event.attempt}, as branch {event.branch}."
            case TaskFailed():
                return "Not accepted: " + "; ".join(event.reasons[:3])
    return "Not finished yet."


def bounded(text: str, chars: int = EXTRACT_CHARS_MAX) -> str:
    """Return *text* within *chars* characters, and say so where it is cut."""
    return text if len(text) <= chars else f"{text[: chars - 2]} …"


def _tree(evidence: Evidence) -> list[str]:
    tree: WorkspaceCheckpointed | None = evidence.checkpoint
    if tree is None or not tree.files_total:
        return ["Nothing was changed."] if isinstance(evidence.exited, AgentExited) else []
    named = ", ".join(f"{file.path} ({file.kind})" for file in tree.files[:FILES_MAX])
    return [f"Changed {tree.files_total} files, +{tree.lines_added} -{tree.lines_deleted} lines: {named}"]


def _line(text: str, chars: int) -> str:
    return bounded(" ".join(text.split()), chars)
