"""The advice: the prompt of an attempt as a question, and the reply as an event."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from obra.events import Content, LlmSelected, PromptEnhanced, PromptPrepared
from obra.services.supervisor_llm.ask import Opinion
from obra.services.supervisor_llm.material import Section

Line = Annotated[str, Field(min_length=1, max_length=300)]


class Advice(BaseModel):
    """The advice, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    advice: Annotated[str, Field(min_length=1, max_length=4_000)]
    files_to_look_at: Annotated[list[Line], Field(max_length=10)] = []
    pitfalls: Annotated[list[Line], Field(max_length=8)]


def sections(prompt: str) -> list[Section]:
    """Return what the model sees: the whole prompt, as far as the context allows."""
    return [Section("PROMPT", prompt, 1.0, "ends")]


def as_event(
    prepared: PromptPrepared,
    selected: LlmSelected,
    opinion: Opinion[Advice],
    *,
    template_sha256: str,
    options: dict[str, float],
) -> PromptEnhanced:
    """Return the advice as it is recorded."""
    return PromptEnhanced(
        attempt=prepared.attempt,
        run=prepared.run,
        advice=Content.of(_text(opinion.value)) if opinion.value else Content(),
        usable=opinion.value is not None,
        reason=opinion.reason,
        provider=selected.provider,
        model=selected.model,
        tokens=opinion.tokens,
        duration_ms=round(opinion.duration_ms, 3),
        template_sha256=template_sha256,
        options=options,
    )


def _text(advice: Advice) -> str:
    lines = [advice.advice.strip()]
    if advice.files_to_look_at:
        lines += ["", "Files to look at: " + ", ".join(advice.files_to_look_at)]
    if advice.pitfalls:
        lines += ["", "Easily done wrong:", *(f"- {pitfall}" for pitfall in advice.pitfalls)]
    return "\n".join(lines)
