"""The advice: the prompt of an attempt as a question, and the reply as an event."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from obra.events import Content, PromptEnhanced, PromptPrepared
from obra.services.supervisor_llm.kind import Asked, Kind, Seen
from obra.shared.llm.coherence import distinct
from obra.shared.llm.material import Section

Line = Annotated[str, Field(min_length=1, max_length=300)]


class Advice(BaseModel):
    """The advice, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    advice: Annotated[str, Field(min_length=1, max_length=4_000)]
    files_to_look_at: Annotated[list[Line], Field(max_length=10)] = []
    pitfalls: Annotated[list[Line], Field(max_length=8)]


def wanted(seen: Seen, prepared: PromptPrepared) -> bool:
    """Return whether the prompt waits for advice, or for the reason that there is none."""
    return seen.state.serves


def contents(seen: Seen, prepared: PromptPrepared) -> Mapping[str, Content]:
    """Return the prompt, which may be in the object store."""
    return {"prompt": prepared.prompt}


def sections(seen: Seen, prepared: PromptPrepared, texts: Mapping[str, str]) -> list[Section]:
    """Return what the model sees: the whole prompt, as far as the context allows."""
    return [Section("PROMPT", texts["prompt"], 1.0, "ends")]


def answer(seen: Seen, prepared: PromptPrepared, asked: Asked[Advice]) -> PromptEnhanced:
    """Return the advice as it is recorded."""
    return PromptEnhanced(
        attempt=prepared.attempt,
        run=prepared.run,
        advice=Content.of(_text(asked.value, asked.shown)) if asked.value else Content(),
        usable=asked.value is not None,
        reason=asked.reason,
        **asked.record(),
    )


def _text(advice: Advice, shown: str) -> str:
    """Return the advice as the agent gets it. A file that stands nowhere in what it was *shown* is made up."""
    lines = [advice.advice.strip()]
    if files := [file for file in distinct(advice.files_to_look_at, str) if file in shown]:
        lines += ["", "Files to look at: " + ", ".join(files)]
    if pitfalls := distinct(advice.pitfalls, str):
        lines += ["", "Easily done wrong:", *(f"- {pitfall}" for pitfall in pitfalls)]
    return "\n".join(lines)


KIND = Kind(
    hears=PromptPrepared, says=PromptEnhanced, prompt="enhance", shape=Advice,
    key=lambda event: (event.attempt, event.run),
    wanted=wanted, contents=contents, sections=sections, answer=answer,
)  # fmt: skip
