"""Runs inputs through two templates, and through a model if there is one."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from obra.shared.config import Settings
from obra.shared.errors import BadUsage
from obra.shared.llm import Provider
from obra.shared.llm.ask import Patience, ask
from obra.shared.trial import Rendered, Row
from obra.shared.trial.inputs import Input
from obra.shared.trial.probe import Answers, agreement, question, repair

WRITER = "obra.services.session_manager.trial"
"""Who writes prompts. It is reached by name, so that nothing in `obra.shared` imports a service."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is asked, on its server."""

    provider: Provider
    name: str


def templates() -> tuple[str, ...]:
    """Return the names of the templates that there are."""
    names: Callable[[], tuple[str, ...]] = import_module(WRITER).names
    return names()


def write(one: Input, template: str, settings: Settings) -> Rendered:
    """Return the prompt that *template* makes of an input; `BadUsage` where it holds no task."""
    rendered: Any = import_module(WRITER).rendered
    made: Rendered | None = rendered(one.past, template, settings.prompt.rules)
    if made is None:
        raise BadUsage(problem=f"input {one.name!r} holds no task.submitted")
    return made


async def run(
    inputs: Sequence[Input], a: str, b: str, settings: Settings, model: Model | None
) -> AsyncIterator[tuple[Row, Row]]:
    """Yield the pair of rows of each input. A is asked first on even inputs, B on odd ones, against drift."""
    for number, one in enumerate(inputs):
        made = {name: write(one, name, settings) for name in (a, b)}
        rows: dict[str, Row] = {}
        for name in (a, b) if number % 2 == 0 else (b, a):
            row = Row(one.name, made[name].template, made[name].template_sha256, made[name].tokens, first=not rows)
            rows[name] = await _asked(row, made[name], settings, model) if model else row
        yield rows[a], rows[b]


async def _asked(row: Row, made: Rendered, settings: Settings, model: Model) -> Row:
    asked = question(made.text, model.name, settings.llm)
    opinion = await ask(model.provider, asked, Answers, repair, Patience())
    answers = opinion.value
    return replace(
        row, asked=True, tokens_reported=opinion.tokens.input, tokens_answered=opinion.tokens.output,
        latency_ms=round(opinion.duration_ms, 3), parsed=answers is not None and not opinion.repaired,
        agreement=agreement(answers, made.truth) if answers else 0.0, problem=opinion.reason,
    )  # fmt: skip
