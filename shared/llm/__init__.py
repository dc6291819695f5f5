"""Language models: what a server of them must be able to do for us, whoever makes it, and how it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from obra.events import Tokens
from obra.shared.errors import ObraError

COUNT_MAX = 2**40
REPLY_BYTES_MAX = 1024 * 1024


class LlmFailed(ObraError):
    """{reason}"""

    def __init__(self, *, reason: str, transient: bool = False) -> None:
        """Keep *reason*, one clause for a person. *transient*: the same question may be answered a moment later."""
        super().__init__(reason=reason)
        self.reason = reason
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Question:
    """One question to a model: what it is told to do, the material, and the shape of the answer."""

    model: str
    system: str
    user: str
    schema: Mapping[str, Any]
    tokens_max: int
    context_tokens: int
    temperature: float
    seed: int

    def options(self) -> dict[str, float]:
        """Return what was chosen for the sampling, as an event records it."""
        return {
            "temperature": self.temperature,
            "seed": self.seed,
            "num_ctx": self.context_tokens,
            "num_predict": self.tokens_max,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said.

    ``truncated``: it was cut at the token limit; ``crowded``: the context was full; ``refusal``: the server says that
    the model refused, and why. ``conceded``: options that the server would not take, as an event records it.
    """

    text: str
    tokens: Tokens
    truncated: bool = False
    crowded: bool = False
    refusal: str = ""
    conceded: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    """What asking a server for one model came to; ``digest``: of the model's weights, where the server states it."""

    ready: bool
    reason: str
    digest: str = ""


class Provider(Protocol):
    """A server of language models. Every call ends within the configured time, and raises `LlmFailed` alone."""

    @property
    def name(self) -> str:
        """Return the name that stands before the slash: `ollama`."""
        ...

    async def probe(self, model: str) -> Probe:
        """Return whether *model* is ready to serve."""
        ...

    async def ask(self, question: Question) -> Reply:
        """Return the model's reply."""
        ...

    async def close(self) -> None:
        """Let go of connections."""


def counted(value: object) -> int:
    """Return a count that a server states; what is none, or more than can be, is 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < COUNT_MAX else 0
