"""A comparison of two prompt templates on the same inputs: what is measured, and on what.

An *input* is a recorded situation: what had happened to a task before one of its prompts was written. Both templates
write that prompt. Its tokens are counted; and a language model, asked to read it, answers questions whose answers are
known from the situation itself, so agreement is with ground truth and not with anybody's opinion.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a situation, and stands in every prompt of it."""

    attempt: int
    attempts_max: int
    checks: tuple[str, ...]
    failed: tuple[str, ...]
    may_commit: bool
    may_ask: bool


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt of one template. ``tokens`` is an estimate, see `obra.shared.tokens`."""

    text: str
    template: str
    template_sha256: str
    tokens: int
    truth: Truth


@dataclass(frozen=True, slots=True)
class Row:
    """One template on one input: raw, as it is written down.

    ``tokens_estimated`` are of the prompt alone. The rest is there once a model was asked: ``tokens_reported`` of the
    whole question and ``tokens_answered`` of the reply, as its server counted them; ``parsed``: the first reply had
    the shape that was asked for; ``agreement``: the share of answers that are true, 0 where there are none. ``first``:
    this template was asked before the other one.
    """

    input: str
    template: str
    template_sha256: str
    tokens_estimated: int
    first: bool = False
    asked: bool = False
    tokens_reported: int = 0
    tokens_answered: int = 0
    latency_ms: float = 0.0
    parsed: bool = False
    agreement: float = 0.0
    problem: str = ""
