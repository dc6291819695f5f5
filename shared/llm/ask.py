"""One question until the answer can be used: a few tries, one repair, and then a reason instead of an answer."""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from obra.events import Tokens
from obra.shared.llm import LlmFailed, Provider, Question, Reply
from obra.shared.llm.coherence import lost
from obra.shared.refusal import refuses

Shape = TypeVar("Shape", bound=BaseModel)
Trouble = Literal["", "failed", "refused", "truncated", "crowded", "empty", "malformed", "unasked"]

SEED = 7
REPLY_TOKENS_MAX = 1_024
REPAIR_TOKENS = 200
PROBLEM_CHARS_MAX = 400
FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
FINAL: frozenset[Trouble] = frozenset({"", "crowded", "refused"})
"""Of these it is not asked again: there is an answer, or the same question can't have one."""

UNSENT = frozenset({"maxLength", "minLength", "title", "default", "description"})
"""Schema words that stay here: llama.cpp turns bounds on strings into grammars that it refuses (HTTP 400)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a question is asked again after a passing failure, and how long is waited before: it doubles."""

    retries_max: int = 2
    pause_s: float = 0.25


@dataclass(frozen=True, slots=True)
class Opinion(Generic[Shape]):
    """What came of a question: a value, or the reason that there is none; and what it took.

    ``problem`` is the reason as one word; ``repaired``: the first reply did not fit and it was asked once more.
    """

    value: Shape | None
    reason: str
    tokens: Tokens
    duration_ms: float
    conceded: Mapping[str, float] = field(default_factory=dict)
    problem: Trouble = ""
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Reading(Generic[Shape]):
    """What one reply says: a value, or what is wrong with it."""

    value: Shape | None = None
    trouble: Trouble = ""
    reason: str = ""


def unasked(reason: str) -> Opinion[Any]:
    """Return that nobody was asked, and why."""
    return Opinion(None, reason, Tokens(), 0.0, problem="unasked")


def schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema that the server constrains the reply with. It asks for every field.

    What has a default here is for replies of servers that can't be constrained; and OpenAI's strict form wants it so.
    """
    cut = _without(shape.model_json_schema())
    assert isinstance(cut, dict)
    return cut


def _without(node: Any) -> Any:
    if isinstance(node, dict):
        if len(options := [each for each in node.get("anyOf", ()) if each != {"type": "null"}]) == 1:
            return _without(options[0])
        kept = {key: _without(value) for key, value in node.items() if key not in UNSENT or isinstance(value, dict)}
        properties = kept.get("properties")
        return kept | ({"required": list(properties)} if isinstance(properties, dict) else {})
    return [_without(item) for item in node] if isinstance(node, list) else node


async def ask(
    provider: Provider, question: Question, shape: type[Shape], repair: Callable[[str], str], patience: Patience
) -> Opinion[Shape]:
    """Return the model's reply as a *shape*.

    A reply that does not fit is asked for once more, with what *repair* makes of the reason.
    """
    began, tokens = time.perf_counter(), Tokens()
    read: Reading[Shape] = Reading()
    conceded: Mapping[str, float] = {}
    again = False
    try:
        for again in (False, True):
            asked = replace(question, user=question.user + repair(read.reason)) if again else question
            reply = await _patiently(provider, asked, patience)
            tokens += reply.tokens
            read, conceded = _read(reply, shape, repair("")), reply.conceded
            if read.trouble in FINAL:
                break
    except LlmFailed as error:
        read = Reading(trouble="failed", reason=error.reason)
    return Opinion(read.value, read.reason, tokens, _ms_since(began), conceded, read.trouble, again)


async def _patiently(provider: Provider, question: Question, patience: Patience) -> Reply:
    pause_s = patience.pause_s
    for left in range(patience.retries_max, -1, -1):
        try:
            return await provider.ask(question)
        except LlmFailed as error:
            if not (error.transient and left):
                raise
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
        pause_s *= 2
    raise AssertionError("the last try returns or raises")


def _read(reply: Reply, shape: type[Shape], told: str) -> "Reading[Shape]":
    """Return what the reply says, or why it can't be used; *told* is what a second request adds to the first."""
    if reply.crowded:
        reason = "the prompt filled the model's whole context, so the server may have cut it"
        return Reading(trouble="crowded", reason=reason)
    if reply.refusal or refuses(reply.text):
        said = " ".join((reply.refusal or reply.text).split())
        return Reading(trouble="refused", reason=f"the model refused: {said}"[:PROBLEM_CHARS_MAX])
    if reply.truncated:
        return Reading(trouble="truncated", reason="the reply was cut at the token limit")
    if not reply.text.strip():
        return Reading(trouble="empty", reason="the reply was empty")
    try:
        value = shape.model_validate_json(bare(reply.text), strict=True)
    except ValidationError as error:
        return Reading(trouble="malformed", reason=_problem(error))
    if reason := lost(value, told):
        return Reading(trouble="malformed", reason=reason[:PROBLEM_CHARS_MAX])
    return Reading(value=value)


def bare(text: str) -> str:
    """Return *text* without the Markdown fence that models like to put around JSON."""
    fence = FENCE.fullmatch(text.strip())
    return fence[1] if fence else text


def _problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"the reply does not fit: {where + ': ' if where else ''}{first['msg']}"[:PROBLEM_CHARS_MAX]


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1_000
