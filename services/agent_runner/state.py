"""What the runner must know of a task's past, folded from its events."""

import msgspec
from msgspec.structs import replace

from obra.events import (
    AgentExited,
    AttemptCancelled,
    AttemptFinished,
    AttemptInterrupted,
    AttemptRequested,
    AttemptStarted,
    BaseChecked,
    BranchDelivered,
    ChecksRan,
    Ending,
    Event,
    Policy,
    ServiceDegraded,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskLabelled,
    TaskReadied,
    TaskRejected,
    TaskRolledBack,
    TaskSubmitted,
    WorkspaceCheckpointed,
    WorkspaceInspected,
    WorkspaceRestored,
)

NAME = "agent-runner"
Key = tuple[int, int]
"""Attempt and run, in the order in which runs happen."""

CHECKED: frozenset[Ending] = frozenset({"max_turns", "timed_out", "hung", "stuck", "failed", "killed"})
"""Endings beside the judged ones that may leave work which checks can say something about, for the next prompt."""


class Run(msgspec.Struct, frozen=True):
    """One run so far. ``over`` is true once its outcome stands: finished or interrupted."""

    started: AttemptStarted | None = None
    exited: AgentExited | None = None
    checkpoint: WorkspaceCheckpointed | None = None
    inspected: WorkspaceInspected | None = None
    checks: ChecksRan | None = None
    over: bool = False


UNKNOWN = Run()


class State(msgspec.Struct, frozen=True):
    """A task as its runner sees it. ``over`` is true once nobody may say anything more about it.

    ``rolled_back``: it was, so its workspace may hold what no run here tells of; ``returned``: and was not yet put
    back. ``delivered``: attempts whose branch was made since. ``labelled``: its hidden checks have spoken, or could
    not. ``base_checked``: its checks ran at the base.
    """

    task: TaskSubmitted | None = None
    policy: Policy = msgspec.field(default_factory=Policy)
    grown_from: tuple[str, ...] = ()
    runs: dict[Key, Run] = msgspec.field(default_factory=dict)
    cancelled: dict[int, str] = msgspec.field(default_factory=dict)
    delivered: frozenset[int] = frozenset()
    degraded: bool = False
    rolled_back: bool = False
    returned: bool = False
    over: bool = False
    labelled: bool = False
    base_checked: bool = False

    def run(self, key: Key) -> Run:
        """Return what is known of a run."""
        return self.runs.get(key, UNKNOWN)

    @property
    def newest(self) -> Key:
        """Return the newest run that was asked for; (0, 0) if none was."""
        return max(self.runs, default=(0, 0))

    @property
    def start(self) -> tuple[str, ...]:
        """Return what the workspace is made from: the recorded base, accepted work of other tasks, or the wish."""
        if self.base:
            return (self.base,)
        return self.grown_from or (self.task.base if self.task else "",)

    @property
    def base(self) -> str | None:
        """Return the commit that the task grew from, as its first run recorded it; None before that."""
        started = [run.started for _, run in sorted(self.runs.items()) if run.started]
        return next((start.base for start in started if start.workspace), None)

    def wanted(self, key: Key) -> bool:
        """Return whether an outcome of this run is still awaited: it is the newest, and has none."""
        return not self.over and key >= self.newest and not self.run(key).over

    def began_with(self, key: Key) -> WorkspaceCheckpointed | None:
        """Return the checkpoint that a run starts from: the last complete one before it; None for the base."""
        earlier = [(k, run.checkpoint) for k, run in self.runs.items() if k < key and run.checkpoint]
        return max(earlier, key=lambda pair: pair[0])[1] if earlier else None

    @property
    def newest_checkpoint(self) -> WorkspaceCheckpointed | None:
        """Return the last complete checkpoint; None for the base."""
        return self.began_with((self.newest[0] + 1, 0))

    def attempt_began_with(self, attempt: int) -> WorkspaceCheckpointed | None:
        """Return the checkpoint that an attempt's first run starts from; None for the base."""
        return self.began_with((attempt, 0))

    def accepted(self, attempt: int) -> WorkspaceCheckpointed | None:
        """Return the last complete checkpoint of an attempt."""
        found = self.began_with((attempt + 1, 0))
        return found if found and found.attempt == attempt else None


def evolve(state: State, event: Event) -> State:
    """Take in one event."""
    match event:
        case TaskSubmitted():
            return state if state.task else replace(state, task=event)
        case TaskReadied():
            return replace(state, policy=event.policy, grown_from=event.base)
        case TaskCompleted() | TaskFailed() | TaskCancelled() | TaskRejected():
            return replace(state, over=True)
        case TaskRolledBack():
            return replace(state, rolled_back=True, returned=True, delivered=frozenset())
        case WorkspaceRestored():
            return replace(state, returned=False)
        case BranchDelivered(attempt=attempt):
            return replace(state, delivered=state.delivered | {attempt})
        case AttemptCancelled():
            return replace(state, cancelled=state.cancelled | {event.attempt: event.reason})
        case TaskLabelled() | ServiceDegraded() | BaseChecked():
            return _noted(state, event)
        case (
            AttemptRequested() | AttemptStarted() | AgentExited() | WorkspaceCheckpointed() | ChecksRan()
            | WorkspaceInspected() | AttemptFinished() | AttemptInterrupted()
        ):  # fmt: skip
            key = (event.attempt, event.run)
            runs = state.runs | {key: _evolve(state.run(key), event)}
            return replace(state, runs=runs, returned=state.returned and not isinstance(event, AttemptStarted))
        case _:
            return state


def _noted(state: State, event: TaskLabelled | ServiceDegraded | BaseChecked) -> State:
    match event:
        case BaseChecked():
            return replace(state, base_checked=True)
        case TaskLabelled(source="hidden_check") | ServiceDegraded(service="agent-runner", lacking="hidden checks"):
            return replace(state, labelled=True)
        case ServiceDegraded(service="agent-runner", lacking="sandbox"):
            return replace(state, degraded=True)
        case _:
            return state


def _evolve(run: Run, event: Event) -> Run:
    match event:
        case AttemptStarted():
            return run if run.started else replace(run, started=event)
        case AgentExited():
            return run if run.exited else replace(run, exited=event)
        case WorkspaceCheckpointed(interrupted=False):
            return run if run.checkpoint else replace(run, checkpoint=event)
        case WorkspaceInspected():
            return run if run.inspected else replace(run, inspected=event)
        case ChecksRan():
            return run if run.checks else replace(run, checks=event)
        case AttemptFinished() | AttemptInterrupted():
            return replace(run, over=True)
        case _:
            return run
