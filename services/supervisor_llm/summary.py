"""The summary of a session: what was done so far as a question, and the reply as an event."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from obra.events import (
    Content,
    GoalCompleted,
    GoalFailed,
    LlmSelected,
    SessionSummarised,
    SummaryRequested,
    TaskCancelled,
)
from obra.services.supervisor_llm.kind import Asked, Kind, Seen
from obra.services.supervisor_llm.plan import goal_of
from obra.services.supervisor_llm.plan import llm as wish_of
from obra.shared.llm.material import Section

ENDS = (GoalCompleted, GoalFailed, TaskCancelled)
Line = Annotated[str, Field(min_length=1, max_length=300)]


class Summary(BaseModel):
    """The summary, as the model must write it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    summary: Annotated[str, Field(min_length=1, max_length=2_000)]
    open: Annotated[list[Line], Field(max_length=10)] = []


def wanted(seen: Seen, requested: SummaryRequested) -> bool:
    """Return whether an LLM serves the task, which may be over: the other tasks of its session want to know.

    Of a goal, whose milestone is summed up, the summary is wanted as long as the goal goes on.
    """
    if goal_of(seen) is not None:
        return not any(isinstance(event, ENDS) for event in seen.events)
    return seen.state.selected is not None and seen.state.selected.provider != "none"


def llm(seen: Seen) -> LlmSelected | str:
    """Return what serves the task, or the wish of the goal."""
    return wish_of(seen) if goal_of(seen) is not None else seen.selected


def contents(seen: Seen, requested: SummaryRequested) -> Mapping[str, Content]:
    """Return what is to be summarised."""
    return {"work": requested.text}


def sections(seen: Seen, requested: SummaryRequested, texts: Mapping[str, str]) -> list[Section]:
    """Return what the model sees."""
    return [Section("WORK", texts["work"], 1.0, "ends")]


def answer(seen: Seen, requested: SummaryRequested, asked: Asked[Summary]) -> SessionSummarised:
    """Return the summary as it is recorded, or the reason that there is none."""
    record = asked.record()
    provider, model = record.pop("provider"), record.pop("model")
    return SessionSummarised(
        session=requested.session,
        of=requested.text.sha256,
        summary=Content.of(_text(asked.value)) if asked.value else Content(),
        by=f"{provider}/{model}",
        usable=asked.value is not None,
        reason=asked.reason,
        **record,
    )


def _text(summary: Summary) -> str:
    lines = [summary.summary.strip()]
    if summary.open:
        lines += ["Still open:", *(f"- {each}" for each in summary.open)]
    return "\n".join(lines)


KIND = Kind(
    hears=SummaryRequested, says=SessionSummarised, prompt="summary", shape=Summary,
    key=lambda event: event.text.sha256 if isinstance(event, SummaryRequested) else event.of,
    wanted=wanted, contents=contents, sections=sections, answer=answer, llm=llm,
)  # fmt: skip
