"""Rules of one's own: data in the policy, asked in their order before all built-in judgement."""

from obra.events import Rule
from obra.services.decider import words
from obra.services.decider.facts import facts
from obra.services.decider.questions import may_ask
from obra.services.decider.state import State
from obra.services.decider.verdict import Verdict
from obra.shared.expression import BadExpression, value
from obra.shared.rulebook import named


def custom(state: State) -> Verdict | None:
    """Return what the first rule says that is true and whose action is possible now.

    A rule that can't be evaluated is never passed over: a person is asked, with what was wrong with it.
    """
    if state.due not in ("score", "ending") or not state.policy.rules:
        return None
    known = facts(state)
    for place, rule in enumerate(state.policy.rules, 1):
        name = named(rule, place)
        try:
            true = value(rule.when, known)
        except BadExpression as error:
            return Verdict(
                "escalate", (f"rule {name} can't be evaluated: {error}", *words.standing(state)), "rule_error"
            )
        if true and (said := _says(state, rule, name)) is not None:
            return said
    return None


def _says(state: State, rule: Rule, name: str) -> Verdict | None:
    """Return the verdict of a rule that is true; None where its action is not possible any more."""
    reason = rule.reason or f"{name}: {rule.when}"
    match rule.action:
        case "proceed":
            if state.evidence.checkpoint is None:
                return None
        case "retry":
            if not state.attempts_left:
                return None
        case "checkpoint":
            if state.checkpoints >= state.policy.checkpoints_max:
                return None
            return Verdict("checkpoint", (reason,), name, counted=False)
        case "clarify":
            if not may_ask(state):
                return Verdict("escalate", (reason, *words.standing(state)), name)
            return Verdict("clarify", (reason, *words.standing(state)), name, question=reason)
        case _:
            pass
    return Verdict(rule.action, (reason, *words.standing(state)), name)
