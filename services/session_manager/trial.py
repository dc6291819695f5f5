"""Renders recorded situations with any template, and says what is true of them: for comparisons of templates."""

from collections.abc import Sequence

from obra.events import Event
from obra.services.session_manager.decide import DECIDER
from obra.services.session_manager.prompt import render
from obra.services.session_manager.prompts import NEWEST, load
from obra.shared import rules
from obra.shared.trial import Rendered, Truth


def names() -> tuple[str, ...]:
    """Return the templates that there are: by the name that means the newest, and by version."""
    return tuple(dict.fromkeys((*NEWEST, *NEWEST.values())))


def rendered(past: Sequence[Event], template: str, own_rules: str = "") -> Rendered | None:
    """Return the prompt that *past* leads to, and what a reader of it should find; None where no task was submitted."""
    state = DECIDER.fold(past)
    if state.task is None:
        return None
    prompt = render(state, rules.load(own_rules), template)
    failed = state.last.evidence.failing if state.last else ()
    truth = Truth(
        attempt=state.next[0], attempts_max=max(state.next[0], state.task.attempts_max), checks=state.task.checks,
        failed=tuple(check.command for check in failed), may_commit=False, may_ask=False,
    )  # fmt: skip
    return Rendered(prompt.text, prompt.words.name, load(template).sha256, prompt.tokens, truth)
