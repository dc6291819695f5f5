"""Events of sessions, prompts and budgets."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from obra.events.base import Attempt, Content, Event, Run, Tokens, Unit, Value


class LlmSelected(Event, tag="llm.selected"):
    """Which LLM reviews this task, or that none does, and why. Of a task that asks for none session-manager says so."""

    asked: Annotated[str, Meta(description="what the task asked for: `auto`, `none` or a model")]
    provider: Literal["ollama", "openai", "none"]
    model: str = ""
    digest: Annotated[str, Meta(description="of the model's weights, as the server states it")] = ""
    reason: str = ""


class SessionOpened(Event, tag="session.opened"):
    """A span of work that shares context began."""

    session: Annotated[str, Meta(description="`1`: the task's own; else `GOAL/MILESTONE`, shared by their tasks")]
    context_tokens_max: Annotated[int, Meta(description="size of the model's context window, as far as known then")] = 0


class SessionJoined(Event, tag="session.joined"):
    """A task takes part in a shared session. It stands in the session's own scope, which no task has."""

    session: str
    member: Annotated[str, Meta(description="id of the task")]
    milestone: str = ""


class Briefing(Value):
    """One thing that a task is told of the session it joins."""

    name: Annotated[str, Meta(description="`workplan`, the id of the task that it is about, or an earlier milestone")]
    kind: Literal["workplan", "task", "earlier"] = "task"
    text: Annotated[str, Meta(description="at most 2,000 characters")] = ""
    age: Annotated[int, Meta(ge=0, description="0: of the task before this one, and so on backwards")] = 0
    by: Annotated[str, Meta(description="`extract`, or the LLM that wrote it")] = "extract"


class SessionBriefed(Event, tag="session.briefed"):
    """What the other tasks of a shared session came to so far, told to the one that joins it."""

    session: str
    briefings: tuple[Briefing, ...] = ()


class SessionWarned(Event, tag="session.warned"):
    """The context window is filling up."""

    session: str
    used: Annotated[Unit, Meta(description="of the window; 1 where it is more")]
    tokens: Annotated[int, Meta(ge=0, description="in the context")] = 0
    window: Annotated[int, Meta(ge=0, description="size of the context window, tokens")] = 0
    basis: Annotated[
        Literal["reported", "estimated"],
        Meta(description="by the agent, after it ran; or by Obra, of a prompt before it is sent"),
    ] = "reported"


class SessionRefreshed(Event, tag="session.refreshed"):
    """The session goes on from a summary instead of its whole past; the agent begins a session of its own."""

    session: str
    summary: Content
    emergency: Annotated[bool, Meta(description="the window was so full that no summary was waited for")] = False
    by: Annotated[str, Meta(description="`extract`, or the LLM that wrote the summary")] = ""
    reason: Annotated[str, Meta(description="why it is an extract")] = ""
    used: Annotated[Unit, Meta(description="of the window before; 1 where it was more")] = 0.0


class SessionClosed(Event, tag="session.closed"):
    """The span of work ended."""

    session: str


class SummaryRequested(Event, tag="summary.requested"):
    """A summary of the session is wanted."""

    session: str
    text: Annotated[Content, Meta(description="what is to be summarised")]


class SessionSummarised(Event, tag="session.summarised"):
    """The summary of a session, or the reason that the LLM gave none."""

    session: str
    summary: Content
    of: Annotated[str, Meta(description="SHA-256 of the text that it summarises")] = ""
    by: Annotated[str, Meta(description="`extract`, or provider and model")] = ""
    usable: bool = True
    reason: Annotated[str, Meta(description="why there is no usable summary")] = ""
    tokens: Tokens = Tokens()
    duration_ms: float = 0.0
    template_sha256: Annotated[str, Meta(description="of the prompt template")] = ""
    options: Annotated[dict[str, float], Meta(description="sampling options sent with the question")] = msgspec.field(
        default_factory=dict
    )


class LeftOut(Value):
    """A piece of context that the prompt does not tell, or not whole."""

    piece: str
    reason: str
    tokens: Annotated[int, Meta(ge=0, description="that it would have taken, estimated")] = 0


class PromptPrepared(Event, tag="prompt.prepared"):
    """The prompt of an attempt, complete but for what the LLM may add to it."""

    attempt: Attempt
    run: Run
    prompt: Content
    template: str
    template_sha256: str
    feedback_from: Annotated[tuple[int, ...], Meta(description="attempts whose results it tells in full")] = ()
    kind: Annotated[str, Meta(description="of the task, stated or by its words")] = ""
    rules: Annotated[tuple[str, ...], Meta(description="ids of the rules that it tells")] = ()
    rules_sha256: Annotated[str, Meta(description="of the rule files")] = ""
    tokens_estimated: Annotated[int, Meta(ge=0, description="of the prompt; an estimate before it is sent")] = 0
    tokens_by: Annotated[str, Meta(description="the encoding that they were counted with")] = ""
    tokens_max: Annotated[int, Meta(ge=0, description="the budget of its context pieces, in the same count")] = 0
    pieces: Annotated[tuple[str, ...], Meta(description="context that it tells, the most valuable first")] = ()
    left_out: Annotated[tuple[LeftOut, ...], Meta(description="context that it does not tell, and why")] = ()
    resume: Annotated[str, Meta(description="the agent's own session that it goes on with; empty: a fresh one")] = ""
    fresh: Annotated[
        str, Meta(description="why it is a fresh one although the turns of the one before ran out in its work")
    ] = ""


class PromptEnhanced(Event, tag="prompt.enhanced"):
    """The LLM's advice for the attempt, or the reason that there is none."""

    attempt: Attempt
    run: Run
    advice: Content = Content()
    usable: bool = True
    reason: str = ""
    provider: str = ""
    model: str = ""
    tokens: Tokens = Tokens()
    duration_ms: float = 0.0
    template_sha256: Annotated[str, Meta(description="of the prompt template")] = ""
    options: Annotated[dict[str, float], Meta(description="sampling options sent with the question")] = msgspec.field(
        default_factory=dict
    )


class BudgetReserved(Event, tag="budget.reserved"):
    """Money was set aside before an attempt was dispatched."""

    attempt: Attempt
    run: Run
    usd: float


class BudgetSettled(Event, tag="budget.settled"):
    """What the attempt really cost; the rest of the reservation is free again."""

    attempt: Attempt
    run: Run
    usd: float


class BudgetExhausted(Event, tag="budget.exhausted"):
    """The task's budget does not allow another attempt."""

    spent_usd: float
    budget_usd: float
