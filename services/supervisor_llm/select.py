"""Which LLM serves a task: what the task asks for, and what the server says."""

from dataclasses import dataclass

from obra.events import LlmSelected, ServiceDegraded
from obra.services.supervisor_llm.state import NAME
from obra.shared.config import LlmSettings
from obra.shared.llm import LlmFailed, Provider

OLLAMA = "ollama/"


@dataclass(frozen=True, slots=True)
class Probe:
    """What asking the server for one model came to."""

    ready: bool
    digest: str
    reason: str


async def select(asked: str, settings: LlmSettings, provider: Provider) -> LlmSelected | None:
    """Return the choice for a task that asks for *asked*; None where that is no form there is.

    `none` asks nobody. `auto` is the configured model if it is ready, else none. A model that is named stays, ready
    or not: it may be so by the time it is needed, and its reviews say why they are missing if it is not.
    """
    if asked == "none":
        return LlmSelected(asked=asked, provider="none", reason="the task asks for none")
    if asked == "auto":
        probe = await look(provider, settings.model)
        if not probe.ready:
            return LlmSelected(asked=asked, provider="none", reason=probe.reason)
        return LlmSelected(
            asked=asked, provider="ollama", model=settings.model, digest=probe.digest, reason=probe.reason
        )
    model = asked.removeprefix(OLLAMA)
    if model == asked or not model.strip():
        return None  # planner rejects the task
    probe = await look(provider, model)
    reason = "the task names it" if probe.ready else f"the task names it, but: {probe.reason}"
    return LlmSelected(asked=asked, provider="ollama", model=model, digest=probe.digest, reason=reason)


async def look(provider: Provider, model: str) -> Probe:
    """Ask whether *model* is ready to serve."""
    try:
        models = await provider.models()
    except LlmFailed as error:
        return Probe(ready=False, digest="", reason=error.reason)
    digest = models.get(_tagged(model))
    if digest is None:
        return Probe(ready=False, digest="", reason=f"the server has no model {model}; try: ollama pull {model}")
    return Probe(ready=True, digest=digest, reason=f"the server has {model}")


def notice(selected: LlmSelected) -> ServiceDegraded:
    """Return the announcement that `auto` came to nothing."""
    return ServiceDegraded(
        service=NAME,
        lacking="llm",
        reason=selected.reason,
        effect="no advice and no review: evidence alone decides",
    )


def _tagged(model: str) -> str:
    """Return *model* as Ollama lists it: a name without a tag means `latest`."""
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"
