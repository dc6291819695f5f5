"""Events of one attempt: intent, fenced execution, evidence, outcome."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from obra.events.base import (
    Attempt,
    CheckResult,
    Content,
    Denial,
    Ending,
    Event,
    FileChange,
    Run,
    Tokens,
    Unit,
    Value,
)


class AttemptRequested(Event, tag="attempt.requested"):
    """An agent is to work: the intent, with the exact prompt and every limit."""

    attempt: Attempt
    run: Run
    prompt: Content
    turns_max: int = 0
    timeout_s: float = 7_200.0
    silence_s: float = 900.0
    budget_usd: float | None = None
    stuck_max: Annotated[int, Meta(ge=0, description="stop it once a circle was gone round so often; 0: never")] = 0
    resume: Annotated[str, Meta(description="the agent's own session to go on with; empty: a fresh one")] = ""
    tokens_estimated: Annotated[int, Meta(ge=0, description="of the prompt, as prompt.prepared says by what")] = 0


class AttemptStarted(Event, tag="attempt.started"):
    """A runner took the attempt; this event's position is its fencing token."""

    attempt: Attempt
    run: Run
    runner: Annotated[str, Meta(description="which runner: host, process, and a nonce")]
    agent: str = ""
    agent_version: str = ""
    sandbox: str = ""
    workspace: str = ""
    base: Annotated[str, Meta(description="commit the task grew from; empty: the repository had none")] = ""


class AttemptCancelled(Event, tag="attempt.cancelled"):
    """A person wants the running attempt stopped."""

    attempt: Attempt
    reason: str = ""


StuckKind = Literal["repeated_call", "repeated_error", "alternation", "edit_revert", "monologue"]


class Stuck(Value):
    """The agent went round in circles, as its tool calls show."""

    kind: StuckKind
    times: Annotated[int, Meta(ge=2, description="how often the call, error, cycle, revert or sentence came in a row")]
    detail: Annotated[str, Meta(description="what was repeated, shortened")] = ""


class SelfTest(Value):
    """A command of the agent's own that looks like a run of tests, and how it went."""

    command: str
    failed: bool
    said: Annotated[str, Meta(description="the line of its output that counts, shortened")] = ""


class AgentExited(Event, tag="agent.exited"):
    """The agent's process is gone: what it said and how it ended, as observed."""

    attempt: Attempt
    run: Run
    ending: Ending
    detail: Annotated[str, Meta(description="one sentence for a person")] = ""
    exit_code: Annotated[int | None, Meta(description="negative: killed by that signal; none: never started")] = None
    result: Annotated[Content, Meta(description="the agent's own last words, redacted")] = Content()
    session: Annotated[str, Meta(description="the agent's own session id")] = ""
    model: str = ""
    version: str = ""
    turns: int = 0
    tokens: Annotated[Tokens, Meta(description="of all its requests together, as the agent reported them")] = Tokens()
    context_tokens: Annotated[
        int, Meta(ge=0, description="in the model's context at its last answer, as reported; 0: not reported")
    ] = 0
    context_window: Annotated[int, Meta(ge=0, description="of the model, as reported; 0: not reported")] = 0
    cost_usd: float = 0.0
    denials: tuple[Denial, ...] = ()
    errors: tuple[str, ...] = ()
    tools: Annotated[dict[str, int], Meta(description="calls by tool")] = msgspec.field(default_factory=dict)
    commands: Annotated[
        tuple[str, ...], Meta(description="shell commands it ran, redacted; the first 200, 500 characters of each")
    ] = ()
    questions: Annotated[tuple[str, ...], Meta(description="what it asked a person who was not there")] = ()
    retry_at: Annotated[str, Meta(description="when a limit resets, ISO 8601, if the provider said so")] = ""
    retry_after_s: Annotated[float, Meta(ge=0, description="from the end to `retry_at`, by the runner's clock")] = 0.0
    stuck: Annotated[tuple[Stuck, ...], Meta(description="patterns of going round in circles")] = ()
    tested: Annotated[tuple[SelfTest, ...], Meta(description="its last runs of tests")] = ()
    last_words: Annotated[Literal["", "refusal", "cut"], Meta(description="what the result's wording gives away")] = ""
    lines: Annotated[int, Meta(description="lines of output read")] = 0
    lines_odd: Annotated[int, Meta(description="lines that were no JSON, too long, or not UTF-8")] = 0
    transcript: Annotated[str, Meta(description="file with all output, redacted, below the Obra home")] = ""
    duration_ms: float = 0.0


class WorkspaceCheckpointed(Event, tag="workspace.checkpointed"):
    """The whole tree, untracked files included, stands as a commit that can be returned to."""

    attempt: Attempt
    run: Run
    commit: str
    tree: str
    base: str = ""
    files: Annotated[
        tuple[FileChange, ...], Meta(description="against the base; the first 1,000, or 256 KiB of paths")
    ] = ()
    files_total: int = 0
    lines_added: int = 0
    lines_deleted: int = 0
    changed: Annotated[bool, Meta(description="the tree differs from the tree the attempt began with")] = False
    patch: Annotated[Content, Meta(description="the diff against the base, bounded")] = Content()
    interrupted: Annotated[bool, Meta(description="what a lost run left behind")] = False
    notes: Annotated[tuple[str, ...], Meta(description="oddities: nested repositories, skipped paths, lost .git")] = ()


class Finding(Value):
    """Something in the work that a person would want to know, seen by comparing files, not by an opinion."""

    kind: Annotated[str, Meta(description="tests_deleted, tests_weakened, checks_altered, hard_coded, destructive, …")]
    detail: Annotated[str, Meta(description="one sentence that quotes what was seen")]
    path: str = ""
    blocks: Annotated[bool, Meta(description="the work can't be accepted as it is, whatever the checks say")] = True


class WorkspaceInspected(Event, tag="workspace.inspected"):
    """The changes were held against the base for ways of passing checks without doing the work.

    Said only where something was found.
    """

    attempt: Attempt
    run: Run
    findings: tuple[Finding, ...]


class WorkspaceRestored(Event, tag="workspace.restored"):
    """The workspace was put back to an earlier tree."""

    commit: str
    reason: str = ""


class ChecksRan(Event, tag="checks.ran"):
    """Obra itself ran the task's checks in the workspace."""

    attempt: Attempt
    run: Run
    checks: tuple[CheckResult, ...]
    passed: Annotated[bool, Meta(description="at least one check, and every one exited 0")]


class BaseChecked(Event, tag="base.checked"):
    """Obra ran the task's checks at the commit that the task grew from: once in a task, where the policy wants it."""

    attempt: Annotated[Attempt, Meta(description="whose run this was found out in")]
    run: Run
    checks: Annotated[tuple[CheckResult, ...], Meta(description="without their output")]


class AttemptFinished(Event, tag="attempt.finished"):
    """The run is over and its evidence complete."""

    attempt: Attempt
    run: Run
    ending: Ending
    detail: Annotated[str, Meta(description="one sentence, where the ending is not that of the agent's process")] = ""
    duration_ms: float = 0.0


class AttemptInterrupted(Event, tag="attempt.interrupted"):
    """The run was lost: its runner died or was stopped. It does not count as an attempt."""

    attempt: Attempt
    run: Run
    reason: str


class Issue(Value):
    """One thing that is wrong with the work, said so that the next prompt can use it."""

    text: str
    severity: str = "major"
    path: str = ""
    quote: str = ""


class Criterion(Value):
    """One acceptance criterion, as the LLM judged it. Without a quote that was found in the material it is unproven."""

    text: str
    verdict: Literal["met", "unmet", "unproven"]
    quote: Annotated[str, Meta(description="copied from what the LLM was shown; empty: nowhere to be found")] = ""
    why: str = ""


class AttemptReviewed(Event, tag="attempt.reviewed"):
    """The LLM's opinion of the attempt, or the reason that there is none."""

    attempt: Attempt
    run: Run
    usable: bool
    reason: Annotated[str, Meta(description="why there is no usable opinion")] = ""
    approves: bool = False
    quality: Unit = 0.0
    summary: str = ""
    issues: tuple[Issue, ...] = ()
    problem: Annotated[
        Literal["", "failed", "refused", "truncated", "crowded", "empty", "malformed", "unasked"],
        Meta(description="the reason as one word; empty: there is a usable opinion, or it is older than this field"),
    ] = ""
    repaired: Annotated[bool, Meta(description="the first reply did not fit and was asked for once more")] = False
    criteria: Annotated[tuple[Criterion, ...], Meta(description="the task's acceptance criteria, one by one")] = ()
    rubric: Annotated[dict[str, Unit], Meta(description="quality by dimension")] = msgspec.field(default_factory=dict)
    provider: str = ""
    model: str = ""
    tokens: Tokens = Tokens()
    duration_ms: float = 0.0
    template_sha256: Annotated[str, Meta(description="of the prompt template")] = ""
    options: Annotated[dict[str, float], Meta(description="sampling options sent with the question")] = msgspec.field(
        default_factory=dict
    )


class Part(Value):
    """One named part of a score."""

    name: str
    value: Unit
    weight: Unit


class Claim(Value):
    """Something that the agent said about its work, held against what could be observed."""

    kind: Literal["tests", "count", "created", "changed", "deleted", "work", "nothing", "ran"]
    text: Annotated[str, Meta(description="the sentence, shortened")]
    verdict: Literal["supported", "contradicted", "unverified"]
    evidence: str = ""


class Shadow(Value):
    """The numbers that a candidate policy would have given the same evidence."""

    quality: Unit
    confidence: Unit
    confidence_raw: Annotated[Unit | None, Meta(description="before the calibration; none: older than this field")] = (
        None
    )


class AttemptScored(Event, tag="attempt.scored"):
    """Quality and confidence, with the parts they were computed from."""

    attempt: Attempt
    run: Run
    quality: Unit
    confidence: Unit
    parts: tuple[Part, ...] = ()
    basis: Annotated[str, Meta(description="evidence alone, or evidence and review")] = "evidence"
    confidence_raw: Annotated[
        Unit | None, Meta(description="before the calibration; none: scored before there was one")
    ] = None
    claims: Annotated[tuple[Claim, ...], Meta(description="what the agent said, held against the evidence")] = ()
    shadow: Annotated[Shadow | None, Meta(description="under the candidate policy that shadows the task")] = None


class ClaimContradicted(Event, tag="claim.contradicted"):
    """The agent said something that the evidence denies."""

    attempt: Attempt
    run: Run
    claim: str
    evidence: str
    kind: Annotated[str, Meta(description="of `Claim`; empty: older than this field")] = ""
