"""Which LLM serves a task: what the task asks for, and what the server says."""

from collections.abc import Mapping

from obra.events import LlmSelected, ServiceDegraded
from obra.services.supervisor_llm.state import NAME
from obra.shared.config import LlmSettings
from obra.shared.llm import LlmFailed, Probe, Provider
from obra.shared.llm.names import NOBODY, named


async def select(asked: str, settings: LlmSettings, providers: Mapping[str, Provider]) -> LlmSelected | None:
    """Return the choice for a task that asks for *asked*; None where that is no form there is.

    `none` asks nobody. `auto` is the configured model if it is ready, else none. A model that is named stays, ready
    or not: it may be so by the time it is needed, and its reviews say why they are missing if it is not.
    """
    if asked == "none":
        return NOBODY
    if asked == "auto":
        probe = await look(providers[settings.provider], settings.model)
        if not probe.ready:
            return LlmSelected(asked=asked, provider="none", reason=probe.reason)
        return LlmSelected(
            asked=asked, provider=settings.provider, model=settings.model, digest=probe.digest, reason=probe.reason
        )
    if (choice := named(asked)) is None:
        return None  # planner rejects the task
    provider, model = choice
    probe = await look(providers[provider], model)
    reason = "the task names it" if probe.ready else f"the task names it, but: {probe.reason}"
    return LlmSelected(asked=asked, provider=provider, model=model, digest=probe.digest, reason=reason)


async def look(provider: Provider, model: str) -> Probe:
    """Ask whether *model* is ready to serve; a failure is a reason why it isn't."""
    try:
        return await provider.probe(model)
    except LlmFailed as error:
        return Probe(ready=False, reason=error.reason)


def notice(selected: LlmSelected) -> ServiceDegraded:
    """Return the announcement that `auto` came to nothing."""
    return ServiceDegraded(
        service=NAME,
        lacking="llm",
        reason=selected.reason,
        effect="no advice and no review: evidence alone decides",
    )
