"""The language of the system: every event that may travel or be stored, declared once."""

from typing import get_args

from obra.events.attempt import (
    AgentExited,
    AttemptCancelled,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptReviewed,
    AttemptScored,
    AttemptStarted,
    BaseChecked,
    ChecksRan,
    Claim,
    ClaimContradicted,
    Criterion,
    Finding,
    Issue,
    Part,
    SelfTest,
    Shadow,
    Stuck,
    StuckKind,
    WorkspaceCheckpointed,
    WorkspaceInspected,
    WorkspaceRestored,
)
from obra.events.base import (
    ENDINGS,
    HOPELESS,
    JUDGED,
    OUTAGES,
    OUTSIDE,
    CheckResult,
    Content,
    Denial,
    Ending,
    Event,
    FileChange,
    Tokens,
    Value,
)
from obra.events.decision import (
    OVERRIDES,
    Action,
    BreakpointRaised,
    BreakpointResolved,
    DecisionMade,
    DecisionOverridden,
    DecisionShadowed,
    InputInterpreted,
    InputReceived,
    QuestionAnswered,
    QuestionAsked,
    Severity,
    TimerFired,
    TimerSet,
)
from obra.events.operations import (
    ChainAnchored,
    MessageDeadLettered,
    MessageRejected,
    PruneRefused,
    PruneRequested,
    ServiceDegraded,
    StreamPruned,
    StreamRefilled,
)
from obra.events.output import Output
from obra.events.planning import (
    Complexity,
    ComplexityPart,
    GoalCompleted,
    GoalFailed,
    GoalSubmitted,
    MilestoneReached,
    PlanAccepted,
    PlanDrafted,
    PlannedTask,
    PlanRejected,
    PlanRequested,
    ProjectPaused,
    ProjectResumed,
    TaskHeld,
)
from obra.events.policy import Breakpoints, Calibration, CalibrationFitted, Policy, PolicyAdopted, PolicyProposed, Rule
from obra.events.probe import ProbedCode, WorkspaceProbed
from obra.events.session import (
    Briefing,
    BudgetExhausted,
    BudgetReserved,
    BudgetSettled,
    LeftOut,
    LlmSelected,
    PromptEnhanced,
    PromptPrepared,
    SessionBriefed,
    SessionClosed,
    SessionJoined,
    SessionOpened,
    SessionRefreshed,
    SessionSummarised,
    SessionWarned,
    SummaryRequested,
)
from obra.events.task import (
    BranchDelivered,
    BranchRefused,
    Sandbox,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskLabelled,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    WorkspaceHandedOver,
)

AnyEvent = (
    GoalSubmitted
    | GoalCompleted
    | GoalFailed
    | PlanRequested
    | PlanDrafted
    | PlanAccepted
    | PlanRejected
    | MilestoneReached
    | ProjectPaused
    | ProjectResumed
    | PolicyAdopted
    | PolicyProposed
    | CalibrationFitted
    | TaskSubmitted
    | TaskHeld
    | TaskReadied
    | TaskRejected
    | TaskCompleted
    | TaskFailed
    | TaskCancelled
    | TaskRolledBack
    | TaskLabelled
    | BranchDelivered
    | BranchRefused
    | WorkspaceHandedOver
    | LlmSelected
    | SessionOpened
    | SessionJoined
    | SessionBriefed
    | SessionWarned
    | SessionRefreshed
    | SessionClosed
    | SummaryRequested
    | SessionSummarised
    | PromptPrepared
    | PromptEnhanced
    | BudgetReserved
    | BudgetSettled
    | BudgetExhausted
    | AttemptRequested
    | AttemptStarted
    | AttemptCancelled
    | AgentExited
    | WorkspaceCheckpointed
    | WorkspaceInspected
    | WorkspaceProbed
    | WorkspaceRestored
    | BaseChecked
    | ChecksRan
    | AttemptFinished
    | AttemptInterrupted
    | AttemptReviewed
    | AttemptScored
    | ClaimContradicted
    | DecisionMade
    | DecisionShadowed
    | DecisionOverridden
    | QuestionAsked
    | QuestionAnswered
    | BreakpointRaised
    | BreakpointResolved
    | TimerSet
    | TimerFired
    | InputReceived
    | InputInterpreted
    | MessageRejected
    | MessageDeadLettered
    | PruneRequested
    | StreamPruned
    | ChainAnchored
    | StreamRefilled
    | PruneRefused
    | ServiceDegraded
)

KINDS: dict[str, type[Event]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)}
"""Every event type by its name."""

__all__ = [
    "ENDINGS", "HOPELESS", "JUDGED", "KINDS", "OUTAGES", "OUTSIDE", "OVERRIDES", "Action", "AgentExited", "AnyEvent",
    "AttemptCancelled", "AttemptFinished", "AttemptInterrupted", "AttemptRequested", "AttemptReviewed", "AttemptScored",
    "AttemptStarted", "BaseChecked", "BranchDelivered", "BranchRefused", "BreakpointRaised", "BreakpointResolved",
    "Breakpoints", "Briefing", "BudgetExhausted", "BudgetReserved", "BudgetSettled", "Calibration", "CalibrationFitted",
    "ChainAnchored",
    "CheckResult", "ChecksRan", "Claim", "ClaimContradicted", "Complexity", "ComplexityPart", "Content", "Criterion",
    "DecisionMade", "DecisionOverridden", "DecisionShadowed", "Denial", "Ending", "Event", "FileChange", "Finding",
    "GoalCompleted", "GoalFailed", "GoalSubmitted", "InputInterpreted", "InputReceived", "Issue", "LeftOut",
    "LlmSelected", "MessageDeadLettered", "MessageRejected", "MilestoneReached", "Output", "Part", "PlanAccepted",
    "PlanDrafted", "PlanRejected", "PlanRequested", "PlannedTask", "Policy", "PolicyAdopted", "PolicyProposed",
    "ProbedCode",
    "ProjectPaused", "ProjectResumed", "PromptEnhanced", "PromptPrepared", "PruneRefused", "PruneRequested",
    "QuestionAnswered", "QuestionAsked", "Rule", "Sandbox", "SelfTest", "ServiceDegraded", "SessionBriefed",
    "SessionClosed", "SessionJoined", "SessionOpened", "SessionRefreshed", "SessionSummarised", "SessionWarned",
    "Severity", "Shadow", "StreamPruned", "StreamRefilled", "Stuck", "StuckKind", "SummaryRequested", "TaskCancelled",
    "TaskCompleted",
    "TaskFailed", "TaskHeld", "TaskLabelled", "TaskReadied", "TaskRejected", "TaskRolledBack", "TaskSubmitted",
    "TimerFired", "TimerSet", "Tokens", "Value", "WorkspaceCheckpointed", "WorkspaceHandedOver", "WorkspaceInspected",
    "WorkspaceProbed", "WorkspaceRestored",
]  # fmt: skip
