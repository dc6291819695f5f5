"""What the decider remembers of one task, and what is due."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from obra.events import (
    AttemptInterrupted,
    BranchDelivered,
    BreakpointResolved,
    BudgetExhausted,
    DecisionMade,
    DecisionOverridden,
    Policy,
    QuestionAnswered,
    QuestionAsked,
    TaskSubmitted,
    Tokens,
)
from obra.shared.evidence import Evidence, Key, proving

Due = Literal[
    "", "score", "ending", "loss", "budget", "refusal", "timer", "resolution", "override", "answer", "no_answer",
    "sequel", "completion",
]  # fmt: skip
"""What must be answered next: a decision, what follows from the decision just made, or the task's completion."""


class State(msgspec.Struct, frozen=True):
    """One task, as far as a decision depends on it.

    ``stands``: *open* while runs are made or about to be, *waiting* for a timer, *person* at a breakpoint, *asking*
    while a question is open, *delivering* after proceed, *closed* after the end or after stop. ``decided`` is the
    newest run that was decided on, so that nothing about an older one is decided again. ``made`` counts the attempts
    that were made and not rolled back, which is less than the newest one's number where some were. ``raised`` counts
    decisions to escalate by their rule; ``failures`` are attempts in a row that were not accepted, since the
    beginning or since a person spoke. ``solution`` is the last attempt whose checks passed, ``passed`` the checks
    that any passed, both without the newest run. ``at_base`` says of each check whether it passed before any work;
    None: nobody tried. ``workspace`` is where the newest run works, or worked.
    """

    task: TaskSubmitted | None = None
    policy: Policy = msgspec.field(default_factory=Policy)
    candidate: Policy | None = None
    llm: bool = False
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    made: int = 0
    stands: Literal["open", "waiting", "person", "asking", "delivering", "closed"] = "open"
    due: Due = ""
    decided: Key = (0, 0)
    decision: DecisionMade | None = None
    override: DecisionOverridden | None = None
    resolution: BreakpointResolved | None = None
    asked: QuestionAsked | None = None
    answer: QuestionAnswered | None = None
    budget: BudgetExhausted | None = None
    loss: AttemptInterrupted | None = None
    refusal: str = ""
    delivered: BranchDelivered | None = None
    solution: Evidence | None = None
    passed: frozenset[str] = frozenset()
    at_base: Mapping[str, bool] | None = None
    raised: Mapping[str, int] = msgspec.field(default_factory=dict)
    failures: int = 0
    outages: int = 0
    interruptions: int = 0
    questions: int = 0
    checkpoints: int = 0
    cost_usd: float = 0.0
    agent_s: float = 0.0
    workspace: str = ""
    tokens: Tokens = msgspec.field(default_factory=Tokens)

    @property
    def attempts_max(self) -> int:
        """Return how many attempts the task may have."""
        return self.task.attempts_max if self.task else 3

    @property
    def attempts_left(self) -> bool:
        """Return whether another attempt may be made without a person's word."""
        return self.made < self.attempts_max

    @property
    def checks(self) -> tuple[str, ...]:
        """Return the task's checks."""
        return self.task.checks if self.task else ()

    @property
    def broken(self) -> tuple[str, ...]:
        """Return the checks that fail now and passed before any work."""
        base = self.at_base or {}
        return tuple(check.command for check in self.evidence.failing if base.get(check.command))

    @property
    def proving(self) -> tuple[str, ...] | None:
        """Return the checks that pass now and did not before any work; None where nobody tried that."""
        return proving(self.evidence, self.at_base)

    @property
    def undecided(self) -> bool:
        """Return whether the newest run still waits for its decision."""
        return self.stands == "open" and self.evidence.key > self.decided

    @property
    def timer(self) -> str:
        """Return the name of the timer that the newest wait is for."""
        return f"outage-{self.outages}"
