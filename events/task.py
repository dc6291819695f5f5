"""Events of a task's life as its owner sees it."""

from typing import Annotated, Literal

from msgspec import Meta

from obra.events.base import Attempt, Content, Event, Position, Tokens, Unit
from obra.events.planning import Complexity
from obra.events.policy import Calibration, Policy

Sandbox = Literal["auto", "bwrap", "none"]


class TaskSubmitted(Event, tag="task.submitted"):
    """Somebody asks for a piece of work on a repository."""

    text: Annotated[str, Meta(min_length=1, max_length=200_000, description="what is to be done, in plain words")]
    repo: Annotated[str, Meta(min_length=1, max_length=4096, description="absolute path of the git repository")]
    base: Annotated[str, Meta(max_length=256, description="commit, branch or tag to start from; empty: HEAD")] = ""
    checks: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=8192)], ...],
        Meta(max_length=32, description="shell commands that must all exit 0 in the workspace"),
    ] = ()
    agent: Annotated[
        str, Meta(min_length=1, max_length=4200, description="`claude`, or `scripted:` and a file's absolute path")
    ] = "claude"
    model: Annotated[str, Meta(max_length=200, description="the agent's model; empty: the agent's own default")] = ""
    llm: Annotated[
        str,
        Meta(min_length=1, max_length=200, description="reviewer: `auto`, `none`, `ollama/MODEL` or `openai/MODEL`"),
    ] = "auto"
    sandbox: Sandbox = "auto"
    attempts_max: Annotated[int, Meta(ge=1, le=100)] = 3
    turns_max: Annotated[int, Meta(ge=0, le=10_000, description="0: as the policy says")] = 0
    budget_usd: Annotated[float | None, Meta(description="for all attempts together; none: no limit")] = None
    timeout_s: Annotated[float, Meta(gt=0, le=7 * 86_400, description="for one attempt")] = 7_200.0
    silence_s: Annotated[float, Meta(gt=0, le=7 * 86_400, description="without any output of the agent")] = 900.0
    check_timeout_s: Annotated[float, Meta(gt=0, le=86_400, description="for one check")] = 900.0
    agent_env: Annotated[
        tuple[str, ...], Meta(max_length=64, description="names of variables the agent gets; values never travel")
    ] = ()
    priority: Annotated[int, Meta(ge=1, le=10, description="10 is the most urgent")] = 5
    after: Annotated[tuple[str, ...], Meta(max_length=256, description="tasks that must be completed first")] = ()
    acceptance: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=2_000)], ...],
        Meta(max_length=32, description="criteria that the work must meet, one by one"),
    ] = ()
    hidden_checks: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=8192)], ...],
        Meta(max_length=32, description="run after acceptance, shown to neither agent nor reviewer: ground truth"),
    ] = ()
    kind: Annotated[str, Meta(max_length=32, description="code, tests, documentation, …; empty: by its text")] = ""
    template: Annotated[str, Meta(max_length=32, description="hybrid or plain prompts; empty: as the policy says")] = ""
    goal: Annotated[str, Meta(max_length=64, description="the goal whose plan it belongs to")] = ""
    milestone: Annotated[str, Meta(max_length=64, description="tasks of one milestone share a session")] = ""
    complexity: Annotated[int, Meta(ge=0, le=100, description="0: estimated from the text")] = 0
    deadline: Annotated[str, Meta(max_length=40, description="ISO 8601, UTC; empty: none")] = ""
    policy: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=8_192)], ...],
        Meta(max_length=64, description="settings of its own: `decision.accept_quality=0.9`"),
    ] = ()


class TaskReadied(Event, tag="task.readied"):
    """Nothing stands in the way of the task any more; it is worked on under this policy."""

    policy: Policy = Policy()
    calibration: Calibration = Calibration()
    complexity: Complexity = Complexity()
    base: Annotated[
        tuple[str, ...],
        Meta(description="accepted commits to start from, several of them merged; none: what the task says"),
    ] = ()
    candidate: Annotated[
        Policy | None, Meta(description="a policy whose decisions are recorded beside the real ones, never acted on")
    ] = None


class TaskRejected(Event, tag="task.rejected"):
    """The task can't be worked on as it was submitted."""

    reasons: tuple[str, ...]


class TaskCompleted(Event, tag="task.completed"):
    """The work was accepted and has arrived in the repository as a branch."""

    attempt: Attempt
    branch: str
    commit: str
    quality: Unit = 0.0
    confidence: Unit = 0.0
    cost_usd: float = 0.0
    tokens: Tokens = Tokens()


class TaskFailed(Event, tag="task.failed"):
    """The work was not accepted and Obra stopped trying."""

    reasons: tuple[str, ...]
    attempts: Annotated[int, Meta(ge=0, description="attempts made")] = 0
    outside: Annotated[
        bool, Meta(description="for a reason outside of the task: the provider, the login, the account, the machine")
    ] = False


class TaskCancelled(Event, tag="task.cancelled"):
    """A person took the task back. Schema 2: who did stood in the reason before."""

    reason: str = ""
    by: Annotated[str, Meta(description="the person; empty: not a person, or not known")] = ""
    taken_over: Annotated[bool, Meta(description="the person goes on with the work; it is handed over")] = False


TaskEnd = TaskCompleted | TaskFailed | TaskCancelled | TaskRejected
"""After one of these nothing more is done for the task; the first one holds."""


class WorkspaceHandedOver(Event, tag="workspace.handed_over"):
    """A task that a person took over stands as they get it: the agent's clone, and its tree as a branch."""

    path: Annotated[str, Meta(description="the clone, as the agent left it; empty: there is none here")] = ""
    branch: Annotated[str, Meta(description="in the user's repository")] = ""
    commit: str = ""
    problem: Annotated[str, Meta(description="why there is no branch")] = ""


class TaskRolledBack(Event, tag="task.rolled_back"):
    """A person returned the task to an earlier point; what came after is undone, and the task rests.

    Nothing is deleted: whoever reads the past passes over what is undone (`obra.shared.history`). What can't be
    undone, attempt numbers given out and money spent, is filled in there from the past itself; what a sender
    writes into those fields does not count.
    """

    to: Annotated[Position, Meta(description="the newest position that still counts")]
    reason: str = ""
    by: str = ""
    attempts: Annotated[
        int, Meta(ge=0, description="highest attempt so far, undone ones too; filled in on reading")
    ] = 0
    cost_usd: Annotated[float, Meta(description="spent so far, on undone runs too; filled in on reading")] = 0.0
    tokens: Annotated[Tokens, Meta(description="used so far, by undone runs too; filled in on reading")] = Tokens()


class TaskLabelled(Event, tag="task.labelled"):
    """Ground truth arrived: whether the accepted or rejected work was good in the end."""

    good: bool
    source: Literal["person", "hidden_check", "reverted"] = "person"
    attempt: Annotated[int, Meta(ge=0, description="0: the task as a whole")] = 0
    note: Content = Content()
    by: Annotated[str, Meta(description="who said it; empty: no person did")] = ""


class BranchDelivered(Event, tag="branch.delivered"):
    """The accepted tree stands as a branch in the user's repository."""

    attempt: Attempt
    branch: str
    commit: str
    base: Annotated[str, Meta(description="commit it grew from; empty: the repository had none")] = ""


class BranchRefused(Event, tag="branch.refused"):
    """The accepted tree could not be put into the user's repository."""

    attempt: Attempt
    reason: str
