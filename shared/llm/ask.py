"""One question until the answer can be used: a few tries, one repair, and then a reason instead of an answer."""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from obra.events import Tokens
from obra.shared.llm import LlmFailed, Provider, Question, Reply
from obra.shared.refusal import refuses

Shape = TypeVar("Shape", bound=BaseModel)

SEED = 7
REPLY_TOKENS_MAX = 1_024
REPAIR_TOKENS = 200
PROBLEM_CHARS_MAX = 400
FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
UNSENT = frozenset({"maxLength", "minLength", "title", "default", "description"})
"""Schema words that stay here: llama.cpp turns bounds on strings into grammars that it refuses (HTTP 400)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a question is asked again after a passing failure, and how long is waited before: it doubles."""

    retries_max: int = 2
    pause_s: float = 0.25


@dataclass(frozen=True, slots=True)
class Opinion(Generic[Shape]):
    """What came of a question: a value, or the reason that there is none; and what it took."""

    value: Shape | None
    reason: str
    tokens: Tokens
    duration_ms: float
    conceded: Mapping[str, float] = field(default_factory=dict)


def unasked(reason: str) -> Opinion[Any]:
    """Return that nobody was asked, and why."""
    return Opinion(None, reason, Tokens(), 0.0)


def schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema that the server constrains the reply with."""
    cut = _without(shape.model_json_schema())
    assert isinstance(cut, dict)
    return cut


def _without(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without(value) for key, value in node.items() if key not in UNSENT or isinstance(value, dict)}
    return [_without(item) for item in node] if isinstance(node, list) else node


async def ask(
    provider: Provider, question: Question, shape: type[Shape], repair: Callable[[str], str], patience: Patience
) -> Opinion[Shape]:
    """Return the model's reply as a *shape*.

    A reply that does not fit is asked for once more, with what *repair* makes of the reason.
    """
    began, tokens, problem = time.perf_counter(), Tokens(), ""
    value: Shape | None = None
    conceded: Mapping[str, float] = {}
    try:
        for again in (False, True):
            asked = replace(question, user=question.user + repair(problem)) if again else question
            reply = await _patiently(provider, asked, patience)
            tokens += reply.tokens
            value, problem = _read(reply, shape)
            conceded = reply.conceded
            if value is not None or reply.crowded or reply.refusal or refuses(reply.text):
                break
    except LlmFailed as error:
        problem = error.reason
    return Opinion(value, problem, tokens, _ms_since(began), conceded)


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


def _read(reply: Reply, shape: type[Shape]) -> tuple[Shape | None, str]:
    """Return what the reply says, or why it can't be used."""
    if reply.crowded:
        return None, "the prompt filled the model's whole context, so the server may have cut it"
    if reply.refusal:
        return None, f"the model refused: {reply.refusal}"[:PROBLEM_CHARS_MAX]
    if reply.truncated:
        return None, "the reply was cut at the token limit"
    if not reply.text.strip():
        return None, "the reply was empty"
    try:
        return shape.model_validate_json(bare(reply.text), strict=True), ""
    except ValidationError as error:
        if refuses(reply.text):
            return None, f"the model refused: {' '.join(reply.text.split())}"[:PROBLEM_CHARS_MAX]
        return None, _problem(error)


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
