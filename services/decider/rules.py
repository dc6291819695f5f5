"""The rules, in the order in which they are asked: the first that has an answer decides.

Evidence comes first. The LLM's review is a weak witness: it moves the confidence, and it is named among the
reasons, but alone it neither makes nor breaks an attempt.
"""

from collections.abc import Callable
from dataclasses import dataclass

from obra.events import HOPELESS, OUTAGES, Action
from obra.services.decider import words
from obra.services.decider.state import State

REMEDIES: dict[str, str] = {
    "not_logged_in": "log the agent in, or pass its credentials with --agent-env or agent.claude.credentials",
    "rejected": "the same request would be rejected again: look at the model, the account and the prompt",
    "unavailable": "`obra doctor` says what is missing",
    "over_budget": "give the task a larger budget, or make it smaller",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says."""

    action: Action
    reasons: tuple[str, ...]
    counted: bool = True


def overridden(state: State) -> Verdict | None:
    """A person decided otherwise. Only work that was recorded can be delivered."""
    if state.override is None or (state.override.action == "proceed" and state.evidence.checkpoint is None):
        return None
    return Verdict(state.override.action, (words.person("decided", state.override.by, state.override.reason),))


def resolved(state: State) -> Verdict | None:
    """A person was needed and has spoken; another attempt on their word may exceed the task's attempts."""
    if state.due != "resolution" or state.resolution is None:
        return None
    said = state.resolution
    action: Action = {"approve": "proceed", "reject": "stop", "retry": "retry"}[said.resolution]  # type: ignore[assignment]
    verb = {"approve": "approved", "reject": "rejected the work", "retry": "wants another attempt"}[said.resolution]
    return Verdict(action, (words.person(verb, said.by, said.note.text),))


def undeliverable(state: State) -> Verdict | None:
    """The accepted work could not be put into the repository."""
    if state.due != "refusal":
        return None
    return Verdict("stop", (f"the work was accepted, but its branch could not be made: {state.refusal}",))


def out_of_money(state: State) -> Verdict | None:
    """The budget does not allow another attempt."""
    if state.due != "budget" or state.budget is None:
        return None
    spent, budget = state.budget.spent_usd, state.budget.budget_usd
    return Verdict("stop", (f"the budget is used up: {spent:.2f} of {budget:.2f} USD are spent",))


def waited(state: State) -> Verdict | None:
    """The wait for the provider is over; the lost run does not count."""
    if state.due != "timer":
        return None
    return Verdict("retry", ("the wait for the provider is over",), counted=False)


def lost(state: State) -> Verdict | None:
    """A run was lost to a crash or a stop of its runner: made again, not counted, within a bound."""
    if state.due != "loss" or state.loss is None:
        return None
    why = f"the run was lost: {state.loss.reason}"
    if state.interruptions > state.policy.interruptions_max:
        nth, bound = words.ordinal(state.interruptions), state.policy.interruptions_max
        return Verdict("stop", (why, f"that was the {nth} lost run, and {bound} are made again"))
    return Verdict("retry", (why,), counted=False)


def cancelled(state: State) -> Verdict | None:
    """A person cancelled the attempt."""
    if state.evidence.ending != "cancelled":
        return None
    return Verdict("stop", (words.ended(state),))


def hopeless(state: State) -> Verdict | None:
    """The same attempt again can't end otherwise."""
    ending = state.evidence.ending
    if ending is None or ending not in HOPELESS:
        return None
    return Verdict("stop", (words.ended(state), REMEDIES[ending]))


def outage(state: State) -> Verdict | None:
    """The provider is away: waited out, longer each time, within a bound."""
    if state.evidence.ending not in OUTAGES:
        return None
    if state.outages >= state.policy.outages_max:
        waits = (
            f"it was waited for {state.outages} times already" if state.outages else "the policy does not wait for it"
        )
        return Verdict("stop", (words.ended(state), waits))
    resets = state.evidence.exited.retry_at if state.evidence.exited else ""
    hint = (f"the provider says that the limit resets at {resets}",) if resets else ()
    return Verdict("wait", (words.ended(state), *hint))


def accepted(state: State) -> Verdict | None:
    """The evidence is sound and both numbers are reached."""
    if state.due != "score" or words.shortcomings(state) or not (state.evidence.passed or _reviewed(state)):
        return None
    return Verdict("proceed", words.merits(state))


def _reviewed(state: State) -> bool:
    """Return whether the policy takes a review for checks that do not exist, and there is one that approves."""
    review = state.evidence.review
    allowed = state.policy.accept_without_checks and not state.checks
    return allowed and review is not None and review.usable and review.approves


def unchecked(state: State) -> Verdict | None:
    """No check exists: whether the work is done, a person must say."""
    evidence = state.evidence
    sound = evidence.ending == "completed" and evidence.changed and not evidence.denials()
    if state.due != "score" or state.checks or not sound:
        return None
    return Verdict("escalate", ("the task has no checks, so a person must approve the work", *words.merits(state)))


def again(state: State) -> Verdict | None:
    """Attempts are left: tried again, with what was wrong as feedback."""
    if state.made >= state.attempts_max:
        return None
    return Verdict("retry", _wrong(state))


def used_up(state: State) -> Verdict:
    """Nothing is left to try. The task fails; it never waits."""
    attempts = f"all {state.attempts_max} attempts are" if state.attempts_max > 1 else "the only attempt is"
    return Verdict("stop", (*_wrong(state), f"{attempts} used up"))


def _wrong(state: State) -> tuple[str, ...]:
    return words.shortcomings(state) if state.due == "score" else (words.ended(state),)


RULES: tuple[Callable[[State], Verdict | None], ...] = (
    undeliverable,
    out_of_money,
    overridden,
    resolved,
    waited,
    lost,
    cancelled,
    hopeless,
    outage,
    accepted,
    unchecked,
    again,
)
"""First match wins; where none matches, `used_up` does."""


def verdict(state: State) -> Verdict:
    """Return what the first rule with an answer says."""
    return next((said for rule in RULES if (said := rule(state)) is not None), None) or used_up(state)
