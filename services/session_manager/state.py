"""What the session-manager remembers of one task."""

import msgspec

from obra.events import (
    Briefing,
    Finding,
    LlmSelected,
    Policy,
    PromptPrepared,
    QuestionAsked,
    SessionRefreshed,
    TaskSubmitted,
    WorkspaceCheckpointed,
)
from obra.shared.evidence import Evidence, Key

NONE: Key = (0, 0)
SOLO = "1"


class Feedback(msgspec.Struct, frozen=True):
    """An attempt that was not accepted: what was seen of it, and why it was not."""

    evidence: Evidence = msgspec.field(default_factory=Evidence)
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """A question that an earlier attempt left open, and what somebody said to it."""

    question: str
    text: str
    by: str
    person: bool


class Fullness(msgspec.Struct, frozen=True):
    """How full the agent's conversation is, by its own report. ``warned``, ``asked``, ``refreshed``: for which run."""

    used: int = 0
    carried: int = 0
    window: int = 0
    resumable: str = ""
    warned: Key = NONE
    asked: Key = NONE
    asked_of: str = ""
    refreshed: Key = NONE

    @property
    def share(self) -> float:
        """Return how much of the window is in use, 1 where it is more."""
        return min(1.0, round(self.used / self.window, 4)) if self.window else 0.0


class State(msgspec.Struct, frozen=True):
    """One task's session: how far each step has come, and all that a prompt tells.

    ``prepared``, ``reserved`` and ``requested`` are the newest run that each step was taken for. ``open_usd`` is
    what is set aside for the run in hand; none: nothing. ``used`` is, after a rollback, the highest attempt that
    was ever begun: its number is not given again. ``summary`` stands for all attempts before it. ``chosen_before``:
    the LLM was chosen before it was the task's turn, as an earlier version did.
    """

    task: TaskSubmitted | None = None
    policy: Policy | None = None
    llm: LlmSelected | None = None
    chosen_before: bool = False
    opened: bool = False
    closed: bool = False
    over: bool = False
    used: int | None = None
    briefings: tuple[Briefing, ...] = ()
    prepared: Key = NONE
    prompt: PromptPrepared | None = None
    advice: str = ""
    enhanced: Key = NONE
    reserved: Key = NONE
    open_usd: float | None = None
    requested: Key = NONE
    exhausted: bool = False
    spent_usd: float = 0.0
    run_usd: float = 0.0
    turns_max: int = 0
    doublings: int = 0
    base: str | None = None
    tree: WorkspaceCheckpointed | None = None
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    findings: tuple[Finding, ...] = ()
    ended: Key = NONE
    next: Key = (1, 1)
    broken_off: bool = False
    last: Feedback | None = None
    earlier: tuple[str, ...] = ()
    asked: QuestionAsked | None = None
    answers: tuple[Answer, ...] = ()
    full: Fullness = msgspec.field(default_factory=Fullness)
    summary: SessionRefreshed | None = None
    closing: str = ""
    asked_at_end: bool = False
    summarised: bool = False

    @property
    def left_usd(self) -> float | None:
        """Return what is left of the budget; none: there is no limit."""
        if self.task is None or self.task.budget_usd is None:
            return None
        return max(0.0, round(self.task.budget_usd - self.spent_usd, 6))

    @property
    def session(self) -> str:
        """Return the session's name: one that tasks of a goal and milestone share, or the task's own."""
        if self.task is None or not (self.task.goal or self.task.milestone):
            return SOLO
        return f"{self.task.goal}/{self.task.milestone}"

    @property
    def shared(self) -> bool:
        """Return whether other tasks take part in the session."""
        return self.session != SOLO

    @property
    def llm_serves(self) -> bool:
        """Return whether an LLM can be asked."""
        return self.llm is not None and self.llm.provider != "none"
