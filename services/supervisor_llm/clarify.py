"""The answer to an agent's question, where the task gives it; a person is asked where it does not."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from obra.events import Content, QuestionAnswered, QuestionAsked
from obra.services.supervisor_llm.kind import Asked, Kind, Seen
from obra.services.supervisor_llm.quotes import flat, found
from obra.shared.llm.material import Section, without

FILES_MAX = 100
AGENTS = ("CHANGED FILES", "QUESTION")
"""Sections that the agent wrote: they settle nothing, whoever quotes them."""


class Answer(BaseModel):
    """The answer, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    follows_from: Annotated[str, Field(max_length=500, description="words of the task")]
    known: bool
    answer: Annotated[str, Field(max_length=4_000)]


def wanted(seen: Seen, asked: QuestionAsked) -> bool:
    """Return whether the question is one for the LLM."""
    return seen.state.serves and asked.to == "llm"


def contents(seen: Seen, asked: QuestionAsked) -> Mapping[str, Content]:
    """Return the question, which may be in the object store."""
    return {"question": asked.text}


def sections(seen: Seen, asked: QuestionAsked, texts: Mapping[str, str]) -> list[Section]:
    """Return what the model sees: the task, what it must meet, what was changed so far, and the question."""
    task, checkpoint = seen.state.task, seen.state.evidence.checkpoint
    assert task is not None
    criteria = "\n".join(task.acceptance) or "(none but the checks)"
    checks = "\n".join(task.checks) or "(none)"
    files = "\n".join(f"{file.kind} {file.path}" for file in checkpoint.files[:FILES_MAX]) if checkpoint else ""
    return [
        Section("TASK", task.text, 2.0, "ends"),
        Section("CRITERIA", criteria, 1.0, "ends"),
        Section("CHECKS", checks, 0.5, "ends"),
        Section("CHANGED FILES", files or "(none yet)", 0.5, "ends"),
        Section("QUESTION", texts["question"], 2.0, "ends"),
    ]


def answer(seen: Seen, asked: QuestionAsked, reply: Asked[Answer]) -> QuestionAnswered:
    """Return the answer as it is recorded, or why there is none."""
    value, reason = reply.value, reply.reason
    if value is not None and not (value.known and value.answer.strip()):
        value, reason = None, "it says that the task does not tell"
    if value is not None and not found(value.follows_from, flat(without(reply.shown, AGENTS))):
        value, reason = None, "what it says to follow from stands nowhere in the task"
    return QuestionAnswered(
        question=asked.question,
        text=Content.of(value.answer.strip()) if value else Content(),
        by=f"{reply.selected.provider}/{reply.selected.model}",
        usable=value is not None,
        reason=reason if value is None else "",
        **reply.record(),
    )


KIND = Kind(
    hears=QuestionAsked, says=QuestionAnswered, prompt="clarify", shape=Answer, key=lambda event: event.question,
    wanted=wanted, contents=contents, sections=sections, answer=answer,
)  # fmt: skip
