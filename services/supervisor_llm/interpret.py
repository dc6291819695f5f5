"""What a person's plain words mean for what waits: one of the things that they could have said by a command.

Nobody acts on it but the edge that the person spoke to, and only with their word. The model must copy the words that
say so from what the person said: the task and what waits are shown beside it, and whoever wrote those decides nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from obra.events import (
    BreakpointRaised,
    Content,
    InputInterpreted,
    InputReceived,
    LlmSelected,
    QuestionAsked,
    TaskRolledBack,
)
from obra.services.supervisor_llm.kind import Asked, Kind, Seen
from obra.services.supervisor_llm.plan import goal_of
from obra.services.supervisor_llm.quotes import flat, found
from obra.shared.llm.material import Section

Intent = Literal["approve", "reject", "retry", "answer", "cancel"]
WORDS_CHARS_MIN = 1
REASONS_MAX = 20


class Meaning(BaseModel):
    """The meaning, as the model must write it: first the words, then what follows from them."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    words: Annotated[str, Field(max_length=500, description="copied from what the person said")]
    intent: Literal[Intent, "none"]
    text: Annotated[str, Field(max_length=8_000)]


def wanted(seen: Seen, received: InputReceived) -> bool:
    """Return whether it is about something that goes on."""
    return not seen.state.over and (seen.state.task is not None or goal_of(seen) is not None)


def llm(seen: Seen) -> LlmSelected | str:
    """Return the model of the task, or the wish of the goal."""
    goal = goal_of(seen)
    return seen.state.selected or (goal.llm if goal else "none")


def contents(seen: Seen, received: InputReceived) -> Mapping[str, Content]:
    """Return the texts that may be in the object store."""
    waits = _waits(seen)
    return {"said": received.text, "question": waits.text if isinstance(waits, QuestionAsked) else Content()}


def sections(seen: Seen, received: InputReceived, texts: Mapping[str, str]) -> list[Section]:
    """Return what the model sees: the task, what waits and why, what can be said to it, and what the person said."""
    task, goal, waits = seen.state.task, goal_of(seen), _waits(seen)
    said = [*([f"a question: {texts['question']}"] if texts["question"] else []), *_reasons(waits)]
    return [
        Section("TASK", task.text if task else goal.text if goal else "", 0.4, "ends"),
        Section("WAITS", "\n".join(said) or "(a word on how it goes on)", 0.5, "ends"),
        Section("POSSIBLE", ", ".join(_possible(waits)), 0.2),
        Section("PERSON SAYS", texts["said"], 1.0, "ends"),
    ]


def answer(seen: Seen, received: InputReceived, asked: Asked[Meaning]) -> InputInterpreted:
    """Return the meaning as it is recorded, or why there is none."""
    value, reason = asked.value, asked.reason
    if value is not None:
        reason = _problem(value, _possible(_waits(seen)), flat(asked.shown.rpartition("<<<PERSON SAYS ")[2]))
    meant = value if value is not None and not reason else None
    return InputInterpreted(
        intent=meant.intent if meant else "",
        parameters={"text": meant.text.strip(), "words": meant.words} if meant else {},
        input=received.input, usable=meant is not None, reason=reason, **asked.record(),
    )  # fmt: skip


def _problem(value: Meaning, possible: tuple[str, ...], said: str) -> str:
    """Return why a reply is of no use; empty: it is."""
    if value.intent == "none":
        return "it says none of what can be said here"
    if value.intent not in possible:
        return f"to {value.intent} is not possible here"
    if not found(value.words, said, WORDS_CHARS_MIN):
        return "the words that are to say so were not said"
    return "the answer is empty" if value.intent == "answer" and not value.text.strip() else ""


def _waits(seen: Seen) -> BreakpointRaised | QuestionAsked | TaskRolledBack | None:
    """Return what waits for a person: the newest that does."""
    for event in reversed(seen.events):
        if isinstance(event, BreakpointRaised | TaskRolledBack) or (
            isinstance(event, QuestionAsked) and event.to == "person"
        ):
            return event
    return None


def _reasons(waits: BreakpointRaised | QuestionAsked | TaskRolledBack | None) -> list[str]:
    reasons = waits.reasons if isinstance(waits, BreakpointRaised | QuestionAsked) else ()
    return [f"- {reason}" for reason in reasons[:REASONS_MAX]]


def _possible(waits: object) -> tuple[str, ...]:
    return tuple(each for each in get_args(Intent) if each != "answer" or isinstance(waits, QuestionAsked))


KIND = Kind(
    hears=InputReceived, says=InputInterpreted, prompt="interpret", shape=Meaning, key=lambda event: event.input,
    wanted=wanted, contents=contents, sections=sections, answer=answer, llm=llm,
)  # fmt: skip
