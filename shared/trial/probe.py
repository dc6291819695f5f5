"""The questions about a prompt, and how true the answers are."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from obra.shared.config import LlmSettings
from obra.shared.llm import Question
from obra.shared.llm.ask import SEED, schema_of
from obra.shared.trial import Truth

REPLY_TOKENS_MAX = 512
SYSTEM = """\
Below stands the prompt that a coding agent is about to get. You are not that agent: don't do the task. Read the prompt
and answer questions about it with one JSON object and nothing else:
- attempt: the number of the attempt that the agent is about to make.
- attempts_max: how many attempts there may be.
- checks: every command that will be run to check the work, exactly as it stands there.
- failed: those of them that are said to have failed after the attempt before; empty if none is.
- may_commit: whether the agent may make git commits.
- may_ask: whether the agent may ask a person a question."""

Command = Annotated[str, Field(max_length=8_192)]


class Answers(BaseModel):
    """The answers, as the model must write them."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    attempt: int
    attempts_max: int
    checks: Annotated[list[Command], Field(max_length=64)]
    failed: Annotated[list[Command], Field(max_length=64)]
    may_commit: bool
    may_ask: bool


def question(prompt: str, model: str, settings: LlmSettings) -> Question:
    """Return the question about *prompt*."""
    return Question(
        model=model, system=SYSTEM, user=prompt, schema=schema_of(Answers), tokens_max=REPLY_TOKENS_MAX,
        context_tokens=settings.context_tokens, temperature=settings.temperature, seed=SEED,
    )  # fmt: skip


def repair(problem: str) -> str:
    """Return what is added after a reply that did not fit."""
    return f"\n\nYour last reply could not be used: {problem}\nAnswer again, with the JSON object alone.\n"


def agreement(answers: Answers, truth: Truth) -> float:
    """Return the share of the six answers that are true; commands in any order, each exactly as it stands."""
    held = (
        answers.attempt == truth.attempt,
        answers.attempts_max == truth.attempts_max,
        sorted(answers.checks) == sorted(truth.checks),
        sorted(answers.failed) == sorted(truth.failed),
        answers.may_commit == truth.may_commit,
        answers.may_ask == truth.may_ask,
    )
    return round(sum(held) / len(held), 4)
