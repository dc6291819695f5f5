"""How a language model is named: `auto`, `none`, or a provider, a slash, and the provider's own name of it."""

from typing import Literal

from obra.events import LlmSelected

ProviderName = Literal["ollama", "openai"]
PROVIDERS: tuple[ProviderName, ...] = ("ollama", "openai")
NOBODY = LlmSelected(asked="none", provider="none", reason="the task asks for none")
"""The choice of a task that asks for `none`: there is nothing to look for."""

FORMS = "`auto`, `none`, `ollama/MODEL` or `openai/MODEL`"


def named(llm: str) -> tuple[ProviderName, str] | None:
    """Return provider and model of *llm*; None if it does not name a model."""
    provider, _, model = llm.partition("/")
    return next(((known, model) for known in PROVIDERS if provider == known and model.strip()), None)


def understood(llm: str) -> bool:
    """Return whether *llm* is one of the `FORMS`."""
    return llm in ("auto", "none") or named(llm) is not None
