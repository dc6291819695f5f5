"""What a kind of question is: one file says all of it, and `kinds.KINDS` lists it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from obra.events import Content, Event, LlmSelected, Tokens
from obra.services.supervisor_llm.state import State
from obra.shared.llm.ask import REPLY_TOKENS_MAX, Trouble
from obra.shared.llm.material import Section

Cause = TypeVar("Cause", bound=Event)
Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Seen:
    """A scope up to a position: what happened, and what that adds up to."""

    position: int
    events: tuple[Event, ...]
    state: State

    @property
    def selected(self) -> LlmSelected:
        """Return which LLM serves the task; only for kinds that are wanted once one does."""
        assert self.state.selected is not None
        return self.state.selected


@dataclass(frozen=True, slots=True)
class Asked(Generic[Shape]):
    """What came of a question: the reply as a value, or the reason that there is none; and how it was asked.

    ``shown`` is all the material that the model saw; ``problem`` is the reason as one word; ``record`` gives the
    fields that every answering event has.
    """

    value: Shape | None
    reason: str
    tokens: Tokens
    duration_ms: float
    selected: LlmSelected
    shown: str = ""
    template_sha256: str = ""
    options: dict[str, float] = field(default_factory=dict)
    problem: Trouble = ""
    repaired: bool = False

    def record(self) -> dict[str, Any]:
        """Return who was asked and what it took, under the names that events use."""
        return {
            "provider": self.selected.provider, "model": self.selected.model, "tokens": self.tokens,
            "duration_ms": round(self.duration_ms, 3), "template_sha256": self.template_sha256,
            "options": self.options,
        }  # fmt: skip


def no_contents(_seen: Seen, _cause: Any) -> Mapping[str, Content]:
    """Return that nothing of what is shown may be in the object store."""
    return {}


def selected(seen: Seen) -> LlmSelected | str:
    """Return the model that was selected for the task."""
    return seen.selected


@dataclass(frozen=True, slots=True)
class Kind(Generic[Cause, Shape]):
    """One kind of question to the LLM: what it is asked about, what it is shown, and what is said of the reply.

    - ``hears``: the event that poses the question; ``says``: the one event that answers it, usable or not.
    - ``prompt``: the file of instructions, ``prompts/NAME.md``; ``shape``: the reply, as the model must write it.
    - ``key``: of a question and of its answer, the same for both: a question that has an answer is not asked again.
    - ``wanted``: whether the question is still to be asked, apart from that.
    - ``contents``: texts that may be in the object store; ``sections`` gets them whole, by the same names.
    - ``answer``: the event. It is said whatever came of the question; without a value it carries the reason.
    - ``llm``: what was selected for the task, or a wish (`auto`, `openai/MODEL`) that is resolved on the spot.
    """

    hears: type[Cause]
    says: type[Event]
    prompt: str
    shape: type[Shape]
    key: Callable[[Any], object]
    wanted: Callable[[Seen, Cause], bool]
    sections: Callable[[Seen, Cause, Mapping[str, str]], list[Section]]
    answer: Callable[[Seen, Cause, Asked[Shape]], Event]
    contents: Callable[[Seen, Cause], Mapping[str, Content]] = no_contents
    llm: Callable[[Seen], LlmSelected | str] = selected
    reply_tokens_max: int = REPLY_TOKENS_MAX

    def due(self, seen: Seen, cause: Cause) -> bool:
        """Return whether *cause* is a question that is wanted and has no answer yet."""
        key = self.key(cause)
        return self.wanted(seen, cause) and not any(
            type(event) is self.says and self.key(event) == key for event in seen.events
        )
