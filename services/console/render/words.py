"""Every event as a sentence: what a person reads while a task runs, and in its story afterwards."""

from collections.abc import Iterable

import msgspec

from obra.events import Event
from obra.events import attempt as a
from obra.events import probe as p
from obra.events import task as t
from obra.services.console.render import operations as _operations  # noqa: F401 - it registers its words
from obra.services.console.render import people as _people  # noqa: F401 - likewise
from obra.services.console.render import planning as _planning  # noqa: F401 - likewise
from obra.services.console.render import session as _session  # noqa: F401 - likewise
from obra.services.console.render.line import Line, Tone, because
from obra.services.console.render.registry import WORDS
from obra.services.console.render.registry import of as _of
from obra.services.console.render.text import (
    clean,
    count,
    duration,
    exit_in_words,
    last_lines,
    money,
    one_line,
    size,
)
from obra.shared.evidence import oddities

OUTPUT_LINES_SHOWN = 6
FILES_SHOWN = 5


def lines(event: Event) -> list[Line]:
    """Return *event* in words; one that has none of its own as its fields, for those who want everything."""
    return list(WORDS[type(event)](event)) if type(event) in WORDS else [Line(fields(event), "quiet", detail=True)]


def fields(event: Event) -> str:
    """Return the fields of *event* that are not defaults, on one line."""
    content = msgspec.to_builtins(event)
    return one_line(", ".join(f"{k} {_short(v)}" for k, v in content.items() if k != "type"))


def _short(value: object) -> str:
    if isinstance(value, dict) and "sha256" in value:
        return f"({size(value.get('size', 0))})"
    return str(value) if isinstance(value, (str, int, float)) else msgspec.json.encode(value).decode()


@_of(t.TaskSubmitted)
def _submitted(e: t.TaskSubmitted) -> Iterable[Line]:
    yield Line(f"task: {one_line(e.text)}")
    yield Line(f"repository {e.repo}, agent {e.agent}, {count(len(e.checks), 'check')}", "quiet", detail=True)


@_of(t.TaskRejected)
def _rejected(e: t.TaskRejected) -> Iterable[Line]:
    yield from because("the task can't be worked on", e.reasons, "bad")


@_of(t.TaskCompleted)
def _completed(e: t.TaskCompleted) -> Iterable[Line]:
    yield Line(f"accepted: attempt {e.attempt} is branch {e.branch}", "good")


@_of(t.TaskLabelled)
def _labelled(e: t.TaskLabelled) -> Iterable[Line]:
    by = {"person": "a person", "hidden_check": "hidden checks", "reverted": "a revert"}[e.source]
    yield from because(
        f"labelled {'good' if e.good else 'bad'} by {by}", (e.note.text,) if e.note.text else (),
        "good" if e.good else "warning",
    )  # fmt: skip


@_of(t.TaskRolledBack)
def _rolled_back(e: t.TaskRolledBack) -> Iterable[Line]:
    by = f" by {one_line(e.by)}" if e.by else ""
    yield from because(f"rolled back to position {e.to}{by}", (e.reason,) if e.reason else (), "warning")


@_of(t.TaskFailed)
def _failed(e: t.TaskFailed) -> Iterable[Line]:
    yield from because(f"not accepted after {count(e.attempts, 'attempt')}", e.reasons, "bad")


@_of(t.TaskCancelled)
def _cancelled(e: t.TaskCancelled) -> Iterable[Line]:
    by = f" by {e.by}" if e.by else ""
    yield Line(f"cancelled{by}: {one_line(e.reason)}" if e.reason else f"cancelled{by}", "bad")


@_of(t.BranchDelivered)
def _delivered(e: t.BranchDelivered) -> Iterable[Line]:
    yield Line(f"branch {e.branch} is in the repository, at {e.commit[:10]}", "good")


@_of(t.BranchRefused)
def _refused(e: t.BranchRefused) -> Iterable[Line]:
    yield Line(f"the branch could not be delivered: {one_line(e.reason)}", "bad")


@_of(a.AttemptRequested)
def _requested(e: a.AttemptRequested) -> Iterable[Line]:
    turns = f"{count(e.turns_max, 'turn')}, " if e.turns_max else ""
    budget = f", {money(e.budget_usd)}" if e.budget_usd is not None else ""
    limits = f"{turns}{duration(e.timeout_s * 1000)}, {duration(e.silence_s * 1000)} of silence{budget}"
    again = f", run {e.run}" if e.run > 1 else ""
    yield Line(f"attempt {e.attempt}{again} may begin: at most {limits}", "quiet", detail=True)


@_of(a.AttemptCancelled)
def _stopped(e: a.AttemptCancelled) -> Iterable[Line]:
    yield Line(f"attempt {e.attempt} is to be stopped" + (f": {one_line(e.reason)}" if e.reason else ""), "warning")


@_of(a.AttemptStarted)
def _started(e: a.AttemptStarted) -> Iterable[Line]:
    again = f" again (run {e.run})" if e.run > 1 else ""
    agent = " ".join(filter(None, (e.agent.partition(":")[0], e.agent_version)))
    yield Line(f"workspace ready{': a clone of ' + e.base[:10] if e.base else ''}", detail=e.attempt > 1 or e.run > 1)
    yield Line(f"attempt {e.attempt} started{again}: {agent or 'agent'}, sandbox {e.sandbox or 'none'}")


@_of(a.AttemptInterrupted)
def _interrupted(e: a.AttemptInterrupted) -> Iterable[Line]:
    yield Line(f"attempt {e.attempt} was interrupted and does not count: {one_line(e.reason)}", "warning")


@_of(a.AgentExited)
def _exited(e: a.AgentExited) -> Iterable[Line]:
    facts = [duration(e.duration_ms), *([count(e.turns, "turn")] if e.turns else [])]
    facts += [money(e.cost_usd)] if e.cost_usd else []
    tone: Tone = "plain" if e.ending == "completed" else "bad"
    detail = f": {one_line(e.detail)}" if e.detail and e.ending != "completed" else ""
    yield Line(f"agent ended: {e.ending.replace('_', ' ')}{detail} ({', '.join(facts)})", tone)
    for denial in e.denials:
        yield Line(f"denied: {denial.tool} {one_line(denial.target)}".rstrip(), "warning")
    for odd in oddities(e):
        yield Line(f"of the agent: {one_line(odd)}", "warning")


@_of(a.WorkspaceCheckpointed)
def _checkpointed(e: a.WorkspaceCheckpointed) -> Iterable[Line]:
    names = [clean(file.path) for file in e.files[:FILES_SHOWN]]
    more = ["…"] * (e.files_total > FILES_SHOWN)
    if e.files_total:
        shown = f"{count(e.files_total, 'file')} changed (+{e.lines_added} -{e.lines_deleted}): "
        yield Line(shown + ", ".join(names + more))
    else:
        yield Line("nothing was changed", "warning")
    for note in e.notes:
        yield Line(f"note: {one_line(note)}", "quiet")


@_of(a.WorkspaceRestored)
def _restored(e: a.WorkspaceRestored) -> Iterable[Line]:
    yield Line(f"workspace put back to {e.commit[:10]}: {one_line(e.reason)}", "quiet", detail=True)


@_of(a.WorkspaceInspected)
def _inspected(e: a.WorkspaceInspected) -> Iterable[Line]:
    for finding in e.findings:
        where = f"{clean(finding.path)}: " if finding.path else ""
        what = f"found {finding.kind.replace('_', ' ')}: {where}{one_line(finding.detail)}"
        yield Line(what, "bad" if finding.blocks else "warning")


@_of(p.WorkspaceProbed)
def _probed(e: p.WorkspaceProbed) -> Iterable[Line]:
    for code in e.code:
        what = f"{clean(code.path)}: {clean(code.name)}" if code.name else clean(code.path)
        follows = f"still says {one_line(', '.join(code.fitted))}" if code.fitted else "follows its input"
        if code.compared:
            follows += f", differs from the base in {code.differing} of {code.compared} calls"
        how = f"{count(code.altered, 'altered call')}, {code.held} as before, {count(code.errors, 'error')}"
        yield Line(f"probed {what}: {follows} ({how})", "bad" if code.fitted else "quiet", detail=not code.fitted)
    if e.problem:
        yield Line(f"changed code was not probed: {one_line(e.problem)}", "quiet")


@_of(a.ChecksRan)
def _checks(e: a.ChecksRan) -> Iterable[Line]:
    for check in e.checks:
        command = one_line(check.command, 120)
        if check.exit_code == 0:
            flaky = f" only when it was run {check.tries} times: it is flaky" if check.tries > 1 else ""
            tone: Tone = "warning" if flaky else "good"
            yield Line(f"check `{command}` passed{flaky} ({duration(check.duration_ms)})", tone)
            continue
        how = "timed out" if check.timed_out else exit_in_words(check.exit_code)
        yield Line(f"check `{command}` failed ({how}, {duration(check.duration_ms)})", "bad")
        for line in last_lines(check.output.text, OUTPUT_LINES_SHOWN):
            yield Line(f"  │ {line}", "quiet")


@_of(a.BaseChecked)
def _at_base(e: a.BaseChecked) -> Iterable[Line]:
    passed = sum(check.exit_code == 0 and not check.timed_out for check in e.checks)
    yield Line(f"before any work {passed} of {count(len(e.checks), 'check')} passed", "quiet")


@_of(a.AttemptFinished)
def _finished(e: a.AttemptFinished) -> Iterable[Line]:
    yield Line(f"attempt {e.attempt} finished ({duration(e.duration_ms)})", "quiet", detail=True)


@_of(a.AttemptReviewed)
def _reviewed(e: a.AttemptReviewed) -> Iterable[Line]:
    if not e.usable:
        yield Line(f"no usable review: {one_line(e.reason)}", "warning")
        return
    verdict = "approves" if e.approves else "disapproves"
    yield Line(f"review by {e.model or e.provider}: {verdict}, quality {e.quality:.2f}. {one_line(e.summary)}")
    for criterion in e.criteria:
        why = f": {one_line(criterion.why, 120)}" if criterion.verdict != "met" and criterion.why else ""
        yield Line(f"  {criterion.verdict}: {one_line(criterion.text, 120)}{why}", "quiet")
    for issue in e.issues:
        yield Line(f"  - {issue.path + ': ' if issue.path else ''}{one_line(issue.text)}", "quiet")


@_of(a.AttemptScored)
def _scored(e: a.AttemptScored) -> Iterable[Line]:
    raw = e.confidence if e.confidence_raw is None else e.confidence_raw
    of = f" (calibrated from {raw:.2f})" if raw != e.confidence else ""
    yield Line(f"scored: quality {e.quality:.2f}, confidence {e.confidence:.2f}{of}, on {e.basis}")


@_of(a.ClaimContradicted)
def _contradicted(e: a.ClaimContradicted) -> Iterable[Line]:
    yield Line(f"the agent said: {one_line(e.claim, 120)} - but {one_line(e.evidence)}", "warning")
