"""How the decider's memory of a task follows from its events."""

from msgspec.structs import replace

from obra.events import (
    JUDGED,
    OVERRIDES,
    AgentExited,
    AttemptFinished,
    AttemptInterrupted,
    AttemptScored,
    AttemptStarted,
    BaseChecked,
    BranchDelivered,
    BranchRefused,
    BreakpointRaised,
    BreakpointResolved,
    BudgetExhausted,
    DecisionMade,
    DecisionOverridden,
    Event,
    LlmSelected,
    QuestionAnswered,
    QuestionAsked,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    TimerFired,
    TimerSet,
)
from obra.services.decider.state import State
from obra.shared.evidence import at_base, gather

AT_REST = ("waiting", "person", "asking")

OVER = State(stands="closed")
"""What is remembered of a task that is over: nothing, since a thousand of them are remembered."""


def evolve(state: State, event: Event) -> State:
    """Take in one event. After the task's end nothing changes any more."""
    if state.stands == "closed" and state.due == "":
        return state
    match event:
        case TaskCompleted() | TaskFailed() | TaskRejected() | TaskCancelled():
            return OVER
        case TaskSubmitted() | TaskReadied() | LlmSelected():
            return _begun(state, event)
        case DecisionMade():
            return _decided(state, event)
        case TimerSet() | BreakpointRaised() | QuestionAsked():
            return _followed(state, event)
        case BreakpointResolved() | DecisionOverridden() | QuestionAnswered():
            return _spoken(state, event)
        case TaskRolledBack():
            return _returned(state, event)
        case BaseChecked():
            return replace(state, at_base=at_base(event))
        case _:
            return _of_the_run(_gathered(state, event), event)


def _begun(state: State, event: TaskSubmitted | TaskReadied | LlmSelected) -> State:
    match event:
        case TaskReadied():
            return replace(state, policy=event.policy, candidate=event.candidate)
        case LlmSelected(provider=provider):
            return replace(state, llm=provider != "none")
        case _:
            return state if state.task else replace(state, task=event)


def _followed(state: State, event: TimerSet | BreakpointRaised | QuestionAsked) -> State:
    """Take in what followed from a decision."""
    match event:
        case QuestionAsked() if state.stands == "asking" and state.due in ("sequel", "no_answer"):
            return replace(state, due="", asked=event)
        case TimerSet() if state.stands == "waiting" and state.due == "sequel":
            return replace(state, due="")
        case BreakpointRaised() if state.stands == "person" and state.due == "sequel":
            return replace(state, due="")
        case _:
            return state


def _gathered(state: State, event: Event) -> State:
    if isinstance(event, AgentExited):
        state = replace(
            state, cost_usd=round(state.cost_usd + event.cost_usd, 6), tokens=state.tokens + event.tokens,
            agent_s=round(state.agent_s + event.duration_ms / 1_000, 3),
        )  # fmt: skip
    if isinstance(event, AttemptStarted):
        state = replace(state, workspace=event.workspace)
    evidence = gather(state.evidence, event)
    return replace(state, evidence=evidence, made=state.made + (evidence.attempt > state.evidence.attempt))


def _returned(state: State, event: TaskRolledBack) -> State:
    """Rest until a person has spoken. What was spent on what is undone was spent all the same."""
    return replace(
        state, stands="person", due="", override=None, resolution=None, asked=None, answer=None,
        cost_usd=event.cost_usd, tokens=event.tokens,
    )  # fmt: skip


def _of_the_run(state: State, event: Event) -> State:
    match event:
        case AttemptScored() if state.undecided and (event.attempt, event.run) == state.evidence.key:
            return replace(state, due="score")
        case AttemptFinished(ending=ending) if (
            state.undecided and ending not in JUDGED and (event.attempt, event.run) == state.evidence.key
        ):
            return replace(state, due="ending")
        case AttemptInterrupted() if state.undecided and (event.attempt, event.run) == state.evidence.key:
            return replace(state, due="loss", loss=event, interruptions=state.interruptions + 1)
        case BudgetExhausted() if state.stands == "open":
            return replace(state, due="budget", budget=event)
        case BranchRefused() if state.stands == "delivering":
            return replace(state, due="refusal", refusal=event.reason)
        case BranchDelivered() if state.stands == "delivering":
            return replace(state, due="completion", delivered=event)
        case TimerFired(timer=timer) if state.stands == "waiting" and timer == state.timer:
            return replace(state, due="timer")
        case _:
            return state


def _spoken(state: State, event: BreakpointResolved | DecisionOverridden | QuestionAnswered) -> State:
    """Take in a word from outside. It holds at once where the task rests, else when the run in hand ends."""
    match event:
        case BreakpointResolved():
            rests = state.stands in ("person", "asking")
            return replace(state, due="resolution", resolution=event) if rests else state
        case QuestionAnswered():
            return _answered(state, event)
        case DecisionOverridden() if event.action not in OVERRIDES or state.stands in ("delivering", "closed"):
            return state
        case _:
            at_once = event.action == "stop" or state.stands in AT_REST
            if at_once and event.action == "proceed" and state.evidence.checkpoint is None:
                return state
            return replace(state, override=event, due="override" if at_once else state.due)


def _answered(state: State, event: QuestionAnswered) -> State:
    """Take in an answer to the open question, or word that the LLM has none."""
    if state.stands != "asking" or state.due or state.asked is None or state.asked.question != event.question:
        return state
    if event.usable:
        return replace(state, due="answer", answer=event)
    return replace(state, due="no_answer", answer=event) if state.asked.to == "llm" else state


def _decided(state: State, event: DecisionMade) -> State:
    spoken = state.due in ("resolution", "override", "answer")
    state = _acted(
        replace(
            state, decision=event, decided=max(state.decided, (event.attempt, event.run)), due="", override=None,
            resolution=None, asked=None, answer=None,
        ),
        event,
    )  # fmt: skip
    return replace(state, failures=0) if spoken else state


def _acted(state: State, event: DecisionMade) -> State:
    match event.action:
        case "proceed":
            return replace(state, stands="delivering")
        case "wait":
            return replace(state, stands="waiting", due="sequel", outages=state.outages + 1)
        case "escalate":
            raised = {**state.raised, event.rule: state.raised.get(event.rule, 0) + 1}
            return replace(state, stands="person", due="sequel", raised=raised)
        case "clarify":
            return replace(state, stands="asking", due="sequel", questions=state.questions + 1)
        case "checkpoint":
            return replace(state, stands="open", checkpoints=state.checkpoints + 1)
        case "stop":
            return replace(state, stands="closed", due="sequel")
        case _:
            return replace(_failed(state) if event.counted else state, stands="open")


def _failed(state: State) -> State:
    """Remember of an attempt that was not accepted what later ones are held against."""
    evidence = state.evidence
    passed = {c.command for c in evidence.checks.checks if c not in evidence.failing} if evidence.checks else set()
    return replace(
        state, failures=state.failures + 1, passed=state.passed | passed,
        solution=evidence if evidence.passed and evidence.changed else state.solution,
    )  # fmt: skip
