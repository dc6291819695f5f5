"""What supervisor-llm must know of a task: a pure fold, and what is still to be said."""

from dataclasses import dataclass, replace

from obra.events import (
    JUDGED,
    AgentExited,
    AttemptFinished,
    AttemptReviewed,
    ChecksRan,
    Event,
    LlmSelected,
    PromptEnhanced,
    PromptPrepared,
    ServiceDegraded,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskRejected,
    TaskSubmitted,
    WorkspaceCheckpointed,
)

NAME = "supervisor-llm"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the latest run left: nothing of earlier runs, so that the state stays small."""

    attempt: int = 0
    run: int = 0
    exited: AgentExited | None = None
    checkpoint: WorkspaceCheckpointed | None = None
    checks: ChecksRan | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A task as supervisor-llm sees it. Pairs are (attempt, run)."""

    task: TaskSubmitted | None = None
    over: bool = False
    selected: LlmSelected | None = None
    degraded: bool = False
    evidence: Evidence = Evidence()
    enhanced: frozenset[tuple[int, int]] = frozenset()
    reviewed: frozenset[tuple[int, int]] = frozenset()


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
        case AgentExited() | WorkspaceCheckpointed() | ChecksRan():
            state = replace(state, evidence=_gathered(state.evidence, event))
        case PromptEnhanced():
            state = replace(state, enhanced=state.enhanced | {(event.attempt, event.run)})
        case AttemptReviewed():
            state = replace(state, reviewed=state.reviewed | {(event.attempt, event.run)})
        case TaskCompleted() | TaskFailed() | TaskRejected() | TaskCancelled():
            state = replace(state, over=True)
    return state


def _gathered(evidence: Evidence, event: AgentExited | WorkspaceCheckpointed | ChecksRan) -> Evidence:
    if (event.attempt, event.run) != (evidence.attempt, evidence.run):
        evidence = Evidence(attempt=event.attempt, run=event.run)
    match event:
        case AgentExited():
            return replace(evidence, exited=event)
        case WorkspaceCheckpointed():
            return replace(evidence, checkpoint=event)
        case ChecksRan():
            return replace(evidence, checks=event)


def wants_selection(state: State) -> bool:
    """Return whether it is still open which LLM serves the task."""
    return state.task is not None and state.selected is None and not state.over


def wants_notice(state: State) -> bool:
    """Return whether the fall-back from `auto` to none was not announced yet."""
    fell_back = state.selected is not None and state.selected.asked == "auto" and state.selected.provider == "none"
    return fell_back and not state.degraded and not state.over


def wants_advice(state: State, asked: PromptPrepared) -> bool:
    """Return whether the prompt waits for advice, or for the reason that there is none."""
    return _serves(state) and (asked.attempt, asked.run) not in state.enhanced


def wants_review(state: State, finished: AttemptFinished) -> bool:
    """Return whether the run waits for an opinion. A run whose place a newer one took does not."""
    run = (finished.attempt, finished.run)
    newest = (state.evidence.attempt, state.evidence.run)
    return _serves(state) and finished.ending in JUDGED and run not in state.reviewed and newest <= run


def _serves(state: State) -> bool:
    return state.selected is not None and state.selected.provider != "none" and not state.over
