"""The policy: every number a decision is made on, as data with a name and a default."""

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from obra.events.base import Event, Unit, Value

STRUCTURE = (
    "pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt", "package.json", "go.mod", "Cargo.toml", "pom.xml",
    "build.gradle*", "Gemfile", "composer.json", "Dockerfile", "docker-compose*.yml", "*.tf", ".github/workflows/*",
    ".gitlab-ci.yml", "Jenkinsfile", "migrations/*", "schema.*", "*.proto", "openapi.*", "*.graphql",
)  # fmt: skip
"""What an architecture decision shows in: dependencies, builds, deployment, schemas, interfaces."""


class Breakpoints(Value):
    """Which situations a person is asked about. What is off decides itself, as `docs/judgement.md` tells."""

    architecture: Annotated[bool, Meta(description="before work is accepted that touches `architecture_paths`")] = False
    breaking_test: Annotated[
        bool, Meta(description="a check fails that had passed in an earlier attempt, or before any work")
    ] = False
    conflicting_solutions: Annotated[
        bool, Meta(description="two attempts pass the checks and differ by more than `conflict_share`")
    ] = False
    milestone: Annotated[
        bool, Meta(description="a milestone of a goal is reached: nothing more of the goal starts before a word on it")
    ] = False
    rate_limit: Annotated[bool, Meta(description="a limit that can't be waited out; off: the task stops")] = False
    time_threshold: Annotated[bool, Meta(description="agents have worked longer than `time_threshold_s`")] = False
    low_confidence: Annotated[
        bool, Meta(description="checks passed, but confidence stays too low; by the calibration alone: always asked")
    ] = False
    consecutive_failures: Annotated[bool, Meta(description="`failures_max` attempts in a row failed")] = False
    destructive_command: Annotated[
        bool, Meta(description="the agent ran a command that may have destroyed something outside of its workspace")
    ] = True
    budget: Annotated[bool, Meta(description="`budget_share` of the budget is spent, or all; off: all: it stops")] = (
        False
    )


class Rule(Value):
    """A rule of one's own: an expression over the names of `docs/judgement.md`, and what follows where it is true."""

    when: Annotated[str, Meta(min_length=1, max_length=1_000)]
    action: Literal["proceed", "retry", "clarify", "escalate", "checkpoint", "stop"]
    reason: Annotated[str, Meta(max_length=2_000)] = ""
    name: Annotated[str, Meta(max_length=64, description="empty: `rule-1`, `rule-2`, …, by its place")] = ""
    severity: Literal["notice", "warning", "critical"] = "warning"


class Policy(Value):
    """What is accepted, how often is tried, how long is waited.

    A task carries the policy it was readied under, so its decisions can be made again from its events alone.
    """

    accept_quality: Unit = 0.75
    accept_confidence: Unit = 0.85
    clarify_confidence: Unit = 0.65
    accept_without_checks: Annotated[bool, Meta(description="complete on a review alone, in so many words")] = False
    passed_prior: Annotated[
        Unit, Meta(description="confidence that passed checks and a real change mean done, until outcomes calibrate it")
    ] = 0.95
    unchecked_prior: Annotated[Unit, Meta(description="the same, where no check exists")] = 0.5
    weight_checks: Annotated[Unit, Meta(description="of the share of checks passed, in the quality")] = 0.5
    weight_change: Annotated[Unit, Meta(description="of a change having been made at all")] = 0.2
    weight_ending: Annotated[Unit, Meta(description="of a clean ending")] = 0.1
    weight_review: Annotated[Unit, Meta(description="of the quality that the LLM's review states")] = 0.2
    weight_claims: Annotated[Unit, Meta(description="of the share of verifiable claims that hold")] = 0.1
    doubt_contradicted: Annotated[
        Unit, Meta(description="what a claim that the evidence denies leaves of the confidence")
    ] = 0.85
    doubt_weak: Annotated[Unit, Meta(description="the same of a weak witness: disapproval, a refusal, circles")] = 0.9
    stuck_max: Annotated[
        int, Meta(ge=0, description="stop an agent once it went round a circle so often; 0: never, it is only noted")
    ] = 0
    calibration_outcomes_min: Annotated[
        int, Meta(ge=1, description="labelled outcomes before a calibration is fitted")
    ] = 30
    turns_min: Annotated[int, Meta(ge=1, description="fewest that are chosen, when the task does not say")] = 5
    turns_max: Annotated[int, Meta(ge=1, description="most that are chosen, when the task does not say")] = 30
    turns_by_complexity: Annotated[
        tuple[int, int, int, int], Meta(description="for simple, moderate, complex and very complex tasks")
    ] = (8, 15, 22, 30)
    turns_by_kind: Annotated[
        dict[str, int], Meta(description="by kind of task, in place of the table in docs/sessions.md")
    ] = msgspec.field(default_factory=dict)
    turns_doublings_max: Annotated[int, Meta(ge=0, description="how often max_turns doubles them in one task")] = 1
    turns_bound: Annotated[int, Meta(ge=1, description="doubling after max_turns stops here")] = 120
    resume_after_max_turns: Annotated[
        bool, Meta(description="go on in the agent's own session then, where the agent can; else always a fresh one")
    ] = True
    prompt_template: Annotated[str, Meta(description="`hybrid` or `plain`, when the task does not say")] = "hybrid"
    context_window: Annotated[int, Meta(ge=0, description="tokens; 0: as the agent reports, else by its model")] = 0
    context_share: Annotated[Unit, Meta(description="of the window, for what a prompt tells beside the task")] = 0.4
    context_warn: Annotated[Unit, Meta(description="of the window in use: session.warned")] = 0.7
    context_refresh: Annotated[Unit, Meta(description="the next attempt goes on from a summary")] = 0.8
    context_emergency: Annotated[Unit, Meta(description="likewise, from an extract, without asking the LLM")] = 0.95
    outages_max: Annotated[int, Meta(ge=0, description="waits for a provider in one task")] = 3
    outage_wait_s: Annotated[float, Meta(gt=0, description="the first wait; each later one is 4 times as long")] = 5.0
    outage_wait_s_max: Annotated[float, Meta(gt=0)] = 3_600.0
    outage_reset_s_max: Annotated[
        float, Meta(gt=0, description="the longest wait for a limit whose reset the provider states")
    ] = 21_600.0
    tasks_max: Annotated[
        int, Meta(ge=1, description="in work at once, over all projects; settings: agent.concurrency unless given")
    ] = 4
    project_tasks_max: Annotated[int, Meta(ge=0, description="the same within one project; 0: as tasks_max")] = 0
    misfires_max: Annotated[
        int,
        Meta(
            ge=0,
            description="tasks of a project that fail in a row for reasons outside of them, before it is paused while "
            "others wait their turn; 0: never",
        ),
    ] = 3
    plan_tasks_max: Annotated[int, Meta(ge=1, le=256, description="tasks in one plan")] = 20
    plan_drafts_max: Annotated[int, Meta(ge=1, description="drafts that the LLM makes of one plan")] = 3
    interruptions_max: Annotated[int, Meta(ge=0, description="runs of a task that may be lost to crashes")] = 20
    inspection: Annotated[
        Literal["block", "report", "off"],
        Meta(description="findings about tampering: they forbid acceptance, are only told, or are not looked for"),
    ] = "block"
    protected_checks: Annotated[
        bool, Meta(description="where an attempt touched existing tests, run the base's own against its code too")
    ] = True
    probe: Annotated[
        bool,
        Meta(description="where checks pass and there is a sandbox, call changed code with altered input, too"),
    ] = True
    unseen: Annotated[
        Literal["report", "block", "off"],
        Meta(
            description="new Python code that no check runs, as the probe sees it: told, held back, or not looked for"
        ),
    ] = "report"
    check_tries: Annotated[
        int, Meta(ge=1, le=10, description="runs of a check that fails, until it passes: then it counts so, as flaky")
    ] = 1
    base_checks: Annotated[
        bool, Meta(description="run the checks at the base too, once in a task: those that pass there prove no work")
    ] = False
    questions_max: Annotated[int, Meta(ge=0, description="times that a task may clarify something")] = 2
    clarify_from_attempt: Annotated[
        int,
        Meta(ge=1, description="contradictory evidence is asked about from this attempt on, and tried again before"),
    ] = 2
    clarify_by_llm: Annotated[bool, Meta(description="the reviewing LLM answers an agent's question, if it can")] = True
    checkpoints_max: Annotated[
        int, Meta(ge=0, description="times that a run out of turns or time may go on, uncounted, from what it has done")
    ] = 1
    breakpoints: Breakpoints = Breakpoints()
    architecture_paths: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(max_length=256)
    ] = STRUCTURE
    conflict_share: Annotated[Unit, Meta(description="of changed lines, that two solutions don't share")] = 0.5
    time_threshold_s: Annotated[float, Meta(gt=0, description="of agents' work on one task")] = 14_400.0
    failures_max: Annotated[int, Meta(ge=1)] = 2
    budget_share: Annotated[Unit, Meta(description="spent, before another attempt is made")] = 0.8
    rules: Annotated[tuple[Rule, ...], Meta(max_length=64, description="asked before all built-in judgement")] = ()


def digest(policy: Policy) -> str:
    """Return the hash that names *policy*: SHA-256 over its canonical JSON, defaults left out."""
    return hashlib.sha256(msgspec.json.encode(policy, order="deterministic")).hexdigest()


class PolicyAdopted(Event, tag="policy.adopted"):
    """A policy came into force for tasks readied from here on."""

    sha256: str
    policy: Policy


class PolicyProposed(Event, tag="policy.proposed"):
    """A candidate policy is to shadow the decisions of tasks readied from here on; without a policy, none is."""

    sha256: str = ""
    policy: Policy | None = None
    by: str = ""


class Calibration(Value):
    """How far a raw confidence can be believed: a monotone map, fitted to what became of earlier work.

    Between its points the map is linear, outside of them constant; no points: the raw number stands as it is, which
    is the stated prior until there are outcomes enough.
    """

    method: Literal["identity", "logistic", "isotonic"] = "identity"
    points: Annotated[
        tuple[tuple[Unit, Unit], ...], Meta(max_length=256, description="raw and calibrated confidence, ascending")
    ] = ()
    outcomes: Annotated[int, Meta(ge=0, description="labelled attempts that it was fitted to")] = 0


class CalibrationFitted(Event, tag="calibration.fitted"):
    """Outcomes were counted again; tasks readied from here on are scored with this map."""

    calibration: Calibration
    brier_before: Annotated[float, Meta(description="Brier score of the raw confidence on these outcomes")] = 0.0
    brier_after: Annotated[float, Meta(description="the same of the calibrated one, cross-validated")] = 0.0
    reason: str = ""
