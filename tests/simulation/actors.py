"""Stand-ins for all that acts: the runner, the LLM, timers, and people."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from msgspec.structs import replace

from obra.events import (
    JUDGED,
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptReviewed,
    AttemptStarted,
    BranchDelivered,
    BranchRefused,
    BreakpointRaised,
    BreakpointResolved,
    Breakpoints,
    Briefing,
    CheckResult,
    ChecksRan,
    Content,
    DecisionMade,
    DecisionOverridden,
    Denial,
    Ending,
    Event,
    FileChange,
    Finding,
    Issue,
    LlmSelected,
    Policy,
    PromptEnhanced,
    PromptPrepared,
    QuestionAnswered,
    QuestionAsked,
    Rule,
    SessionBriefed,
    SessionOpened,
    SessionSummarised,
    SummaryRequested,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    TimerFired,
    TimerSet,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)

TERMINAL = (TaskCompleted, TaskFailed, TaskCancelled, TaskRejected)
ROLLBACKS_MAX = 3
TASK = TaskSubmitted(text="add a flag", repo="/r", checks=("pytest -q",), llm="none")


OWN_RULES = (
    Rule(when="attempts >= 2 and cost_usd > 0.02", action="escalate", reason="it gets expensive", severity="critical"),
    Rule(when="ending == 'max_turns'", action="checkpoint", name="longer"),
    Rule(when="checks_failed > 0 and denials > 0", action="clarify", reason="what is it allowed to do?"),
    Rule(when="passed and quality > 1 / lines_deleted", action="stop", name="never right"),
    Rule(when="matches(paths, '*.sql')", action="stop"),
    Rule(when="not passed and changed", action="retry"),
)


@dataclass(frozen=True)
class Plan:
    """What is asked for, and how unfriendly the world is: each number is a probability.

    Where there is a ``model``, the task asks for one.
    """

    task: TaskSubmitted = TASK
    policy: Policy = field(default_factory=Policy)
    model: bool = False
    endings: tuple[Ending, ...] = ("completed",)
    fails: float = 0.0
    idle: float = 0.0
    crashes: float = 0.0
    refuses: float = 0.0
    meddles: float = 0.0
    tampers: float = 0.0
    regrets: float = 0.0
    context: float = 0.0
    asks: float = 0.0
    destroys: float = 0.0
    doubled: float = 0.2
    lost: float = 0.1

    def __post_init__(self) -> None:
        if self.model and self.task.llm == "none":
            object.__setattr__(self, "task", replace(self.task, llm="auto"))

    @classmethod
    def drawn(cls, dice: random.Random) -> "Plan":
        every: tuple[Ending, ...] = get_args(Ending)
        mostly: tuple[Ending, ...] = ("completed", "completed", "denied", "max_turns", "unreachable", "failed")
        return cls(
            task=TaskSubmitted(
                text=dice.choice(["add a flag", "x", " "]) if dice.random() < 0.1 else "add a flag",
                repo="/r",
                checks=dice.choice([(), ("pytest -q",), ("ruff check", "pytest -q")]),
                attempts_max=dice.randint(1, 4),
                budget_usd=dice.choice([None, None, 0.05, 1.0]),
                milestone=dice.choice(["", "", "m1"]),
            ),
            policy=_policy(dice),
            model=dice.random() < 0.5,
            endings=dice.choice([("completed",), mostly, every]),
            fails=dice.choice([0.0, 0.5, 1.0]),
            idle=dice.choice([0.0, 0.3]),
            crashes=dice.choice([0.0, 0.3, 0.9]),
            refuses=dice.choice([0.0, 0.2]),
            context=dice.choice([0.0, 0.0, 0.75, 0.85, 1.0]),
            meddles=dice.choice([0.0, 0.0, 0.05]),
            tampers=dice.choice([0.0, 0.0, 0.4]),
            regrets=dice.choice([0.0, 0.0, 0.4]),
            asks=dice.choice([0.0, 0.3]),
            destroys=dice.choice([0.0, 0.0, 0.2]),
        )  # fmt: skip


def _policy(dice: random.Random) -> Policy:
    switches = {name: dice.random() < 0.3 for name in Breakpoints.__struct_fields__}
    return Policy(
        interruptions_max=dice.choice([0, 3, 20]), accept_without_checks=dice.random() < 0.2,
        outages_max=dice.choice([0, 1, 3]), questions_max=dice.choice([0, 2]), checkpoints_max=dice.choice([0, 1, 3]),
        breakpoints=Breakpoints(**switches), time_threshold_s=dice.choice([60.0, 14_400.0]),
        rules=tuple(rule for rule in OWN_RULES if dice.random() < 0.1),
    )  # fmt: skip


def runner(log: Sequence[Event], question: Event, plan: Plan, dice: random.Random) -> Sequence[Event]:
    """Run what is requested, once; deliver what is accepted, once."""
    if any(isinstance(event, TERMINAL) for event in log):
        return []
    if isinstance(question, DecisionMade):
        decided = max((at for at, event in enumerate(log) if event is question), default=0)
        done = any(isinstance(event, BranchDelivered | BranchRefused) for event in log[decided:])
        if question.action != "proceed" or done:
            return []
        if dice.random() < plan.refuses:
            return [BranchRefused(attempt=question.attempt, reason="the repository is gone")]
        return [BranchDelivered(attempt=question.attempt, branch="obra/t", commit="c")]
    if not isinstance(question, AttemptRequested):
        return []
    key = (question.attempt, question.run)
    if any(isinstance(event, AttemptStarted) and (event.attempt, event.run) >= key for event in log):
        return []
    return _run(question, plan, dice)


def _run(asked: AttemptRequested, plan: Plan, dice: random.Random) -> list[Event]:
    attempt, run = asked.attempt, asked.run
    started = AttemptStarted(attempt=attempt, run=run, runner="r", base="b")
    if dice.random() < plan.crashes:
        return [started, AttemptInterrupted(attempt=attempt, run=run, reason="the runner was killed")]
    ending = dice.choice(plan.endings)
    idle = dice.random() < plan.idle
    files = () if idle else (FileChange(path="a.py", kind="added", added=3),)
    said: list[Event] = [
        started,
        AgentExited(
            attempt=attempt, run=run, ending=ending, exit_code=0, cost_usd=0.02, session="s",
            context_tokens=int(plan.context * dice.choice([1_000, 1_000_000])), context_window=1_000_000,
            result=Content.of("Created a.py. All tests pass."), duration_ms=30_000.0,
            questions=("Which one?",) if dice.random() < plan.asks else (),
            commands=("rm -rf ~/x",) if dice.random() < plan.destroys else ("ls",),
            denials=(Denial(tool="Bash", target="make"),) if ending == "denied" else (),
        ),
        WorkspaceCheckpointed(
            attempt=attempt, run=run, commit="c", tree="t", base="b", files=files, files_total=len(files),
            changed=bool(files),
        ),
    ]  # fmt: skip
    if files and ending in JUDGED and dice.random() < plan.tampers:
        found = Finding(kind="tests_deleted", detail="a test is gone", path="a.py", blocks=dice.random() < 0.5)
        said.append(WorkspaceInspected(attempt=attempt, run=run, findings=(found,)))
    if plan.task.checks and ending in JUDGED:
        codes = [int(dice.random() < plan.fails) for _ in plan.task.checks]
        checks = tuple(
            CheckResult(command=c, exit_code=code, output=Content.of("…"))
            for c, code in zip(plan.task.checks, codes, strict=True)
        )
        said.append(ChecksRan(attempt=attempt, run=run, checks=checks, passed=not any(codes)))
    return [*said, AttemptFinished(attempt=attempt, run=run, ending=ending)]


def llm(log: Sequence[Event], question: Event, plan: Plan, dice: random.Random) -> Sequence[Event]:
    """Choose, advise and review, if there is a model."""
    match question:
        case TaskReadied() if plan.task.llm == "none":
            return []  # the session-manager says it
        case TaskReadied():
            provider, model = ("ollama", "m") if plan.model else ("none", "")
            return [LlmSelected(asked=plan.task.llm, provider=provider, model=model)]  # type: ignore[arg-type]
        case PromptPrepared(attempt=attempt, run=run) if plan.model:
            usable = dice.random() < 0.8
            advice = Content.of("look at a.py") if usable else Content()
            return _once(log, PromptEnhanced(attempt=attempt, run=run, advice=advice, usable=usable))
        case SummaryRequested():
            return summary(log, question, dice)
        case AttemptFinished(attempt=attempt, run=run, ending=ending) if plan.model and ending in JUDGED:
            usable, approves = dice.random() < 0.8, dice.random() < 0.5
            issues = (Issue(text="no test", path="a.py"),) if usable and not approves else ()
            return _once(
                log,
                AttemptReviewed(
                    attempt=attempt, run=run, usable=usable, approves=usable and approves,
                    quality=round(dice.random(), 2) if usable else 0.0, issues=issues,
                ),
            )  # fmt: skip
        case QuestionAsked(question=asked, to="llm") if plan.model:
            known = dice.random() < 0.5
            answer = Content.of("the first" if known else "")
            return _once(log, QuestionAnswered(question=asked, text=answer, by="m", model="m", usable=known))
        case _:
            return []


def summary(log: Sequence[Event], question: SummaryRequested, dice: random.Random) -> Sequence[Event]:
    """Summarise a session, also of a task that is over."""
    of = question.text.sha256
    if any(isinstance(event, SessionSummarised) and event.of == of for event in log):
        return []
    usable = dice.random() < 0.7
    said = Content.of("so far, so good") if usable else Content()
    return [SessionSummarised(session=question.session, summary=said, of=of, usable=usable)]


def briefer(log: Sequence[Event], question: Event, plan: Plan, dice: random.Random) -> Sequence[Event]:
    """Brief a task that joins a shared session, once."""
    assert isinstance(question, SessionOpened)
    briefed = any(isinstance(event, SessionBriefed) for event in log)
    briefing = Briefing(name="t0", text="The lexer is done.")
    shared = question.session != "1" and not briefed
    return [SessionBriefed(session=question.session, briefings=(briefing,))] if shared else []


def _once(log: Sequence[Event], answer: PromptEnhanced | AttemptReviewed | QuestionAnswered) -> list[Event]:
    return [] if any(type(event) is type(answer) and _key(event) == _key(answer) for event in log) else [answer]


def _key(event: Event) -> object:
    if isinstance(event, QuestionAnswered):
        return event.question
    assert isinstance(event, PromptEnhanced | AttemptReviewed)
    return (event.attempt, event.run)


def timers(log: Sequence[Event], question: Event, plan: Plan, dice: random.Random) -> Sequence[Event]:
    """Fire what was set."""
    assert isinstance(question, TimerSet)
    return [TimerFired(timer=question.timer)]


def person(log: Sequence[Event], question: Event, plan: Plan, dice: random.Random) -> Sequence[Event]:
    """Resolve breakpoints and, where the plan has a meddler, cancel, override and submit twice.

    An edge looks first and publishes against the position it has seen, so nothing comes after the end.
    """
    if any(isinstance(event, TERMINAL) for event in log):
        return []
    if isinstance(question, BreakpointRaised):
        return [BreakpointResolved(resolution=dice.choice(["approve", "approve", "reject", "retry"]), by="ann")]
    if isinstance(question, QuestionAsked):
        return _answer(question, dice)
    if dice.random() >= plan.meddles:
        return []
    overridden = DecisionOverridden(action=dice.choice(["proceed", "retry", "stop", "escalate", "wait"]), by="bob")
    return [dice.choice([TaskCancelled(reason="no longer needed"), overridden, plan.task])]


def _answer(question: QuestionAsked, dice: random.Random) -> list[Event]:
    """Answer a question to a person, or say how it goes on without one."""
    if question.to == "llm":
        return []
    if dice.random() < 0.7:
        return [QuestionAnswered(question=question.question, text=Content.of("the second"), by="ann")]
    return [BreakpointResolved(resolution=dice.choice(["approve", "reject", "retry"]), by="ann")]


def regret(log: Sequence[Event], question: Event, plan: Plan, dice: random.Random) -> Sequence[Event]:
    """Take back what was done, to any point since work began, also over an earlier rollback; then go on.

    What is seen here is everything that happened, undone or not.
    """
    if isinstance(question, TaskRolledBack):
        return [BreakpointResolved(resolution=dice.choice(["approve", "reject", "retry", "retry"]), by="ann")]
    rolled = sum(isinstance(event, TaskRolledBack) for event in log)
    begun = next((at for at, event in enumerate(log, 1) if isinstance(event, LlmSelected)), None)
    if dice.random() >= plan.regrets or rolled >= ROLLBACKS_MAX or begun is None:
        return []
    return [TaskRolledBack(to=dice.randint(begun, len(log)), reason="that was wrong")]


ACTORS = {
    "runner": ((AttemptRequested, DecisionMade), runner),
    "llm": ((TaskReadied, PromptPrepared, AttemptFinished, QuestionAsked, SummaryRequested), llm),
    "sessions": ((SessionOpened,), briefer),
    "timers": ((TimerSet,), timers),
    "person": ((BreakpointRaised, QuestionAsked, TaskReadied, AttemptRequested, AttemptFinished, DecisionMade), person),
    "regret": ((*TERMINAL, BreakpointRaised, TaskRolledBack), regret),
}
