"""Events of decisions, and of people where one is needed."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from obra.events.base import Content, Event, Tokens

Action = Literal["proceed", "retry", "clarify", "escalate", "checkpoint", "stop", "wait"]
OVERRIDES: frozenset[Action] = frozenset({"proceed", "retry", "checkpoint", "stop", "escalate"})
"""What a person can decide instead; the other actions would need more than a word."""

Severity = Literal["notice", "warning", "critical"]


class DecisionMade(Event, tag="decision.made"):
    """What happens next with the task, why, and on which numbers."""

    action: Action
    attempt: int
    run: int
    reasons: tuple[str, ...] = ()
    numbers: Annotated[dict[str, float], Meta(description="what the rule compared")] = msgspec.field(
        default_factory=dict
    )
    counted: Annotated[bool, Meta(description="the attempt counts against the task's attempts")] = True
    rule: Annotated[str, Meta(description="which rule decided; of escalate, the breakpoint that it raises")] = ""
    question: Annotated[Content, Meta(description="of clarify: what must be known")] = Content()


class DecisionShadowed(Event, tag="decision.shadowed"):
    """What a candidate policy would have decided in place of the decision just made. Nobody acts on it."""

    action: Action
    attempt: int
    run: int
    was: Annotated[Action, Meta(description="what was decided")]
    differs: Annotated[bool, Meta(description="another action, or counted otherwise")] = False
    counted: bool = True
    reasons: tuple[str, ...] = ()
    numbers: dict[str, float] = msgspec.field(default_factory=dict)
    rule: str = ""
    policy_sha256: Annotated[str, Meta(description="of the candidate, as `policy.proposed` has it")] = ""


class DecisionOverridden(Event, tag="decision.overridden"):
    """A person decided otherwise."""

    action: Action
    by: str = ""
    reason: str = ""


class QuestionAsked(Event, tag="question.asked"):
    """Something must be known before work goes on. To a person, the task waits; to the LLM, it doesn't."""

    question: Annotated[str, Meta(description="its id within the task")]
    text: Content
    to: Literal["person", "llm"] = "person"
    attempt: int = 0
    run: int = 0
    reasons: tuple[str, ...] = ()


class QuestionAnswered(Event, tag="question.answered"):
    """The answer, from a person or the LLM, or why the LLM has none."""

    question: str
    text: Content
    by: str = ""
    usable: Annotated[bool, Meta(description="false: there is no answer, and a person is asked instead")] = True
    reason: Annotated[str, Meta(description="why there is none")] = ""
    provider: str = ""
    model: str = ""
    tokens: Tokens = Tokens()
    duration_ms: float = 0.0
    template_sha256: Annotated[str, Meta(description="of the prompt template")] = ""
    options: Annotated[dict[str, float], Meta(description="sampling options sent with the question")] = msgspec.field(
        default_factory=dict
    )


class BreakpointRaised(Event, tag="breakpoint.raised"):
    """A rule says that a person is needed; the task waits."""

    name: str
    attempt: int = 0
    run: int = 0
    reasons: tuple[str, ...] = ()
    severity: Severity = "warning"
    milestone: Annotated[str, Meta(description="that it is about, where its name is `milestone`")] = ""


class BreakpointResolved(Event, tag="breakpoint.resolved"):
    """A person said how it goes on."""

    resolution: Literal["approve", "reject", "retry"]
    by: str = ""
    note: Content = Content()
    breakpoint: Annotated[str, Meta(description="id of the event that it resolves; empty: all in the scope")] = ""


class TimerSet(Event, tag="timer.set"):
    """Something is due later; the bus delivers `timer.fired` then, whoever is alive."""

    timer: str
    delay_s: Annotated[float, Meta(ge=0, description="from the moment the event is appended")] = 0.0
    at: Annotated[str, Meta(max_length=40, description="ISO 8601, UTC: due then; empty: after the delay")] = ""


class TimerFired(Event, tag="timer.fired"):
    """What was due is due now."""

    timer: str


class InputReceived(Event, tag="input.received"):
    """A person said something in plain language about what waits for them. It does nothing by itself."""

    text: Content
    input: Annotated[str, Meta(description="its id within the task")] = ""
    item: Annotated[str, Meta(description="id of the event that began what waits")] = ""
    by: str = ""


class InputInterpreted(Event, tag="input.interpreted"):
    """What the plain language was understood to mean, or why it was not. Nobody acts on it but who said it."""

    intent: Annotated[str, Meta(description="`approve`, `reject`, `retry`, `answer`, `cancel`; empty: none of them")]
    parameters: Annotated[
        dict[str, str],
        Meta(description="`text`: what of it is the answer, or is for the agent; `words`: those that say the intent"),
    ] = msgspec.field(default_factory=dict)
    confidence: Annotated[float, Meta(description="not asked for: a model's word about itself is worth nothing")] = 0.0
    input: Annotated[str, Meta(description="id of what was said")] = ""
    usable: bool = True
    reason: Annotated[str, Meta(description="why it was not understood")] = ""
    provider: str = ""
    model: str = ""
    tokens: Tokens = Tokens()
    duration_ms: float = 0.0
    template_sha256: Annotated[str, Meta(description="of the prompt template")] = ""
    options: Annotated[dict[str, float], Meta(description="sampling options sent with the question")] = msgspec.field(
        default_factory=dict
    )
