"""What the reviewing model is shown of a run: the evidence in sections, the strongest first."""

from collections.abc import Mapping, Sequence

from obra.events import (
    ENDINGS,
    AttemptFinished,
    CheckResult,
    ChecksRan,
    Content,
    FileChange,
    Finding,
    WorkspaceCheckpointed,
)
from obra.services.supervisor_llm.kind import Seen
from obra.services.supervisor_llm.state import Evidence
from obra.shared.evidence import oddities, seen_in
from obra.shared.llm.material import Section

FILES_MAX = 200
FINDINGS_MAX = 20
WORDS = ("TASK", "CRITERIA", "ENDING", "FINDINGS", "AGENT SAYS")
"""Sections that prove nothing about the work, whoever quotes them."""


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
        *([Section("CRITERIA", criteria, 0.3)] if (criteria := _criteria(seen.state.task.acceptance)) else []),
        Section("ENDING", _ending(finished, evidence), 0.2),
        *([Section("FINDINGS", _findings(evidence.findings), 0.3)] if evidence.findings else []),
        Section("CHECKS", _checks(evidence.checks, seen.state.before, texts), 0.4, "tail"),
        Section("FILES", _files(evidence.checkpoint), 0.25),
        Section("AGENT SAYS", texts.get("result", "") or "(nothing)", 0.25, "ends"),
        Section("PATCH", texts.get("patch", "") or "(empty)", 1.0),
    ]


def _criteria(acceptance: Sequence[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(acceptance, 1))


def _ending(finished: AttemptFinished, evidence: Evidence) -> str:
    lines = [f"{finished.ending}: {ENDINGS[finished.ending]}"]
    if evidence.exited:
        lines += [f"denied: {denial.tool} {denial.target}".rstrip() for denial in evidence.exited.denials]
        lines += oddities(evidence.exited)
    return "\n".join(lines)


def _findings(findings: Sequence[Finding]) -> str:
    lines = [f"- {seen_in(each)}{' (forbids acceptance)' if each.blocks else ''}" for each in findings[:FINDINGS_MAX]]
    more = len(findings) - len(lines)
    return "\n".join([*lines, *([f"[… left out here: {more} more …]"] if more else [])])


def _checks(ran: ChecksRan | None, before: Mapping[str, bool], texts: Mapping[str, str]) -> str:
    if ran is None or not ran.checks:
        return "(the task has no checks)"
    return "\n\n".join(
        _check(check, before.get(check.command), texts.get(f"check {n}", "")) for n, check in enumerate(ran.checks)
    )


def _check(check: CheckResult, before: bool | None, output: str) -> str:
    verdict = "timed out" if check.timed_out else f"exit code {check.exit_code}"
    base = {None: "", True: "; before any work it passed", False: "; before any work it failed"}[before]
    return f"$ {check.command}\n{output.rstrip()}\n-> {verdict}{base}"


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
