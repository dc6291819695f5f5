"""How full the context of the agent's model is, by what the agent reported."""

from obra.events import AgentExited, Policy, TaskSubmitted

OTHERWISE = 200_000
BY_MODEL: tuple[tuple[str, int], ...] = (
    ("[1m]", 1_000_000), ("claude", 200_000), ("opus", 200_000), ("sonnet", 200_000), ("haiku", 200_000),
    ("gpt-5", 400_000), ("gpt-4.1", 1_000_000), ("gpt-4o", 128_000), ("o3", 200_000), ("o4", 200_000),
    ("codex", 400_000), ("gemini", 1_000_000), ("qwen", 32_768), ("deepseek", 128_000), ("llama", 128_000),
)  # fmt: skip
"""Sizes by what a model's name contains, the first hit counts. What the agent itself reports goes before them."""


def size(policy: Policy, model: str, reported: int = 0) -> int:
    """Return the tokens of the context window: as the policy says, else as reported, else by the model's name."""
    known = next((tokens for part, tokens in BY_MODEL if part in model.lower()), OTHERWISE)
    return policy.context_window or reported or known


def size_for(task: TaskSubmitted | None, policy: Policy | None, exited: AgentExited | None) -> int:
    """Return the same for a task, after the run that *exited* told of, if there was one."""
    model = (exited.model if exited else "") or (task.model or task.agent if task else "")
    return size(policy or Policy(), model, exited.context_window if exited else 0)


def used_tokens(exited: AgentExited, carried: int) -> int:
    """Return the tokens in the context when the agent ended.

    That is what it reported for its last answer. An agent that reports only sums is taken at those, on top of what
    a resumed conversation *carried*: too many where it made several requests, and never too few.
    """
    tokens = exited.tokens
    summed = tokens.input + tokens.cache_read + tokens.cache_write + tokens.output
    return exited.context_tokens or carried + summed
