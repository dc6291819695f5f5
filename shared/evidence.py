"""What could be observed of one run: gathered from its events, read by everyone who judges it."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from obra.events import (
    AgentExited,
    AttemptFinished,
    AttemptRequested,
    AttemptReviewed,
    AttemptScored,
    AttemptStarted,
    BaseChecked,
    CheckResult,
    ChecksRan,
    ClaimContradicted,
    Content,
    Denial,
    Ending,
    Event,
    Finding,
    StuckKind,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)

FILE_WRITERS = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})
"""Tools that only write the one file they name; what else a tool can do, nobody knows."""

NOT_WORK = frozenset({"AskUserQuestion", "ExitPlanMode", "EnterPlanMode"})
"""Tools that ask a person who is not there: denying them leaves no work undone."""

Key = tuple[int, int]
"""Attempt and run, in the order in which runs happen."""


class Evidence(msgspec.Struct, frozen=True):
    """All that is known of the newest run. ``attempt`` 0 means that none was asked for yet."""

    attempt: int = 0
    run: int = 0
    exited: AgentExited | None = None
    checkpoint: WorkspaceCheckpointed | None = None
    findings: tuple[Finding, ...] = ()
    checks: ChecksRan | None = None
    ending: Ending | None = None
    review: AttemptReviewed | None = None
    score: AttemptScored | None = None
    contradicted: tuple[ClaimContradicted, ...] = ()
    why: str = ""

    @property
    def key(self) -> Key:
        """Return which run this is."""
        return (self.attempt, self.run)

    @property
    def passed(self) -> bool:
        """Return whether there were checks and every one exited 0."""
        return self.checks is not None and bool(self.checks.checks) and not self.failing

    @property
    def failing(self) -> tuple[CheckResult, ...]:
        """Return the checks that did not exit 0."""
        return tuple(c for c in self.checks.checks if c.exit_code or c.timed_out) if self.checks else ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Return the findings that forbid acceptance, whatever the checks say."""
        return tuple(finding for finding in self.findings if finding.blocks)

    @property
    def changed(self) -> bool:
        """Return whether anything differs from the commit that the task grew from."""
        return self.checkpoint is not None and self.checkpoint.files_total > 0

    @property
    def detail(self) -> str:
        """Return the sentence that says how the run ended: in the end, or else how its agent did."""
        return self.why or (self.exited.detail if self.exited else "")

    def denials(self) -> tuple[Denial, ...]:
        """Return the denials that matter.

        A denied file-writing tool matters unless the file it was for has been changed after all. Any other denied
        tool matters unless the evidence is sound without it: checks passed and something changed.
        """
        sound = self.passed and self.changed
        return tuple(
            denial
            for denial in (self.exited.denials if self.exited else ())
            if denial.tool not in NOT_WORK
            and not (self._written(denial.target) if denial.tool in FILE_WRITERS else sound)
        )

    def _written(self, target: str) -> bool:
        files = self.checkpoint.files if self.checkpoint else ()
        return any(target == file.path or target.endswith(f"/{file.path}") for file in files if file.kind != "deleted")


OfRun = (
    AttemptRequested
    | AttemptStarted
    | AgentExited
    | WorkspaceCheckpointed
    | WorkspaceInspected
    | ChecksRan
    | AttemptFinished
    | AttemptReviewed
    | AttemptScored
    | ClaimContradicted
)


def gather(evidence: Evidence, event: Event) -> Evidence:
    """Take in one event. A newer run starts from nothing; what belongs to an older one is passed over."""
    if not isinstance(event, OfRun) or (event.attempt, event.run) < evidence.key:
        return evidence
    if (event.attempt, event.run) > evidence.key:
        evidence = Evidence(event.attempt, event.run)
    match event:
        case AgentExited():
            return replace(evidence, exited=event)
        case WorkspaceCheckpointed(interrupted=False):
            return replace(evidence, checkpoint=replace(event, patch=Content()))
        case WorkspaceInspected(findings=findings):
            return replace(evidence, findings=findings)
        case ChecksRan():
            return replace(evidence, checks=event)
        case AttemptFinished(ending=ending, detail=why):
            return replace(evidence, ending=ending, why=why)
        case _:
            return _judged(evidence, event)


def _judged(evidence: Evidence, event: Event) -> Evidence:
    """Take in what others have said about the run."""
    match event:
        case AttemptReviewed():
            return replace(evidence, review=event)
        case AttemptScored():
            return replace(evidence, score=event)
        case ClaimContradicted():
            return replace(evidence, contradicted=(*evidence.contradicted, event)[:5])
        case _:
            return evidence


def at_base(event: BaseChecked) -> dict[str, bool]:
    """Return of each check whether it passed before any work."""
    return {check.command: check.exit_code == 0 and not check.timed_out for check in event.checks}


def proving(evidence: Evidence, before: Mapping[str, bool] | None) -> tuple[str, ...] | None:
    """Return the checks that pass now and did not before any work; None where nobody tried that."""
    if before is None or evidence.checks is None:
        return None
    passed = (each.command for each in evidence.checks.checks if each not in evidence.failing)
    return tuple(command for command in passed if before.get(command) is False)


def unproved(evidence: Evidence, before: Mapping[str, bool] | None) -> bool:
    """Return whether all checks pass, and are known to have passed before any work, too."""
    return evidence.passed and proving(evidence, before) == ()


def seen_in(finding: Finding) -> str:
    """Return a finding in words."""
    where = f"{finding.path}: " if finding.path else ""
    return f"{finding.kind.replace('_', ' ')}: {where}{finding.detail}"


def said_of(check: CheckResult) -> str:
    """Return how *check* ended, in words that follow its command."""
    if check.timed_out:
        return "ran out of time"
    return f"was killed by signal {-check.exit_code}" if check.exit_code < 0 else f"exited {check.exit_code}"


STUCK: dict[StuckKind, str] = {
    "repeated_call": "it made the same call {times} times in a row, with the same outcome",
    "repeated_error": "it ran into the same error {times} times in a row",
    "alternation": "it went back and forth between the same two calls {times} times",
    "edit_revert": "it undid its own edit {times} times",
    "monologue": "it said the same {times} times without doing anything",
}


def oddities(exited: AgentExited) -> list[str]:
    """Return what the agent's behaviour gives away, in sentences: weak signs, none of them a proof."""
    said = [
        f"{STUCK[each.kind].format(times=each.times)}{f': {each.detail}' if each.detail else ''}"
        for each in exited.stuck
    ]
    if exited.last_words == "refusal":
        said.append("its last words are a refusal")
    if exited.last_words == "cut":
        said.append("its last words break off in the middle")
    return said
