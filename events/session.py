"""Events of sessions, prompts and budgets."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from obra.events.base import Attempt, Content, Event, Run, Tokens, Unit


class LlmSelected(Event, tag="llm.selected"):
    """Which LLM reviews this task, or that none does, and why."""

    asked: Annotated[str, Meta(description="what the task asked for: `auto`, `none` or a model")]
    provider: Literal["ollama", "openai", "none"]
    model: str = ""
    digest: Annotated[str, Meta(description="of the model's weights, as the server states it")] = ""
    reason: str = ""


class SessionOpened(Event, tag="session.opened"):
    """A span of work that shares context began."""

    session: str
    context_tokens_max: int = 0


class SessionWarned(Event, tag="session.warned"):
    """The context window is filling up."""

    session: str
    used: Unit


class SessionRefreshed(Event, tag="session.refreshed"):
    """The session goes on from a summary instead of its whole past."""

    session: str
    summary: Content
    emergency: bool = False


class SessionClosed(Event, tag="session.closed"):
    """The span of work ended."""

    session: str


class SummaryRequested(Event, tag="summary.requested"):
    """A summary of the session is wanted."""

    session: str
    text: Content


class SessionSummarised(Event, tag="session.summarised"):
    """The summary of a session."""

    session: str
    summary: Content
    by: str = ""


class PromptPrepared(Event, tag="prompt.prepared"):
    """The prompt of an attempt, complete but for what the LLM may add to it."""

    attempt: Attempt
    run: Run
    prompt: Content
    template: str
    template_sha256: str
    feedback_from: Annotated[tuple[int, ...], Meta(description="attempts whose results it tells in full")] = ()


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
