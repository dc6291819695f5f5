"""What supervisor-llm must know of a task: a pure fold, and what is still to be said."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from obra.events import (
    AgentExited,
    BaseChecked,
    ChecksRan,
    Event,
    Finding,
    LlmSelected,
    ServiceDegraded,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskRejected,
    TaskSubmitted,
    WorkspaceCheckpointed,
    WorkspaceInspected,
)
from obra.shared.evidence import at_base

NAME = "supervisor-llm"


class Evidence(msgspec.Struct, frozen=True):
    """What the latest run left: nothing of earlier runs, so that the state stays small."""

    attempt: int = 0
    run: int = 0
    exited: AgentExited | None = None
    checkpoint: WorkspaceCheckpointed | None = None
    findings: tuple[Finding, ...] = ()
    checks: ChecksRan | None = None


class State(msgspec.Struct, frozen=True):
    """A task as supervisor-llm sees it. ``before`` says of checks that ran at the base whether they passed there."""

    task: TaskSubmitted | None = None
    over: bool = False
    selected: LlmSelected | None = None
    degraded: bool = False
    evidence: Evidence = Evidence()
    before: Mapping[str, bool] = msgspec.field(default_factory=dict)

    @property
    def serves(self) -> bool:
        """Return whether a model was selected for the task, and the task still goes on."""
        return self.selected is not None and self.selected.provider != "none" and not self.over


INITIAL = State()


def evolve(state: State, event: Event) -> State:
    """Take in one event. The first submission and the first selection of a task are the ones that count."""
    match event:
        case TaskSubmitted() if state.task is None:
            state = replace(state, task=event)
        case LlmSelected() if state.selected is None:
            state = replace(state, selected=event)
        case ServiceDegraded(service=service, lacking="llm") if service == NAME:
            state = replace(state, degraded=True)
        case AgentExited() | WorkspaceCheckpointed() | WorkspaceInspected() | ChecksRan():
            state = replace(state, evidence=_gathered(state.evidence, event))
        case BaseChecked():
            state = replace(state, before=at_base(event))
        case TaskCompleted() | TaskFailed() | TaskRejected() | TaskCancelled():
            state = replace(state, over=True)
    return state


def _gathered(
    evidence: Evidence, event: AgentExited | WorkspaceCheckpointed | WorkspaceInspected | ChecksRan
) -> Evidence:  # fmt: skip
    if (event.attempt, event.run) != (evidence.attempt, evidence.run):
        evidence = Evidence(attempt=event.attempt, run=event.run)
    match event:
        case AgentExited():
            return replace(evidence, exited=event)
        case WorkspaceCheckpointed():
            return replace(evidence, checkpoint=event)
        case WorkspaceInspected():
            return replace(evidence, findings=event.findings)
        case ChecksRan():
            return replace(evidence, checks=event)


def wants_selection(state: State) -> bool:
    """Return whether it is still open which LLM serves the task, and there is something to look for.

    Of a task that asks for `none` the session-manager says so itself, as it opens the session.
    """
    return state.task is not None and state.task.llm != "none" and state.selected is None and not state.over


def wants_notice(state: State) -> bool:
    """Return whether the fall-back from `auto` to none was not announced yet."""
    fell_back = state.selected is not None and state.selected.asked == "auto" and state.selected.provider == "none"
    return fell_back and not state.degraded and not state.over
